"""The page's part on one run: its strings, their barriers, its training, how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from landscape.analysis.best_known import BestKnown
from landscape.analysis.summary import CONNECTED
from landscape.report.data import alignments
from landscape.report.data.known import Place
from landscape.report.data.wording import number, own_error, series
from landscape.report.figures import style
from landscape.report.figures.plane import plane_figure
from landscape.report.figures.style import Figure
from landscape.report.page import html, strings
from landscape.store.layout import level_name
from landscape.store.records.strings import StringRecord
from landscape.store.run import Run

LISTED = 1000  # pairs and levels
CURVES = (
    "Solid: connected. Dashed: where a search that did not connect ended. Dotted: the limit. A "
    "curve shows the highest loss of each stretch, is cut at three times the limit, and at most "
    f"{style.CURVES} strings are drawn."
)


@dataclass
class Part:
    """A run's content on the page, and the figures in it that are kept as files."""

    content: str = ""
    figures: list[Figure] = field(default_factory=list)


def part_of(
    run: Run,
    about: dict[str, Any],
    report: dict[str, Any],
    rows: Sequence[StringRecord],
    drawn: Sequence[strings.Picture],
    best: Mapping[Place, BestKnown],
) -> Part:
    """about: the run's record in the report."""
    levels = [level for level in report["levels"] if level["run"] == about["run"]]
    place = report["runs"].index(about)
    ids, metric = f"-{place + 1}" * (len(report["runs"]) > 1), metric_of(about)
    profiles, barriers = [], []
    for at, level in enumerate(levels):
        own = [r for r in rows if (r.set, r.level) == (level["set"], level["level"])]
        profiles += _profiles(run, own, level, levels, metric, ids)
        barriers.append(strings.barriers(run, own, level, levels, metric, f"b{place}-{at}"))
    training = _training(run, about["levels"], metric, ids)
    content = ""
    if profiles:
        shown = html.grid(profiles, "many") + html.paragraph(CURVES)
        content += html.part("The loss along the strings", shown)
    if any(barriers):
        shown = f'<div class="many">{"".join(barriers)}</div>' + html.paragraph(strings.BARRIERS)
        content += html.part("Where no path was found", shown)
    content += _pictures(drawn, rows)
    planes = [plane_figure(run, name, f"plane-{name}{ids}") for name in run.planes()]
    content += html.part("Planes", html.grid(planes, "two white"))
    content += html.part("Training", html.grid(training))
    if rows:
        listed, said = rows, f"All {len(rows)} pairs and levels"
        if len(rows) > LISTED:
            listed = sorted(rows, key=lambda row: row.status == CONNECTED)[:LISTED]
            said = f"{LISTED} of {len(rows)} pairs and levels, failed ones first; results.csv: all"
        content += html.details(said, _pairs(listed, best))
    if own := run.alignments():
        table = html.table(alignments.PAIR_COLUMNS, map(alignments.pair_row_of, own))
        content += html.details(f"All {len(own)} straight lines, as they are and aligned", table)
    content += _made(run, about)
    return Part(content, profiles + planes + training)


def metric_of(about: dict[str, Any]) -> str:
    return f"{about['split']} {about['metric']}"


def _profiles(
    run: Run,
    rows: Sequence[StringRecord],
    level: dict[str, Any],
    levels: Sequence[dict[str, Any]],
    metric: str,
    ids: str,
) -> list[Figure]:
    """The loss along a level's strings, where there are any."""
    searched = [row for row in rows if row.limit is not None]
    if not searched:
        return []
    profiles = [(row.status, run.load_profile(row)) for row in searched[: style.CURVES]]
    said = f"{series(level, levels)}, {level['connected']} of {level['pairs']} connected"

    def plot(axes: Any) -> None:
        style.along_strings(axes, profiles, level["level"], level["limit"], metric)

    table = [
        {"a": row.a, "b": row.b, "status": str(status), "fraction": at, metric: loss}
        for row, (status, profile) in zip(searched, profiles, strict=False)
        for at, loss in style.thinned(profile, style.POINTS).tolist()
    ]
    return [
        Figure(
            f"profiles-{level['set']}-{level_name(level['level'])}{ids}",
            f"Loss along {len(searched)} strings at level {level['level']:g}: {said}",
            said,
            plot,
            table,
            (3.2, 2.3),
        )
    ]


def _pictures(drawn: Sequence[strings.Picture], rows: Sequence[StringRecord]) -> str:
    """The strings in pictures, and how to see others."""
    kept = sum(row.limit is not None for row in rows)
    if not kept:
        return ""
    most, shown = strings.MOST_SHOWN, drawn[: strings.MOST_SHOWN]
    said = f"{len(shown)} of {kept} strings are drawn here"
    if len(drawn) > most:
        said += f", {len(drawn)} as files under pictures/"
    said += (
        f". lscape report RUN --pairs 0-1,0-2 draws those of other pairs at every level: at most "
        f"{most} on the page, all of them under pictures/; without --pairs it is, of each search "
        "at its lowest level, the longest that connected and the longest that did not."
    )
    content = "".join(strings.shown(picture) for picture in shown)
    return content + html.paragraph(f"{strings.PARTS} " * bool(shown) + said)


def _training(run: Run, levels: Sequence[float], metric: str, ids: str) -> list[Figure]:
    history = run.history()
    if not history:
        return []
    models = sorted({line.model for line in history})
    curves = [
        np.array([(line.step, line.value) for line in history if line.model == model])
        for model in models
    ]
    drawn = list(zip(models, curves, strict=True))[: style.CURVES]
    some = f" The first {len(drawn)} of {len(models)} models." * (len(drawn) < len(models))

    def plot(axes: Any) -> None:
        style.training(axes, curves, levels, metric)

    table = [
        {"model": model, "step": int(step), metric: value}
        for model, curve in drawn
        for step, value in style.evenly(curve).tolist()
    ]
    return [
        Figure(
            f"training{ids}",
            f"Training curves of {len(curves)} models",
            f"The metric of the levels while the models were trained; dotted: the levels.{some}",
            plot,
            table,
        )
    ]


def _pairs(rows: Sequence[StringRecord], best: Mapping[Place, BestKnown]) -> str:
    head = ["set", "status", "level", "pair", "beads", "normalised length", "method error"]
    head += ["max loss", "barrier", "last change", "rounding", "resolution", "gradients", "reason"]
    keys = ("max_loss", "barrier", "last_change", "rounding", "resolution")

    def error(row: StringRecord) -> str:
        known = best.get((row.set, row.level, row.a, row.b))
        if row.status != CONNECTED or known is None or row.length is None:
            return "–"
        return own_error(known.error_of(row.length))

    lines = (
        [row.set, str(row.status), f"{row.level:g}", f"{row.a}-{row.b}", number(row.beads)]
        + [number(row.normalized_length), error(row)]
        + [number(getattr(row, key)) for key in keys]
        + [number(row.grad_evals, 0), row.reason]
        for row in rows
    )
    return html.table(head, lines)


def _made(run: Run, about: dict[str, Any]) -> str:
    config = html.preformatted(run.config_file.read_text())
    content = html.details("Config", config, on_paper=True)
    for name in run.sets():
        settings = html.preformatted(run.settings_text(run.settings_file(name)))
        content += html.details(f"Search {name}", settings, on_paper=True)
    facts = {key: _fact(about[key]) for key in ("command", "device", "versions", "commit")}
    facts["model"] = f"{about['models']} of {_fact(about['parameters'])} parameters"
    facts["status"] = _fact(about["stages"])
    return content + html.details("How it was made", html.definitions(facts), on_paper=True)


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) else "–" if value is None else str(value)
