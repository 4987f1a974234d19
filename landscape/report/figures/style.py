"""The report's figures, as SVG that stands in a page: its own ids, the page's text colour."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.ticker import LogLocator, NullLocator

from landscape.analysis.claims import predicted
from landscape.analysis.summary import CONNECTED
from landscape.core.profile import thinned
from landscape.report.data.wording import series

Level = dict[str, Any]

# after Okabe and Ito, as dark as a line on white must be, and what the page makes of them in the
# dark: at least 3:1 either way (WCAG 2.2, 1.4.11)
DARK = {
    "#0072b2": "#56b4e9",
    "#d55e00": "#f08a3c",
    "#008060": "#2cc295",
    "#b0578d": "#e39ac4",
    "#8f6400": "#e6b33a",
    "#6b6b6b": "#b8b8b8",
}
COLOURS = tuple(DARK)
MARKERS = "os^Dv*"
DASHES = ("-", "--", ":", "-.")
INK = "#010203"  # stands for the page's text colour
STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
    ),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in a name is a $
    "pdf.fonttype": 42,  # text that can be searched and edited
}
UNSAID = {
    "svg": ("Date", "Creator", "Format", "Type"),
    "pdf": ("CreationDate", "Creator", "Producer"),
}
COUNTS = (2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000)  # on an axis
POINTS = 150  # of a curve that is drawn
CURVES = 24
DOTS = 200  # of a level
BAR = 7  # width of the bar of a method error, in points
BARS = "Thin: the sampling error; wide bar: the method error, where it is known."
FEW, APART = 3, 1.1  # levels that are ticks themselves, and the least ratio of two
DRAWN = 4  # levels or places in a figure of lines that lie close


@dataclass(frozen=True)
class Figure:
    """A figure and the numbers in it.

    name: of its files, and a prefix for its ids; label: the text that stands for it; size in
    inches, the page scales it; table: a record a line of its CSV, all with the same keys.
    """

    name: str
    label: str
    caption: str
    plot: Callable[[Any], None]
    table: Sequence[dict[str, Any]] = ()
    size: tuple[float, float] = (4.8, 3.2)

    @cached_property
    def _forms(self) -> dict[str, bytes]:
        return _saved(self.plot, self.name, self.size, None, ("svg", "pdf"))

    @property
    def svg(self) -> str:
        """An element for the page."""
        return _inline(self._forms["svg"], self.name, self.label)

    @property
    def files(self) -> dict[str, bytes]:
        """Contents by file name: the figure for a paper and a slide, and its numbers."""
        svg = self._forms["svg"].replace(INK.encode(), b"#000000")
        files = {f"{self.name}.svg": svg, f"{self.name}.pdf": self._forms["pdf"]}
        if self.table:
            text, keys = io.StringIO(), list(self.table[0])
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(keys)
            writer.writerows([row[key] for key in keys] for row in self.table)
            files[f"{self.name}.csv"] = text.getvalue().encode()
        return files


def draw(
    plot: Callable[[Any], None],
    name: str,
    label: str,
    size: tuple[float, float] = (4.8, 3.2),
    projection: str | None = None,
) -> str:
    """An SVG element of one plot, where no files are wanted."""
    return _inline(_saved(plot, name, size, projection, ("svg",))["svg"], name, label)


def _saved(
    plot: Callable[[Any], None],
    name: str,
    size: tuple[float, float],
    projection: str | None,
    forms: Sequence[str],
) -> dict[str, bytes]:
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = MatplotlibFigure(figsize=size, layout="constrained")
        plot(figure.add_subplot(projection=projection))
        found = {}
        for form in forms:
            content = io.BytesIO()
            nothing = dict.fromkeys(UNSAID[form])
            figure.savefig(content, format=form, transparent=True, metadata=nothing)
            found[form] = content.getvalue()
            figure.set_layout_engine("none")  # it is laid out
    return found


def _inline(content: bytes, name: str, label: str) -> str:
    svg = re.sub(r"<metadata>.*?</metadata>", "", content.decode(), flags=re.DOTALL)
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]+"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]+"', r"<svg \1", svg, count=1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{_attribute(label)}" ', 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def by_series(levels: Sequence[Level]) -> dict[str, list[Level]]:
    found: dict[str, list[Level]] = {}
    for level in levels:
        found.setdefault(series(level, levels), []).append(level)
    return found


def level_axis(axes: Axes, levels: Sequence[Level], metric: str) -> None:
    """From high to low, as the loss falls."""
    values = [level["level"] for level in levels]
    if min(values) > 0:
        axes.set_xscale("log")
        few = sorted(set(values))
        if len(few) <= FEW and all(b > APART * a for a, b in itertools.pairwise(few)):
            axes.set_xticks(few)
        elif max(values) < 30 * min(values):
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    axes.invert_xaxis()
    axes.set_xlabel(f"level of {metric}, falling to the right")


def look(number: int) -> Any:
    """How a series is drawn, so that COLOURS · DASHES of them can be told apart."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "ls": DASHES[number // len(COLOURS) % len(DASHES)],
        "ms": 5,
    }


def method_bar(
    axes: Axes, at: float, measured: dict[str, Any], color: str, least: float = 0.0
) -> None:
    """The method error of a mean, where it has one that is known; least: no path has less."""
    error = measured.get("method_error", {"mean": None})["mean"]
    if error is not None:
        ends = [max(measured["mean"] - error, least), measured["mean"] + error]
        axes.plot([at] * 2, ends, color=color, lw=BAR, alpha=0.3, solid_capstyle="butt")


def error_cells(mean: dict[str, Any]) -> dict[str, Any]:
    """The method error of a mean, where it has one, as cells of a figure's table."""
    return {f"method_error_{part}": value for part, value in mean.get("method_error", {}).items()}


def against_level(
    axes: Axes,
    levels: Sequence[Level],
    key: str,
    metric: str,
    pairs: Callable[[Level], Sequence[float]],
    before: str = "",
) -> None:
    """Means with their standard errors over the connected pairs, their method errors where they
    have some, and these pairs as dots; with the key of what was before, its means, too."""
    for number, (name, own) in enumerate(by_series(levels).items()):
        found = [level for level in own if level[key]["mean"] is not None]
        style = look(number)
        if before:
            earlier = [level for level in own if level[before]["mean"] is not None]
            axes.errorbar(
                [level["level"] for level in earlier],
                [level[before]["mean"] for level in earlier],
                [level[before]["se"] or 0 for level in earlier],
                capsize=3, lw=0.8, label=f"{name}, before shortening",
                **style | {"ls": ":", "mfc": "none"},
            )  # fmt: skip
        for level in found:
            dots = _some_dots(np.sort(pairs(level)))
            at = [level["level"]] * len(dots)
            axes.plot(at, dots, ".", color=style["color"], alpha=0.3, ms=4)
            method_bar(axes, level["level"], level[key], style["color"])
        axes.errorbar(
            [level["level"] for level in found],
            [level[key]["mean"] for level in found],
            [level[key]["se"] or 0 for level in found],
            capsize=3, label=f"{name}, shortened" if before else name, **style,
        )  # fmt: skip
    level_axis(axes, levels, metric)
    legend(axes)


def _some_dots(ordered: np.ndarray) -> np.ndarray:
    """At most DOTS, evenly among them, the least and the greatest too."""
    places = np.linspace(0, max(len(ordered) - 1, 0), DOTS).round().astype(int)
    return ordered[np.unique(places)] if len(ordered) else ordered


def dots_said(most: int) -> str:
    """Of which pairs there are dots, where a level has so many."""
    return f"Dots are {f'{DOTS} of its ' if most > DOTS else ''}pairs"


def some(ordered: Sequence[Any]) -> list[Any]:
    """At most DRAWN of them, the first, the last and evenly between."""
    chosen = np.linspace(0, len(ordered) - 1, min(DRAWN, len(ordered))).round().astype(int)
    return [ordered[place] for place in chosen]


def legend(axes: Axes) -> None:
    """One, where there is something to tell apart; many names stand smaller, or below."""
    names = axes.get_legend_handles_labels()[1]
    if len(names) > 1:
        longest = max(map(len, names))
        if len(names) <= 4 and longest <= 24:
            axes.legend()
        else:
            axes.legend(
                loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=7,
                ncols=max(1, 72 // (longest + 8)),
            )  # fmt: skip


def log_counts(axes: Axes) -> None:
    """A logarithmic axis of counts, with ticks that are whole."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    low, high = axes.get_ylim()
    axes.set_yticks([n for n in COUNTS if low <= n <= high])


def level_ticks(low: float, high: float, logarithmic: bool, count: int = 4) -> list[float]:
    """A few ticks from the lowest to the highest value."""
    return (np.geomspace if logarithmic else np.linspace)(low, high, count).tolist()


def log_values(axes: Axes) -> None:
    """A logarithmic axis that may span less than a decade."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def fits(axes: Axes, found: Mapping[str, dict[str, Any]], metric: str) -> None:
    """Means at the levels and the shapes of `claims.growth` through them, by series."""
    for place, (name, record) in enumerate(found.items()):
        style = {**look(place), "ls": "none"}
        axes.plot(record["levels"], record["means"], label=name, **style)
        levels = np.geomspace(record["levels"][0], record["levels"][-1], POINTS)
        for number, (shape, fit) in enumerate(record["shapes"].items()):
            best = shape == record["best"]
            label = shape if len(found) == 1 else shape if best and len(found) <= 4 else None
            axes.plot(
                levels, predicted(shape, fit, levels), ls=DASHES[number], lw=2 if best else 0.9,
                color=style["color"] if best else INK, label=label,
            )  # fmt: skip
    values = [{"level": level} for record in found.values() for level in record["levels"]]
    level_axis(axes, values, metric)
    log_values(axes)
    legend(axes)


def published(axes: Axes, records: Sequence[dict[str, Any]], measure: str) -> None:
    """Their means and intervals, in the page's ink, for `against_level` to draw over."""
    theirs = {
        (r["published"], r["level"]): r[measure]["theirs"] for r in records if r[measure]["theirs"]
    }
    for task in dict.fromkeys(task for task, _ in theirs):
        own = {level: found for (other, level), found in theirs.items() if other == task}
        means = np.array([found["mean"] for found in own.values()])
        low, high = np.array([(found["lo"], found["hi"]) for found in own.values()]).T
        axes.errorbar(
            list(own), means, [means - low, high - means], color=INK, marker="x", ls="--", lw=1,
            capsize=3, alpha=0.6, label=f"{task}, published",
        )  # fmt: skip


def share_connected(axes: Axes, levels: Sequence[Level], metric: str) -> None:
    """The share connected of the pairs that were tried, with its 95 % Wilson interval."""
    for number, (name, every) in enumerate(by_series(levels).items()):
        own = [level for level in every if level["tried"]]
        share = np.array([level["share"] for level in own])
        low, high = np.array([level["share_interval"] for level in own]).reshape(-1, 2).T
        axes.errorbar(
            [level["level"] for level in own], share, [share - low, high - share],
            capsize=3, label=name, **look(number),
        )  # fmt: skip
    axes.set_ylim(-0.05, 1.05)
    axes.set_ylabel("share of pairs connected")
    level_axis(axes, levels, metric)
    legend(axes)


def along_strings(
    axes: Axes, strings: Sequence[tuple[str, np.ndarray]], level: float, limit: float, metric: str
) -> None:
    """The loss along strings of one level: (status, profile [points, 2]) each, and the limit."""
    highest = [limit]
    for status, profile in strings[:CURVES]:
        position, loss = thinned(profile, POINTS).T
        connected = status == CONNECTED
        highest.append(np.max(loss, initial=limit, where=np.isfinite(loss)))
        axes.plot(
            position, loss, color=COLOURS[0 if connected else 1], lw=0.8,
            ls="-" if connected else "--", alpha=0.8,
        )  # fmt: skip
    axes.axhline(limit, color=INK, lw=0.8, ls=":")
    room = 2 * abs(limit) or max(highest) - limit
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, limit), min(top, limit + room))
    axes.set_title(f"level {level:g}", fontsize=9)
    axes.set_xlabel("fraction of the string")
    axes.set_ylabel(metric)


def evenly(curve: np.ndarray) -> np.ndarray:
    """At most POINTS of a curve's points."""
    return curve[np.unique(np.linspace(0, len(curve) - 1, POINTS).astype(int))]


def training(
    axes: Axes, curves: Sequence[np.ndarray], levels: Sequence[float], metric: str
) -> None:
    """The metric of the levels against steps, [checks, 2] a model."""
    for curve in curves[:CURVES]:
        axes.plot(*evenly(curve).T, color=COLOURS[0], lw=0.8, alpha=0.6)
    for level in levels:
        axes.axhline(level, color=INK, lw=0.5, ls=":")
    if min(levels) > 0 and all((curve[:, 1] > 0).all() for curve in curves):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("training step")
    axes.set_ylabel(metric)
