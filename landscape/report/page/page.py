"""The report as one HTML file: opens offline, no scripts, light and dark, on screen and paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from landscape.analysis.best_known import BestKnown
from landscape.core.versions import version_of
from landscape.report.data import alignments, modulo
from landscape.report.data.known import Place
from landscape.report.data.known_said import lengths_said
from landscape.report.data.verdicts import RULE, interval
from landscape.report.data.wording import (
    COMPARED,
    DIFFERENCE,
    compared,
    footnotes,
    headline,
    method_error,
    not_connected,
    number,
    series,
)
from landscape.report.figures import style
from landscape.report.figures.comparison import comparison_figures
from landscape.report.figures.known import known_figures
from landscape.report.figures.overview import LINEAR, overview
from landscape.report.figures.style import Figure
from landscape.report.page import html, single, strings
from landscape.report.page.comparisons import comparison_table
from landscape.report.page.components import component_figures, persistence
from landscape.report.page.geometry import geometry
from landscape.report.page.known import cost_table, known
from landscape.report.page.single import metric_of
from landscape.store.records.strings import StringRecord
from landscape.store.run import Run

MEANINGS = {
    "level": "what the loss must stay below on the whole path. The limit is the level itself "
    "unless the tolerance is above 1.",
    "connected": "a path was found whose certificate holds: the highest loss that was found, plus "
    "how far it may be above that between the points, plus rounding, is at most the limit. "
    "The resolution is the widest gap between evaluated points, as a fraction of the length; a "
    "finer grid can still find more, and lscape verify tries.",
    "normalised length": "the string's Euclidean length divided by the distance of its ends, over "
    "the same parameters. 1 is straight.",
    "length as found": "the normalised length of the string as its search left it. It says how far "
    "the search went; how far one has to go, the best known length says.",
    "method error": "by how much a length is longer than that of the shortest path known; of that "
    "one itself, by how much the next method's is longer. It is not known where one method alone "
    "has a path. Methods that agree can still have missed the same shorter path.",
    "beads": "the string's points, both ends counted.",
    "max loss": "the highest loss on any connected path.",
    "barrier": "the maximum over the path of its loss less the straight interpolation of the "
    "ends' losses by fraction of arc length (Frankle et al. 2020); the highest of the connected.",
    "share connected": "with its 95 % Wilson interval, which takes the pairs as independent: "
    "where they share models it is too narrow.",
}


CITE = (
    f"<p>The lscape developers, <cite>lscape</cite>, version {version_of('lscape')}; and C. D. "
    "Freeman and J. Bruna, <cite>Topology and Geometry of Half-Rectified Network Optimization"
    "</cite>, ICLR 2017, arXiv:1611.01540, whose Dynamic String Sampling this is. The barrier: "
    "J. Frankle, G. K. Dziugaite, D. M. Roy and M. Carbin, <cite>Linear Mode Connectivity and the "
    "Lottery Ticket Hypothesis</cite>, ICML 2020.</p>"
)


class Page(NamedTuple):
    """Its text, the figures that are kept as files, and the pictures of each run's strings."""

    html: str
    figures: list[Figure]
    pictures: list[list[strings.Picture]]


def page_of(
    runs: Sequence[Run],
    report: dict[str, Any],
    pairs: Sequence[tuple[int, int]],
    shortest: Sequence[Mapping[Place, BestKnown]],
) -> Page:
    """The page of a report of these runs; pairs: whose strings to draw. Raises RunError."""
    rows = [run.rows() for run in runs]
    drawn = [
        _drawn(run, number, report, strings.chosen(own, pairs))
        for number, (run, own) in enumerate(zip(runs, rows, strict=True))
    ]
    return Page(*_page(runs, report, rows, drawn, shortest), drawn)


def _drawn(
    run: Run, number: int, report: dict[str, Any], rows: Sequence[StringRecord]
) -> list[strings.Picture]:
    metric = metric_of(report["runs"][number])
    return [strings.picture(run, row, metric, f"p{number}-{k}") for k, row in enumerate(rows)]


def _page(
    runs: Sequence[Run],
    report: dict[str, Any],
    rows: Sequence[Sequence[StringRecord]],
    drawn: Sequence[list[strings.Picture]],
    shortest: Sequence[Mapping[Place, BestKnown]],
) -> tuple[str, list[Figure]]:
    title = "lscape: " + ", ".join(about["run"] for about in report["runs"])
    levels = report["levels"]
    named = {about["run"]: own for about, own in zip(report["runs"], rows, strict=True)}
    metric = ", ".join(sorted({metric_of(about) for about in report["runs"]}))
    over = overview(report, named, metric)
    best = known_figures(report["best_known"], metric)
    compared = comparison_figures(report["comparisons"], metric)
    topologies = {one["run"]: one for one in report["topology"]}
    connected = component_figures(topologies, metric)
    opened = {about["run"]: run for about, run in zip(report["runs"], runs, strict=True)}
    measured = geometry(report, opened, dict(zip(opened, shortest, strict=True)), metric)
    linear = html.paragraph(LINEAR) * any(level["level"] <= 0 for level in levels)
    parts = [
        single.part_of(run, about, report, own, pictures, paths)
        for run, about, own, pictures, paths in zip(
            runs, report["runs"], rows, drawn, shortest, strict=True
        )
    ]
    body = [
        f"<header><h1>Are these networks connected?</h1>{_headlines(report)}</header>",
        html.bullets(report["notes"], "notes"),
        html.section("How long the paths are: best known", known(report, best)),
        html.section("As the loss falls", html.grid(over) + linear),
        html.section("The claims", _claims(report)),
        html.section("Components and barriers", html.grid(connected) + _topologies(topologies)),
        html.section("Measured", _measured(measured, report)),
        html.section("By level", _table(levels)),
        html.section("Straight lines, as they are and aligned", _alignments(report["alignments"])),
        html.section("What it cost", cost_table(report)),
        html.section("Methods compared", comparison_table(report["comparisons"], compared)),
        html.section("Against the published figure", _against(report["against"])),
        *(
            html.section(about["run"], part.content)
            for about, part in zip(report["runs"], parts, strict=True)
        ),
        html.section("What the words mean", html.definitions(MEANINGS)),
        html.section("How to cite", CITE),
    ]
    of_measures = [one for _, drawn, _ in measured for one in drawn]
    kept = [
        *best,
        *over,
        *connected,
        *compared,
        *of_measures,
        *(one for part in parts for one in part.figures),
    ]
    return html.document(title, body, any(run.in_use() for run in runs)), kept


def _topologies(topologies: dict[str, Any]) -> str:
    found = {
        name: html.bullets(one["notes"], "missing") + persistence(one) + _modulo(one)
        for name, one in topologies.items()
    }
    return _named(list(found.items()))


def _modulo(topology: dict[str, Any]) -> str:
    """Components and the highest barrier modulo symmetries, where any pair was aligned."""
    rows = modulo.rows_of(topology)
    if not rows:
        return ""
    return html.table(modulo.COLUMNS, rows) + html.paragraph(modulo.said_of(topology))


def _named(parts: Sequence[tuple[str, str]]) -> str:
    """Parts under their names, where there are several."""
    if len(parts) == 1:
        return parts[0][1]
    return "".join(html.part(name, content) for name, content in parts)


def _measured(parts: Sequence[html.Part], report: dict[str, Any]) -> str:
    measured = report["measured"]
    nothing = html.paragraph(
        "No strings are measured: no lengths, no curvatures, no highest points. "
        + (
            "`lscape measure` does."
            if any(level["connected"] for level in report["levels"])
            else "No pair is connected."
        )
    ) * (not measured["strings"])
    if not parts:
        return nothing
    said = sorted(
        {r["hessian"] for kind in ("strings", "minima") for r in measured[kind] if r["hessian"]}
    )
    foot = html.paragraph(
        f"Second derivatives: {'; '.join(said)}. At the kinks of rectified units there are none: a "
        "derivative there is that of one side."
    ) * bool(said)
    return nothing + html.parts(parts) + foot


def _headlines(report: dict[str, Any]) -> str:
    found = style.by_series(report["levels"])
    if not found:
        return html.paragraph("No pair has been tried yet.", "headline")
    said = {name: headline(levels) for name, levels in found.items()}
    lengths = {
        name: lengths_said(own) for name, own in style.by_series(report["best_known"]).items()
    }
    if len(said) == 1:
        return html.paragraph(" ".join([*said.values(), *lengths.values()]), "headline")
    if len(lengths) == 1:
        lengths = dict(zip(["all"], lengths.values(), strict=True))
    return "".join(
        f"<p class=headline><b>{escape(name)}</b>: {escape(text)}</p>"
        for name, text in [*said.items(), *lengths.items()]
        if text
    )


def _claims(report: dict[str, Any]) -> str:
    found = report["claims"]
    if not found:
        return ""
    content = _named([(series(one, found), html.findings(one["sentences"])) for one in found])
    rows = [
        [
            series(claim, found), measure, shape, number(record["A"]["value"]), _parameter(record),
            f"{100 * record['error']:.3g} %", f"{100 * record['best']:.0f} %",
        ]
        for claim in found
        for measure, growth in claim["curvier"].items()
        for shape, record in growth["shapes"].items()
    ]  # fmt: skip
    if rows:
        head = ["search", "measure", "shape", "A", "parameter", "error", "best of resamples"]
        content += html.table(head, rows)
    return content + html.paragraph(RULE)


def _parameter(record: dict[str, Any]) -> str:
    named = [name for name in ("rate", "exponent", "half") if name in record]
    return f"{named[0]} {interval(record[named[0]])}" if named else "–"


def _table(levels: Sequence[dict[str, Any]]) -> str:
    if not levels:
        return ""
    failures = any(level["connected"] < level["pairs"] for level in levels)
    head = ["search", "level", "connected", "length as found", "method error", "beads"]
    head += ["max loss", "barrier", "resolution", "gradients", "seconds"]
    head += ["no path found"] * failures
    rows = [
        [series(level, levels), f"{level['level']:g}", f"{level['connected']}/{level['pairs']}"]
        + [number(level["normalized_length"])]
        + [method_error(level["normalized_length"]["method_error"])]
        + [number(level[key]) for key in ("beads", "max_loss", "barrier")]
        + [number(level["resolution"]), number(level["grad_evals"], 0)]
        + [number(level["seconds"], 1)]
        + [not_connected(level)] * failures
        for level in levels
    ]
    return html.table(head, rows) + "".join(map(html.paragraph, footnotes(levels)))


def _alignments(records: Sequence[dict[str, Any]]) -> str:
    if not records:
        return ""
    several = len({one["run"] for one in records}) > 1
    return "".join(
        html.table(
            ["run"] * several + list(head), [[one["run"]] * several + row(one) for one in records]
        )
        + html.paragraph(said)
        for head, row, said in alignments.TABLES
    )


def _against(records: Sequence[dict[str, Any]]) -> str:
    if not records:
        return ""
    table = html.table(COMPARED, (compared(record, records) for record in records))
    return table + html.paragraph(f"{DIFFERENCE}.")
