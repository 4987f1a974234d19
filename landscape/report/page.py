"""The report as one HTML file: opens offline, no scripts, light and dark, on screen and paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from landscape.report import figures, strings
from landscape.report.summary import CONNECTED
from landscape.report.wording import (
    COMPARED,
    DIFFERENCE,
    compared,
    footnotes,
    headline,
    not_connected,
    number,
    series,
)
from landscape.runs import Row, Run, write_bytes

MEANINGS = {
    "level": "what the loss must stay below on the whole path. The limit is the level itself "
    "unless the tolerance is above 1.",
    "connected": "a path was found whose certificate holds: the highest loss on a grid of every "
    "segment, refined around each local maximum, plus its last change is at most the limit. "
    "The resolution is the widest gap between evaluated points, as a fraction of the length; a "
    "finer grid can still find more, and lscape verify tries.",
    "normalised length": "the string's Euclidean length divided by the distance of its ends, over "
    "the same parameters. 1 is straight. It is the length of the string that was found, an upper "
    "bound on the shortest.",
    "beads": "the string's points, both ends counted.",
    "max loss": "the highest loss on any connected path.",
    "barrier": "the maximum over the path of its loss less the straight interpolation of the "
    "ends' losses by fraction of arc length (Frankle et al. 2020); the highest of the connected.",
    "share connected": "with its 95 % Wilson interval, which takes the pairs as independent: "
    "where they share models it is too narrow.",
}


def write_html(
    runs: Sequence[Run],
    report: dict[str, Any],
    path: Path,
    pairs: Sequence[tuple[int, int]] = (),
) -> None:
    """Write the page of a report of these runs, whole or not at all.

    pairs: whose strings to draw at every level; without any, the longest of each set at its lowest
    level. The drawings are kept as files under pictures/ in the run too. Raises OSError, RunError.
    """
    drawn = [_drawn(run, number, report, pairs) for number, run in enumerate(runs)]
    write_bytes(path, _page(runs, report, drawn).encode())
    for run, own in zip(runs, drawn, strict=True):
        for picture in own:
            for name, content in picture.files.items():
                write_bytes(run.directory / "pictures" / name, content)


def _drawn(
    run: Run, number: int, report: dict[str, Any], pairs: Sequence[tuple[int, int]]
) -> list[strings.Picture]:
    metric = _metric(report["runs"][number])
    rows = strings.chosen(run.rows(), pairs)
    return [strings.picture(run, row, metric, f"p{number}-{k}") for k, row in enumerate(rows)]


def _metric(about: dict[str, Any]) -> str:
    return f"{about['split']} {about['metric']}"


def _page(
    runs: Sequence[Run], report: dict[str, Any], drawn: Sequence[list[strings.Picture]]
) -> str:
    title = "lscape: " + ", ".join(about["run"] for about in report["runs"])
    named = [(about["run"], run) for about, run in zip(report["runs"], runs, strict=True)]
    body = [
        f"<header><h1>Are these networks connected?</h1>{_headlines(report)}</header>",
        listed(report["notes"], "notes"),
        _table(report["levels"]),
        _against(report["against"]),
        *_overview(named, report),
        *(_of_run(*of, report, own) for of, own in zip(named, drawn, strict=True)),
        section("What the words mean", _definitions(MEANINGS)),
        section("How to cite", CITE),
    ]
    return document(title, "\n".join(filter(None, body)))


def document(title: str, content: str) -> str:
    """A whole page, with its style in it."""
    style = files("landscape.report").joinpath("page.css").read_text()
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        '</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><style>{style}</style></head>\n'
        f"<body><main>\n{content}\n</main></body></html>\n"
    )


WORDS = ("search", "set", "status", "no path found", "reason")  # columns; the rest are numbers
LINEAR = "The level axes are linear: a level that is not positive has no logarithm."
CITE = (
    f"<p>The lscape developers, <cite>lscape</cite>, version {version('lscape')}; and C. D. "
    "Freeman and J. Bruna, <cite>Topology and Geometry of Half-Rectified Network Optimization"
    "</cite>, ICLR 2017, arXiv:1611.01540, whose Dynamic String Sampling this is. The barrier: "
    "J. Frankle, G. K. Dziugaite, D. M. Roy and M. Carbin, <cite>Linear Mode Connectivity and the "
    "Lottery Ticket Hypothesis</cite>, ICML 2020.</p>"
)


def _headlines(report: dict[str, Any]) -> str:
    found = figures.by_series(report["levels"])
    if not found:
        return "<p class=headline>No pair has been tried yet.</p>"
    several = len(found) > 1
    return "".join(
        f"<p class=headline>{f'<b>{escape(name)}</b>: ' if several else ''}"
        f"{escape(headline(levels))}</p>"
        for name, levels in found.items()
    )


def section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def listed(items: Sequence[str], kind: str) -> str:
    points = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<ul class="{kind}">{points}</ul>' if items else ""


def _definitions(meanings: dict[str, str]) -> str:
    terms = (f"<dt>{escape(term)}</dt><dd>{escape(said)}</dd>" for term, said in meanings.items())
    return f"<dl>{''.join(terms)}</dl>"


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    kinds = ["" if name in WORDS else " class=n" for name in head]

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{kind}>{escape(value)}</{tag}>"
            for kind, value in zip(kinds, values, strict=True)
        )

    lines = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f"<div class=wide><table><thead><tr>{cells('th', head)}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


def _table(levels: Sequence[dict[str, Any]]) -> str:
    if not levels:
        return ""
    failures = any(level["connected"] < level["pairs"] for level in levels)
    head = ["search", "level", "connected", "normalised length", "beads", "max loss", "barrier"]
    head += ["resolution", "gradients", "seconds"] + ["no path found"] * failures
    rows = [
        [series(level, levels), f"{level['level']:g}", f"{level['connected']}/{level['pairs']}"]
        + [number(level[key]) for key in ("normalized_length", "beads", "max_loss", "barrier")]
        + [number(level["resolution"]), number(level["grad_evals"], 0)]
        + [number(level["seconds"], 1)]
        + [not_connected(level)] * failures
        for level in levels
    ]
    notes = "".join(f"<p class=foot>{escape(note)}</p>" for note in footnotes(levels))
    return section("By level", grid(head, rows) + notes)


def _against(records: Sequence[dict[str, Any]]) -> str:
    if not records:
        return ""
    table = grid(COMPARED, (compared(record, records) for record in records))
    return section("Against the published figure", f"{table}<p class=foot>{DIFFERENCE}.</p>")


def figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _overview(named: Sequence[tuple[str, Run]], report: dict[str, Any]) -> list[str]:
    levels = report["levels"]
    if not levels:
        return []
    metric = ", ".join(sorted({_metric(about) for about in report["runs"]}))
    rows = {name: run.rows() for name, run in named}

    def pairs(key: str) -> Any:
        def of(level: dict[str, Any]) -> list[float]:
            at = level["set"], level["level"]
            own = [row for row in rows[level["run"]] if (row["set"], row["level"]) == at]
            return [r[key] for r in own if r["status"] == CONNECTED and r[key] is not None]

        return of

    def length(axes: Any) -> None:
        figures.published(axes, report["against"], "length")
        figures.against_level(axes, levels, "normalized_length", metric, pairs("normalized_length"))
        axes.set_ylabel("normalised length")

    def beads(axes: Any) -> None:
        figures.published(axes, report["against"], "beads")
        figures.against_level(axes, levels, "beads", metric, pairs("beads"))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        low, high = axes.get_ylim()
        axes.set_yticks([n for n in (2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if low <= n <= high])
        axes.set_ylabel("beads, both ends counted")

    def share(axes: Any) -> None:
        figures.share_connected(axes, levels, metric)

    drawn = [
        (length, "Normalised length against level",
         "Normalised length of the connected strings: mean with its standard error; dots are "
         "pairs. 1 is straight."),
        (beads, "Beads against level",
         "Beads of the connected strings: mean with its standard error; dots are pairs."),
        (share, "Share of pairs connected against level",
         "Share of pairs connected, with its 95 % Wilson interval."),
    ]  # fmt: skip
    if not any(level["connected"] for level in levels):
        drawn = drawn[2:]  # no lengths, no beads
    svgs = (
        figure(figures.draw(plot, f"f{place}", label), caption)
        for place, (plot, label, caption) in enumerate(drawn)
    )
    linear = f"<p class=foot>{LINEAR}</p>" * any(level["level"] <= 0 for level in levels)
    return [section("As the loss falls", f"<div class=two>{''.join(svgs)}</div>{linear}")]


def _of_run(name: str, run: Run, report: dict[str, Any], drawn: Sequence[strings.Picture]) -> str:
    (about,) = (about for about in report["runs"] if about["run"] == name)
    levels = [level for level in report["levels"] if level["run"] == name]
    rows, place = run.rows(), report["runs"].index(about)
    metric = _metric(about)
    parts, barriers = [], []
    for number_, level in enumerate(levels):
        own = [r for r in rows if (r["set"], r["level"]) == (level["set"], level["level"])]
        profiles = [(r["status"], run.load_profile(r)) for r in own if r["limit"] is not None]
        if profiles:
            parts.append(_strings(profiles, level, levels, metric, f"s{place}-{number_}"))
        barriers.append(strings.barriers(run, own, level, levels, metric, f"b{place}-{number_}"))
    content = ""
    if parts:
        content += (
            f"<h3>The loss along the strings</h3><div class=many>{''.join(parts)}</div>"
            "<p class=foot>Solid: connected. Dashed: where a search that did not connect ended. "
            "Dotted: the limit. A curve shows the highest loss of each stretch, is cut at three "
            f"times the limit, and at most {figures.CURVES} strings are drawn.</p>"
        )
    if any(barriers):
        content += (
            f"<h3>Where no path was found</h3><div class=many>{''.join(barriers)}</div>"
            f"<p class=foot>{strings.BARRIERS}</p>"
        )
    if drawn:
        content += "".join(strings.shown(picture) for picture in drawn[: strings.MOST_SHOWN])
        more = len(drawn) - strings.MOST_SHOWN
        rest = f" {more} more strings are drawn in pictures/ only." if more > 0 else ""
        content += f"<p class=foot>{escape(strings.PARTS + rest)}</p>"
    content += _training(run, about["levels"], metric, f"t{place}")
    if rows:
        content += _details(f"All {len(rows)} pairs and levels", _pairs(rows))
    content += _details("Config", f"<pre>{escape(run.config_file.read_text())}</pre>")
    for set_name in run.sets():
        settings = run.settings_file(set_name).read_text()
        content += _details(f"Search {set_name}", f"<pre>{escape(settings)}</pre>")
    facts = {key: _fact(about[key]) for key in ("command", "device", "versions", "commit")}
    facts["model"] = f"{about['models']} of {_fact(about['parameters'])} parameters"
    facts["status"] = _fact(about["stages"])
    return section(name, content + _details("How it was made", _definitions(facts)))


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) else "–" if value is None else str(value)


def _strings(
    profiles: list[tuple[str, np.ndarray]],
    level: dict[str, Any],
    levels: list[dict[str, Any]],
    metric: str,
    ids: str,
) -> str:
    def plot(axes: Any) -> None:
        figures.along_strings(axes, profiles, level["level"], level["limit"], metric)

    said = f"{series(level, levels)}, {level['connected']} of {level['pairs']} connected"
    label = f"Loss along {len(profiles)} strings at level {level['level']:g}: {said}"
    return figure(figures.draw(plot, ids, label, (3.2, 2.3)), said)


def _training(run: Run, levels: Sequence[float], metric: str, ids: str) -> str:
    curves: dict[int, list[tuple[int, float]]] = {}
    for line in run.history():
        curves.setdefault(line["model"], []).append((line["step"], line["value"]))
    if not curves:
        return ""

    def plot(axes: Any) -> None:
        figures.training(axes, [np.array(curve) for curve in curves.values()], levels, metric)

    svg = figures.draw(plot, ids, f"Training curves of {len(curves)} models")
    said = "The metric of the levels while the models were trained; dotted: the levels."
    return f"<h3>Training</h3><div class=two>{figure(svg, said)}</div>"


def _details(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def _pairs(rows: Sequence[Row]) -> str:
    head = ["set", "status", "level", "pair", "beads", "normalised length", "max loss", "barrier"]
    head += ["last change", "resolution", "gradients", "reason"]
    keys = ("beads", "normalized_length", "max_loss", "barrier", "last_change", "resolution")
    lines = (
        [row["set"], str(row["status"]), f"{row['level']:g}", f"{row['a']}-{row['b']}"]
        + [number(row[key]) for key in keys]
        + [number(row["grad_evals"], 0), row["reason"]]
        for row in rows
    )
    return grid(head, lines)
