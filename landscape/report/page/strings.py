"""The page's part on single strings: how they came through their search, and their barriers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

from landscape.analysis.summary import CONNECTED
from landscape.report.data.wording import series
from landscape.report.figures import pictures
from landscape.report.figures.pictures import read_history
from landscape.report.figures.style import CURVES, INK, draw
from landscape.store.layout import level_name
from landscape.store.records.strings import StringRecord
from landscape.store.run import Run

PARTS = (
    "The string along the principal axes of its final beads, with each axis's share of their "
    "variance; coloured by the loss; A and B are its ends. Each picture is one look at the string."
)
BARRIERS = (
    "The highest loss on the strings that did not connect, and where it is, each time that the "
    f"search looked at them, on its grid. Dotted: the limit. At most {CURVES} strings are drawn."
)
MOST_SHOWN = 6  # strings on the page, which is to stay light


@dataclass(frozen=True)
class Picture:
    """A string in pictures. stills: titles and SVGs; rounds: SVG; animation: GIF."""

    row: StringRecord
    stills: list[tuple[str, str]]
    rounds: str
    animation: bytes

    @property
    def title(self) -> str:
        row = self.row
        said = f"pair {row.a}-{row.b} at {row.level:g} ({row.set}): {row.status}"
        return f"{said}, {row.beads} beads"

    @property
    def files(self) -> dict[str, bytes]:
        """Their contents by name, to be kept in a folder of the run's."""
        row = self.row
        folder = f"{row.set}/{level_name(row.level)}/{row.a}-{row.b}"
        named = {f"still-{n}.svg": svg.encode() for n, svg in enumerate(s for _, s in self.stills)}
        named |= {"rounds.svg": self.rounds.encode(), "string.gif": self.animation}
        return {f"{folder}/{name}": content for name, content in named.items()}


def chosen(rows: Sequence[StringRecord], pairs: Sequence[tuple[int, int]]) -> list[StringRecord]:
    """The rows of these pairs; without any, of every set at its lowest level the longest string
    that connected and the longest that did not."""
    searched = [row for row in rows if row.limit is not None]
    if pairs:
        return [row for row in searched if (row.a, row.b) in pairs]
    found = []
    for _, group in groupby(searched, key=lambda row: row.set):
        own = list(group)
        lowest = [row for row in own if row.level == own[-1].level]
        for connected in (True, False):
            alike = [row for row in lowest if (row.status == CONNECTED) is connected]
            if alike:
                found.append(max(alike, key=lambda row: row.beads or 0))
    return [row for row in found if row.rounds]


def picture(run: Run, row: StringRecord, metric: str, ids: str) -> Picture:
    """Drawn from the string's history."""
    history, limit = read_history(run.load_search_history(row)), row.limit
    assert limit is not None, "it was searched"

    def rounds(axes: Any) -> None:
        pictures.rounds(axes, history, limit, metric)

    return Picture(
        row,
        pictures.stills(history, metric, ids),
        draw(rounds, f"{ids}-r", "Loss along the string by rounds", pictures.SIZE),
        pictures.animation(history, metric),
    )


def shown(picture: Picture) -> str:
    """A picture as HTML, its caption's words aside (`PARTS`)."""
    figures = "".join(
        f"<figure>{svg}<figcaption>{escape(title)}</figcaption></figure>"
        for title, svg in picture.stills
    )
    encoded = base64.b64encode(picture.animation).decode()
    return (
        f"<h3>{escape(picture.title)}</h3>"
        f'<div class="many white">{figures}<figure>{picture.rounds}<figcaption>The loss along the '
        "string, the later the look the darker; dotted: the limit.</figcaption></figure></div>"
        "<details><summary>Animation, one frame a look</summary>"
        f'<img alt="{escape(picture.title)}, animated" src="data:image/gif;base64,{encoded}">'
        "</details>"
    )


def barriers(
    run: Run,
    rows: Sequence[StringRecord],
    level: dict[str, Any],
    levels: Sequence[dict[str, Any]],
    metric: str,
    ids: str,
) -> str:
    """How high the barriers of a level's strings were and where, by looks; for what failed."""
    failed = [row for row in rows if row.status != CONNECTED and row.limit is not None]
    read = {
        f"{row.a}-{row.b}": read_history(run.load_search_history(row)) for row in failed[:CURVES]
    }
    histories = {name: history for name, history in read.items() if len(history.frames) > 1}
    if not histories:
        return ""

    def heights(axes: Any) -> None:
        pictures.barriers(axes, histories, lambda frame: frame.highest, f"highest {metric}")
        axes.axhline(level["limit"], color=INK, lw=0.8, ls=":")

    def places(axes: Any) -> None:
        pictures.barriers(axes, histories, lambda frame: frame.at, "where, fraction of the string")
        axes.set_ylim(-0.02, 1.02)

    at = f"{series(level, levels)} at {level['level']:g}"
    said = f"{at}, {len(histories)} searches that found no path"
    return "".join(
        f"<figure>{draw(plot, f'{ids}{kind}', f'{kind} of the barrier, {said}', (3.2, 2.3))}"
        f"<figcaption>{escape(said)}</figcaption></figure>"
        for kind, plot in (("height", heights), ("place", places))
    )
