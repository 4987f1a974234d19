"""A sweep's page: its findings, its measures against the swept keys, and every combination."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from landscape.analysis.summary import method_error_of
from landscape.report import theory
from landscape.report.data.series import horizontal, lines_of, number_of, numeric_keys, shown
from landscape.report.data.sweep import FACT, LEASTS, LENGTHS, MEANINGS, SHARES
from landscape.report.data.wording import method_error, number
from landscape.report.figures import style
from landscape.report.page import html
from landscape.report.theory.parts import bars
from landscape.store.files import table_text, write_bytes
from landscape.store.temporary import remove_leftovers

LINE_INCHES = 0.17  # of a legend

Record = dict[str, Any]


def _against(axes: Axes, report: Record, measure: str) -> None:
    key = horizontal(report, measure)
    lines = lines_of(report, key, measure)
    places = [at for line in lines.values() for at, _ in line]
    means = [m["mean"] for line in lines.values() for _, m in line]
    for place, (name, line) in enumerate(lines.items()):
        colour, marker = (
            options[place % len(options)] for options in (style.COLOURS, style.MARKERS)
        )
        at, height = [point for point, _ in line], [m["mean"] for _, m in line]
        axes.errorbar(
            at, height, np.array([bars(m) for _, m in line]).T, color=colour, marker=marker, ms=5,
            capsize=3, label=name,
        )  # fmt: skip
        for point, measured in line:
            style.method_bar(axes, point, measured, colour)
    names = report["over"].get(key, [])
    if key != "level" and None in map(number_of, names):
        axes.set_xticks(range(len(names)), [shown(name) for name in names])
    elif places and min(places) > 0 and max(places) > 4 * min(places):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set_xticks(sorted(set(places)))
    if means and min(means) > 0 and max(means) > 10 * min(means):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    if measure in SHARES:
        axes.set_ylim(-0.05, 1.05)
    if key == "level":
        axes.invert_xaxis()
    axes.set_xlabel("level, falling to the right" if key == "level" else key)
    axes.set_ylabel(measure)
    if len(lines) > 1:
        axes.figure.legend(loc="outside lower center", fontsize=8)


def _map(axes: Axes, report: Record, measure: str, level: float) -> None:
    across, up = numeric_keys(report["over"])[:2]
    columns, rows = ([number_of(v) for v in report["over"][key]] for key in (across, up))
    heights = np.full((len(rows), len(columns)), np.nan)
    for record in report["records"]:
        measured = record["measures"][measure]
        if record["level"] == level and measured and measured["mean"] is not None:
            where = [number_of(record["values"][key]) for key in (up, across)]
            heights[rows.index(where[0]), columns.index(where[1])] = measured["mean"]
    image = axes.imshow(heights, origin="lower", aspect="auto", cmap="viridis")
    for (row, column), height in np.ndenumerate(heights):
        if np.isfinite(height):
            dark = height < (np.nanmin(heights) + np.nanmax(heights)) / 2
            colour = "white" if dark else "black"
            axes.text(column, row, f"{height:.2g}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), [f"{value:g}" for value in columns])
    axes.set_yticks(range(len(rows)), [f"{value:g}" for value in rows])
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.figure.colorbar(image, ax=axes, label=measure)


def _drawn(report: Record) -> list[str]:
    mapped = report["chart"] == "map" and len(numeric_keys(report["over"])) > 1
    levels = sorted({record["level"] for record in report["records"]}, reverse=True)
    found = []
    for place, measure in enumerate(report["measures"]):
        for other, level in enumerate(levels if mapped else [None]):

            def plot(axes: Axes, measure: str = measure, level: Any = level) -> None:
                if level is None:
                    _against(axes, report, measure)
                else:
                    _map(axes, report, measure, level)

            at = f" at level {level:g}" if level is not None else ""
            caption = f"{measure}{at}: {MEANINGS.get(measure, FACT)}"
            caption += f" {style.BARS}" * (measure in LENGTHS and not mapped)
            label = f"{measure}{at} against the swept keys"
            legend = (
                0
                if mapped
                else LINE_INCHES * len(lines_of(report, horizontal(report, measure), measure))
            )
            svg = style.draw(plot, f"w{place}-{other}", label, (4.8, 3.2 + legend))
            found.append(html.figure(svg, caption))
    return found


# -- as text ---------------------------------------------------------------------------------------


def sweep_table(report: Record) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of the table; connected: of the pairs tried."""
    keys = list(report["over"])
    head = [*keys, "level", "connected"]
    for measure in report["measures"]:
        head += [measure, "method error"] if measure in LENGTHS else [measure]
    rows = []
    for record in report["records"]:
        row = [shown(record["values"][key]) for key in keys]
        row += [f"{record['level']:g}", f"{record['connected']}/{record['tried']}"]
        for measure in report["measures"]:
            measured = record["measures"][measure]
            row.append(_measured(measured))
            if measure in LENGTHS:
                row.append("–" if measured is None else method_error(measured["method_error"]))
        rows.append(row)
    return head, rows


def _measured(measured: Record | None) -> str:
    if measured is None:
        return "–"
    if "interval" in measured:
        low, high = measured["interval"]
        return f"{measured['mean']:.3g} ({low:.2g} to {high:.2g})"
    return number(measured)


def rates_said(report: Record) -> list[str]:
    return [
        f"{r['measure']} ∝ {r['key'].rpartition('.')[2]}^({r['rate']:.2f} ± {r['se']:.2f})"
        + (f" for {r['line']}" if r["line"] else "")
        + f", {r['points']} points"
        for r in report["rates"]
    ]


def sweep_csv(report: Record) -> str:
    """One line a combination and level; a mean is spread over columns, and a share's interval."""
    lines = []
    for record in report["records"]:
        line = {key: shown(value) for key, value in record["values"].items()}
        line |= {key: record[key] for key in ("run", "set", "level", "pairs")}
        line |= {"tried": record["tried"], "connected": record["connected"]}
        for name, measured in record["measures"].items():
            parts = measured or {"mean": None, "se": None, "n": 0}
            line[f"{name}_{'least' if name in LEASTS else 'mean'}"] = parts["mean"]
            line |= {f"{name}_{part}": parts[part] for part in ("se", "n")}
            if name in LENGTHS:
                error = parts.get("method_error", method_error_of([]))
                line |= {f"{name}_method_error_{part}": value for part, value in error.items()}
            if name in SHARES:
                interval = parts.get("interval", (None, None))
                line[f"{name}_low"], line[f"{name}_high"] = interval
        lines.append(line)
    return table_text(list(lines[0]) if lines else ["level"], lines)


def _against_keys(report: Record, found: theory.Finding | None) -> str:
    """Every measure; behind the finding of an experiment, where there is one."""
    drawn = f"<div class=two>{''.join(_drawn(report))}</div>"
    if found is None:
        return html.section("Against what was swept", drawn)
    return html.details("Every measure against what was swept", drawn)


def _unmeasured(report: Record) -> str:
    runs = {record["run"] for record in report["records"]}
    if not report["unmeasured"]:
        return ""
    return (
        f"{len(report['unmeasured'])} of {len(runs)} runs are not measured: their lengths are "
        "those of the strings as found, not shortened. `lscape measure` on a run's directory "
        "measures it, and `lscape report` on it shows that."
    )


def _found(report: Record, found: theory.Finding | None) -> str:
    if found is None:
        return ""
    svg = style.draw(found.plot, "theory", f"{report['theory']}, in one figure", found.size)
    figure = html.figure(svg, found.caption)
    said = html.findings(found.sentences)
    return html.section("What was found", f"{said}<div class=whole>{figure}</div>")


def write_sweep_html(directory: Path, report: Record) -> Path:
    """Write the sweep's page, whole or not at all, and return its path. Raises OSError."""
    path = directory / "report.html"
    head, rows = sweep_table(report)
    found = theory.finding(report)
    runs = dict.fromkeys(record["run"] for record in report["records"])
    title = f"lscape: {directory.name}"
    body = [
        f"<header><h1>{escape(directory.name)}</h1></header>",
        html.bullets(report["notes"], "notes"),
        _found(report, found),
        _against_keys(report, found),
        html.bullets(rates_said(report), "rates"),
        html.section("Every combination", html.table(head, rows)),
        html.section(
            "Runs", html.bullets(list(runs), "runs") + html.paragraph(_unmeasured(report))
        ),
    ]
    remove_leftovers(directory)
    write_bytes(path, html.document(title, body).encode())
    return path
