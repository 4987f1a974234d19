"""The runs of a sweep beside one another: a table, and measures against the swept keys."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from landscape.report import figures, html
from landscape.report.summary import mean_over_pairs, summarise
from landscape.report.wording import number
from landscape.runs import Run, RunError, open_run, table_text, write_bytes

MEANINGS = {
    "share": "the share of pairs connected, with its 95 % Wilson interval.",
    "normalized_length": "of the connected strings: length divided by the distance of the ends.",
    "beads": "of the connected strings, both ends counted.",
    "excess": "how far the string that was found rises above its higher end, over all pairs whose "
    "ends reached the level, connected or not: an upper bound on the lowest barrier.",
    "lowest_max": "the lowest maximum of any string that was found, over all pairs whose ends "
    "reached the level, connected or not.",
    "curve_excess": "how far the constructed curve rises above its higher end, over all pairs.",
    "curve_max": "the highest loss on the constructed curve, over all pairs.",
    "bound": "what the theorem says that the constructed curve stays below, over all pairs.",
    "final_loss": "the metric where training ended, over all models.",
    "poor": "the share of models whose training ended above the best of the same combination, by "
    "more than a thousandth of the loss that training began with. Some of them may only be slow.",
    "reached": "the share of models that reached the level in training.",
}
POOR = 1e-3
SMALL = 1e-5
LINE_INCHES = 0.17  # of a legend
FACT = "a term that the construction says of its curve, over all pairs."

Values = dict[str, Any]
Record = dict[str, Any]


def sweep_report(directory: Path, sweep: Mapping[str, Any]) -> dict[str, Any]:
    """{sweep, over, measures, chart, rate, records, rates, notes} of a sweep, as strict JSON data.

    records: one a combination and level, {values, run, set, level, pairs, connected, measures};
    a measure is {mean, se, n, clustered}, and share has its interval besides; rates: one a line
    of the figure, {measure, line, rate, se, points}, measure ∝ key^rate by least squares of the
    logarithms. Raises RunError for damaged files, and for a measure that no run has.
    """
    records, notes = [], []
    for entry in sweep["runs"]:
        if not (directory / entry["directory"] / "meta.json").is_file():
            notes.append(f"{_said(entry['values'])}: not run yet; the same command goes on")
            continue
        run = open_run(directory / entry["directory"])
        rows = [row for row in run.rows() if row["set"] == entry["set"]]
        if run.stage_status(f"connect {entry['set']}") != "done":
            notes.append(f"{_said(entry['values'])}: unfinished; the same command goes on")
        for level in summarise(rows):
            own = [row for row in rows if row["level"] == level["level"]]
            records.append(_record(run, entry, level, own, sweep["measures"]))
    for measure in sweep["measures"]:
        if records and all(record["measures"][measure] is None for record in records):
            allowed = sorted({*MEANINGS, *(k for r in records for k in r["facts"])})
            raise RunError(
                f"{directory}: no run has the measure '{measure}' (allowed: {', '.join(allowed)})"
            )
    missed = sum(record["statuses"].get("LEVEL_NOT_REACHED", 0) for record in records)
    if missed:
        notes.append(f"{missed} pairs have a model that did not reach the level: not connected")
    keys = ("name", "over", "measures", "chart", "rate")
    report = {**{key: sweep[key] for key in keys}, "records": records, "notes": notes}
    rates = [rate for m in sweep["measures"] for rate in _rates(report, m)] if sweep["rate"] else []
    return {**report, "rates": rates}


def _record(
    run: Run, entry: Values, level: Record, rows: Sequence[Values], measures: Sequence[str]
) -> Record:
    reached = [row for row in rows if row["loss_a"] is not None]
    for row in reached:
        higher = max(row["loss_a"], row["loss_b"])
        for key, highest in (("excess", "max_loss"), ("curve_excess", "curve_max")):
            row[key] = None if row.get(highest) is None else row[highest] - higher
    facts = sorted({key for row in reached for key in row.get("facts", ())})
    models = _models(run, level["level"])

    def measured(name: str) -> Any:
        if name == "share":
            known = {"mean": level["share"], "se": None, "n": level["pairs"], "clustered": None}
            return {**known, "interval": level["share_interval"]}
        if name in ("normalized_length", "beads"):
            return level[name]
        if name in models:
            return models[name]
        if name in facts:
            return mean_over_pairs([{**row, **row.get("facts", {})} for row in with_facts], name)
        if name == "lowest_max":
            known = [row["max_loss"] for row in reached if row["max_loss"] is not None]
            lowest = min(known, default=None)
            return {"mean": lowest, "se": None, "n": len(known), "clustered": None}
        if name in ("excess", "curve_excess", "curve_max", "bound"):
            return mean_over_pairs(reached, name)
        return None

    with_facts = [row for row in reached if "facts" in row]
    return {
        "values": entry["values"],
        "run": entry["directory"],
        **{key: level[key] for key in ("set", "level", "pairs", "connected", "statuses")},
        "facts": facts,
        "measures": {name: measured(name) for name in measures},
    }


def _models(run: Run, level: float) -> dict[str, Record]:
    models = run.models()
    ends = [model["value"] for model in models if model["value"] is not None]
    found = {"final_loss": _mean(ends)}
    begun = [line["value"] for line in run.history()[:1]]
    if begun and ends:
        above = [value - min(ends) > POOR * begun[0] for value in ends]
        found["poor"] = _mean([float(a) for a in above])
    statuses = [e["status"] for m in models for e in m["levels"] if e["level"] == level]
    found["reached"] = _mean([float(status == "REACHED") for status in statuses])
    return found


def _mean(values: Sequence[float]) -> Record:
    count = len(values)
    se = float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else None
    mean = float(np.mean(values)) if count else None
    return {"mean": mean, "se": se, "n": count, "clustered": None}


# -- lines -----------------------------------------------------------------------------------------


def _number(value: Any) -> float | None:
    """A number, or the one number of a list, such as the widths of one hidden layer."""
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    return float(value) if type(value) in (int, float) else None


def _numeric(over: Mapping[str, Sequence[Any]]) -> list[str]:
    """The keys whose values are all numbers, the longest first."""
    keys = [k for k in over if len(over[k]) > 1 and None not in map(_number, over[k])]
    return sorted(keys, key=lambda key: -len(over[key]))


def _horizontal(report: Record) -> str:
    """The key along the horizontal axis: the longest that is numeric; else the level."""
    numeric = _numeric(report["over"])
    levels = len({record["level"] for record in report["records"]})
    if numeric and (len(report["over"][numeric[0]]) > 2 or levels == 1):
        return numeric[0]
    return "level" if levels > 1 else numeric[0] if numeric else next(iter(report["over"]))


def _at(record: Record, key: str, report: Record) -> float:
    if key == "level":
        return record["level"]
    value = _number(record["values"][key])
    return report["over"][key].index(record["values"][key]) if value is None else value


def _lines(report: Record, key: str, measure: str) -> dict[str, list[tuple[float, Record]]]:
    levels = len({record["level"] for record in report["records"]})
    kept = _telling(report, key)
    found: dict[str, list[tuple[float, Record]]] = {}
    for record in report["records"]:
        others = {k: record["values"][k] for k in kept}
        if key != "level" and levels > 1:
            others["level"] = record["level"]
        measured = record["measures"][measure]
        if measured is not None and measured["mean"] is not None:
            found.setdefault(_said(others), []).append((_at(record, key, report), measured))
    return {name: sorted(line, key=lambda point: point[0]) for name, line in found.items()}


def _telling(report: Record, apart: str) -> list[str]:
    """The keys that tell lines apart: not those that others determine, as keys that vary together
    can."""
    values = [record["values"] for record in report["records"]]
    kept = [key for key in report["over"] if len(report["over"][key]) > 1 and key != apart]
    for key in reversed(list(kept)):
        others = [apart, *(other for other in kept if other != key)]
        seen = {json.dumps([v.get(other) for other in others]) for v in values}
        with_key = {json.dumps([v.get(other) for other in [*others, key]]) for v in values}
        if len(seen) == len(with_key):
            kept.remove(key)
    return kept


def _said(values: Values) -> str:
    return ", ".join(f"{key.rpartition('.')[2]} {_shown(value)}" for key, value in values.items())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _rates(report: Record, measure: str) -> list[Record]:
    """The slopes of the lines' logarithms, of three points and more, with their standard errors;
    what is below SMALL of a line's highest is rounding."""
    found, key = [], _horizontal(report)
    for name, line in _lines(report, key, measure).items():
        least = SMALL * max(m["mean"] for _, m in line)
        points = [(at, m["mean"]) for at, m in line if at > 0 and m["mean"] > max(least, 0)]
        if len(points) > 2:
            x, y = np.log(np.array(points)).T
            slope, offset = np.polyfit(x, y, 1)
            left = np.square(y - slope * x - offset).sum() / (len(x) - 2)
            se = math.sqrt(left / np.square(x - x.mean()).sum())
            about = {"measure": measure, "key": key, "line": name, "points": len(points)}
            found.append({**about, "rate": float(slope), "se": se})
    return found


# -- figures ---------------------------------------------------------------------------------------


def _against(axes: Axes, report: Record, measure: str) -> None:
    key = _horizontal(report)
    lines = _lines(report, key, measure)
    places = [at for line in lines.values() for at, _ in line]
    means = [m["mean"] for line in lines.values() for _, m in line]
    for place, (name, line) in enumerate(lines.items()):
        colour, marker = (
            options[place % len(options)] for options in (figures.COLOURS, figures.MARKERS)
        )
        at, height = [point for point, _ in line], [m["mean"] for _, m in line]
        axes.errorbar(
            at, height, np.array([_bars(m) for _, m in line]).T, color=colour, marker=marker, ms=5,
            capsize=3, label=name,
        )  # fmt: skip
    names = report["over"].get(key, [])
    if key != "level" and None in map(_number, names):
        axes.set_xticks(range(len(names)), [_shown(name) for name in names])
    elif places and min(places) > 0 and max(places) > 4 * min(places):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set_xticks(sorted(set(places)))
    if means and min(means) > 0 and max(means) > 10 * min(means):
        axes.set_yscale("log")
    if measure in ("share", "poor", "reached"):
        axes.set_ylim(-0.05, 1.05)
    if key == "level":
        axes.invert_xaxis()
    axes.set_xlabel("level, falling to the right" if key == "level" else key)
    axes.set_ylabel(measure)
    if len(lines) > 1:
        axes.figure.legend(loc="outside lower center", fontsize=8)


def _bars(measured: Record) -> tuple[float, float]:
    if "interval" in measured:
        low, high = measured["interval"]
        return measured["mean"] - low, high - measured["mean"]
    return measured["se"] or 0.0, measured["se"] or 0.0


def _map(axes: Axes, report: Record, measure: str, level: float) -> None:
    across, up = _numeric(report["over"])[:2]
    columns, rows = ([_number(v) for v in report["over"][key]] for key in (across, up))
    heights = np.full((len(rows), len(columns)), np.nan)
    for record in report["records"]:
        measured = record["measures"][measure]
        if record["level"] == level and measured and measured["mean"] is not None:
            where = [_number(record["values"][key]) for key in (up, across)]
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
    mapped = report["chart"] == "map" and len(_numeric(report["over"])) > 1
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
            label = f"{measure}{at} against the swept keys"
            legend = (
                0 if mapped else LINE_INCHES * len(_lines(report, _horizontal(report), measure))
            )
            svg = figures.draw(plot, f"w{place}-{other}", label, (4.8, 3.2 + legend))
            found.append(html.figure(svg, caption))
    return found


# -- as text ---------------------------------------------------------------------------------------


def sweep_table(report: Record) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of the table."""
    keys = list(report["over"])
    head = [*keys, "level", "connected", *report["measures"]]
    rows = []
    for record in report["records"]:
        row = [_shown(record["values"][key]) for key in keys]
        row += [f"{record['level']:g}", f"{record['connected']}/{record['pairs']}"]
        rows.append(row + [_measured(record["measures"][m]) for m in report["measures"]])
    return head, rows


def _measured(measured: Record | None) -> str:
    return "–" if measured is None else number(measured)


def rates_said(report: Record) -> list[str]:
    return [
        f"{r['measure']} ∝ {r['key'].rpartition('.')[2]}^({r['rate']:.2f} ± {r['se']:.2f})"
        + (f" for {r['line']}" if r["line"] else "")
        + f", {r['points']} points"
        for r in report["rates"]
    ]


def sweep_csv(report: Record) -> str:
    """One line a combination and level; a mean is spread over columns."""
    lines = []
    for record in report["records"]:
        line = {key: _shown(value) for key, value in record["values"].items()}
        line |= {key: record[key] for key in ("run", "set", "level", "pairs", "connected")}
        for name, measured in record["measures"].items():
            parts = measured or {"mean": None, "se": None, "n": 0}
            line |= {f"{name}_{part}": parts[part] for part in ("mean", "se", "n")}
        lines.append(line)
    return table_text(list(lines[0]) if lines else ["level"], lines)


def write_sweep_html(directory: Path, report: Record) -> Path:
    """Write the sweep's page, whole or not at all, and return its path. Raises OSError."""
    path = directory / "report.html"
    head, rows = sweep_table(report)
    runs = dict.fromkeys(record["run"] for record in report["records"])
    title = f"lscape: {directory.name}"
    body = [
        f"<header><h1>{escape(directory.name)}</h1></header>",
        html.bullets(report["notes"], "notes"),
        html.section("Against what was swept", f"<div class=two>{''.join(_drawn(report))}</div>"),
        html.bullets(rates_said(report), "rates"),
        html.section("Every combination", html.table(head, rows)),
        html.section("Runs", html.bullets(list(runs), "runs")),
    ]
    write_bytes(path, html.document(title, body).encode())
    return path
