"""The page's figures and tables of what was measured: lengths, curvatures, highest points, minima.

All of it against the level, with its error (over models, or over pairs that share none) and how
many of the pairs are in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from landscape.analysis.best_known import BestKnown
from landscape.report.data.known import Place
from landscape.report.data.measured import (
    ALL_LENGTHS,
    ALONG,
    EIGENVALUES,
    EUCLIDEAN,
    FOUND,
    LENGTHS,
    MeasuredString,
    measured_strings,
)
from landscape.report.data.wording import (
    eigenvalue,
    errors,
    is_resolved,
    method_error,
    number,
    own_error,
    series,
)
from landscape.report.figures import style
from landscape.report.figures.spectra import of_strings
from landscape.report.figures.style import Figure
from landscape.report.page import html
from landscape.report.page.html import Part
from landscape.report.page.minima import minima
from landscape.store.records.measures import StringMeasure
from landscape.store.run import Run

Records = Sequence[dict[str, Any]]
Kept = Mapping[str, Sequence[MeasuredString]]  # by run
Column = Callable[[dict[str, Any]], str]

CAPTIONS = {
    "normalized_length": "Euclidean length of the strings, shortened, over the distance of their "
    "ends; 1 is straight",
    "normalized_scaled_length": "Length of the strings in the metric Σ ‖dθ‖²/‖θ‖², summed over "
    "the parameter arrays, over the distance of their ends in it; scaling a layer leaves it",
    "normalized_function_length": "Length of the strings as functions over the data, {metric}, "
    "over that distance of their ends",
}
METRICS = {"jsd": "in the distance √JSD (nats)", "l2": "in the L² distance"}
SHORTENING = (
    "CONVERGED: doubling the beads moved the length by less than the tolerance. STALLED: so it "
    "did, but it can still be well above the least: the level has no gradient to turn a step along "
    "it, or steps are refused that the level, linearised, allows. BUDGET: the beads or sweeps were "
    "spent first, or no shorter string was certified. OFF: not shortened. Every shortened string "
    "is certified below its level."
)
HIGHEST = (
    "Near a saddle: the smallest eigenvalue is negative by more than its error, and the gradient "
    "is so small that a critical point can be near. On a slope: the level, not a saddle, is what "
    "stops the string. Not resolved: the error of the eigenvalue is not below its magnitude, so "
    "that it is in no mean, or leaves open what the point is. The trace is of the strings that "
    "have a spectrum. The errors of a string's own eigenvalues, and of its trace over the random "
    "probes, are in the table of all strings."
)
ERRORS = (
    "Method error, a mean over pairs. Of a Euclidean length: by how much it is longer than the "
    "shortest path known; of that one itself, by how much the next method's is longer. Of another "
    "length: by how much that of another method's shortest path differs."
)
TITLES = {
    "level_curvature": "level-set curvature uᵀHu/‖∇F‖",
    "smallest": "smallest eigenvalue",
    "largest": "largest eigenvalue",
}
SMALL = (3.2, 2.4)


def geometry(
    report: dict[str, Any],
    runs: Mapping[str, Run],
    best: Mapping[str, Mapping[Place, BestKnown]],
    metric: str,
) -> list[Part]:
    """The parts of what was measured; [] where nothing is. best: by run."""
    kept = {name: measured_strings(run, best[name]) for name, run in runs.items()}
    pairs = {(at["run"], at["set"], at["level"]): at for at in report["levels"]}
    strings = []
    for record in report["measured"]["strings"]:
        at = pairs[record["run"], record["set"], record["level"]]
        strings.append(record | {key: at[key] for key in ("connected", "pairs")})
    parts = []
    if strings:
        parts += [
            _lengths(strings, kept, metric),
            _turning(strings, kept, metric),
            _level_sets(strings, kept, metric),
            _highest(strings, kept, runs),
        ]
    if records := report["measured"]["minima"]:
        parts.append(minima(records, report["measured"], runs, metric))
    if records := report["measured"]["also"]:
        parts.append(_also(records, len(runs) > 1))
    if strings:
        parts.append(("All strings that were measured", [], _missing(strings) + _every(kept)))
    return [part for part in parts if part[1] or part[2]]


def _also(records: Sequence[dict[str, Any]], several: bool) -> Part:
    """What the measures of measure.also found."""
    rows = (
        [record["run"]] * several
        + [record["measure"], record["set"] or "models", f"{record['level']:g}"]
        + [record["quantity"], str(record["measured"]), number(record["value"])]
        + [number(record["largest_error"])]
        for record in records
    )
    columns = ["measure", "set", "level", "measure of", "measured", "mean", "largest method error"]
    said = "± is the standard error over pairs, or over models. Each is in also.csv."
    table = html.table(["run"] * several + columns, rows)
    return "Other measures (measure.also)", [], table + html.paragraph(said)


# -- pieces ----------------------------------------------------------------------------------------


def _mean(key: str) -> Column:
    """A mean, and of how many strings it is where it is not of all that were measured."""

    def said(record: dict[str, Any]) -> str:
        if key in EIGENVALUES:
            return eigenvalue(record[key], record["measured"])
        count = record[key]["n"]
        return number(record[key]) + f" (of {count})" * (0 < count < record["measured"])

    return said


def _some(records: Records, key: str) -> bool:
    return any(record[key]["mean"] is not None for record in records)


def _are_shortened(strings: Records) -> bool:
    return any(record["shortened"] for record in strings)


def _by_level(strings: Records, columns: Mapping[str, Column]) -> str:
    """A table of a line a set and level, with how many of the pairs are in its means."""
    head = ["search", "level", "measured of connected", *columns]
    rows = (
        [
            series(record, strings), f"{record['level']:g}", _measured(record),
            *(of(record) for of in columns.values()),
        ]
        for record in strings
    )  # fmt: skip
    return html.table(head, rows)


def _against(
    key: str,
    title: str,
    caption: str,
    strings: Records,
    kept: Kept,
    metric: str,
    logarithmic: bool = False,
) -> Figure:
    """Means against the level; of strings that were shortened, those before it beside them."""
    before = f"{key}_found" if _are_shortened(strings) and f"{key}_found" in strings[0] else ""

    def pairs(level: dict[str, Any]) -> list[float]:
        at = level["set"], level["level"]
        own = [s for s in kept[level["run"]] if (s.record.set, s.record.level) == at]
        return [value for value in (string.number(key) for string in own) if value is not None]

    def plot(axes: Axes) -> None:
        style.against_level(axes, strings, key, metric, pairs, before)
        if logarithmic and any((level[key]["mean"] or 0) > 0 for level in strings):
            style.log_values(axes)
        axes.set_ylabel(title)

    def line(level: dict[str, Any]) -> dict[str, Any]:
        where = ("run", "set", "level", "measured", "connected", "pairs", "converged")
        found = {name: level[name] for name in where}
        for name, prefix in ((key, ""), (before, "found_")):
            if name:
                found |= {prefix + part: level[name][part] for part in ("mean", "se", "n")}
        return found | style.error_cells(level[key])

    means = ", ".join(f"{number(level[key])} at {level['level']:g}" for level in strings)
    caption += ". Open markers: before shortening; filled: after." if before else "."
    caption += f" {style.BARS}" * ("method_error" in strings[0][key])
    label = f"{title} against level: {means}"
    return Figure(key.replace("_", "-"), label, caption, plot, [line(at) for at in strings])


def _sets(strings: Records, kept: Kept) -> Iterator[tuple[str, str, Records, list[MeasuredString]]]:
    """(a suffix for names, a title, the levels' records, the strings) of every set."""
    for run, name in dict.fromkeys((record["run"], record["set"]) for record in strings):
        levels = [record for record in strings if (record["run"], record["set"]) == (run, name)]
        own = [string for string in kept[run] if string.record.set == name]
        several = len(kept) > 1
        yield f"-{name}-{run}" if several else f"-{name}", series(levels[0], strings), levels, own


# -- lengths ---------------------------------------------------------------------------------------


def _lengths(strings: Records, kept: Kept, metric: str) -> Part:
    shortened = _are_shortened(strings)
    kind = next((record["function_metric"] for record in strings if record["function_metric"]), "")
    said = METRICS.get(kind, "")
    drawn = [
        _against(
            key,
            f"{name} length over chord",
            CAPTIONS[key].format(metric=said),
            strings,
            kept,
            metric,
        )
        for key, name in LENGTHS.items()
        if _some(strings, key) and (shortened or key != EUCLIDEAN)  # which is drawn above
    ]
    words = f"Lengths over the distance of the ends in their own metric; function-space {said}. "
    table = _length_table(strings, shortened) + html.paragraph(words + ERRORS)
    return "Lengths", drawn, table + _shortening(strings)


def _length_table(strings: Records, shortened: bool) -> str:
    """A line a metric, set and level, each length beside its method error."""
    ends = {"before shortening": FOUND, "shortened": ""} if shortened else {"as found": ""}
    head = ["metric", "search", "level", "measured of connected"]
    rows = (
        [name, series(record, strings), f"{record['level']:g}", _measured(record)]
        + [
            cell
            for end in ends.values()
            for cell in (_mean(key + end)(record), method_error(record[key + end]["method_error"]))
        ]
        for key, name in ALL_LENGTHS.items()
        if _some(strings, key)
        for record in strings
    )
    return html.table(head + [name for end in ends for name in (end, "method error")], rows)


def _measured(record: dict[str, Any]) -> str:
    return f"{record['measured']} of {record['connected']}/{record['pairs']}"


def _shortening(strings: Records) -> str:
    if not _are_shortened(strings):
        return html.paragraph(
            "The strings are as their searches left them: they were not shortened."
        )
    settled, tried = (sum(r[key] for r in strings) for key in ("converged", "shortened"))
    columns: dict[str, Column] = {
        "shortening": lambda r: ", ".join(f"{n} {status}" for status, n in r["shortening"].items()),
        "length moved at last, at most": _change,
        "beads before": _mean("beads_found"),
        "beads": _mean("beads"),
        "sweeps": _mean("sweeps"),
    }
    said = f"Shortening settled on {settled} of {tried}. {SHORTENING}"
    return _by_level(strings, columns) + html.paragraph(said)


def _change(record: dict[str, Any]) -> str:
    """The most that doubling the beads moved a length, and of how many where it is not of all."""
    if record["change"] is None:
        return "–"
    count = record["changes"]
    return f"{100 * record['change']:.2g} %" + f" (of {count})" * (count < record["measured"])


# -- where it turns --------------------------------------------------------------------------------


def _turning(strings: Records, kept: Kept, metric: str) -> Part:
    drawn = []
    if _some(strings, "total_curvature"):
        caption = "Total curvature: the sum of the turning angles of the strings, in radians"
        drawn.append(
            _against("total_curvature", "total curvature, radians", caption, strings, kept, metric)
        )
    for suffix, title, levels, _ in _sets(strings, kept):
        drawn.append(_where(f"turning{suffix}", title, levels))
    columns = {
        "total curvature, before shortening": _mean("total_curvature_found"),
        "total curvature, shortened": _mean("total_curvature"),
        "per unit length": _mean("curvature_density"),
        "half is turned by": _mean("curvature_middle"),
        "largest angle": _mean("largest_angle"),
    }
    if not _are_shortened(strings):
        del columns["total curvature, shortened"]
    said = "Angles in radians; half is turned by: the fraction of the length by which it is."
    return "How the strings turn", drawn, _by_level(strings, columns) + html.paragraph(said)


def _where(name: str, title: str, levels: Records) -> Figure:
    """The turning in parts of the length, at some levels."""
    some = style.some([record["level"] for record in levels])

    def plot(axes: Axes) -> None:
        chosen = [record for record in levels if record["level"] in some]
        for place, record in enumerate(chosen):
            parts = record["turning"]
            look = style.look(place)
            axes.errorbar(
                [part["at"] + 0.01 * place for part in parts], [part["mean"] for part in parts],
                [part["se"] or 0 for part in parts],
                capsize=2, lw=1, label=f"{record['level']:g}", **look,
            )  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.set_xlabel("fraction of the string")
        axes.set_ylabel("turning, radians a tenth")
        style.legend(axes)

    table = [
        {"level": record["level"]} | {key: part[key] for key in ("at", "mean", "se", "n")}
        for record in levels
        for part in record["turning"]
    ]
    said = "Where along the strings they turn: radians in each tenth of the length, means over "
    said += f"strings, by level ({title})."
    return Figure(name, said, said, plot, table)


# -- level sets and highest points -----------------------------------------------------------------


def _level_sets(strings: Records, kept: Kept, metric: str) -> Part:
    if not _some(strings, "level_curvature_mean"):
        return "Level sets along the strings", [], ""
    drawn = [
        _against(
            "level_curvature_mean", TITLES["level_curvature"],
            "Curvature of the level set along the strings' tangents, uᵀHu/‖∇F‖: the mean of points "
            "of each. Positive: it bends towards lower loss", strings, kept, metric,
        )
    ]  # fmt: skip
    if _some(strings, "normal_spread"):
        caption = "Standard deviation of the level set's normal curvatures over all tangent "
        caption += "directions, by Lanczos: the mean of points of each string"
        name = "spread of normal curvatures"
        drawn.append(_against("normal_spread", name, caption, strings, kept, metric, True))
    for suffix, title, _, every in _sets(strings, kept):
        own = [(one.record, one.along) for one in every if one.along is not None]
        keys = TITLES if own else ()
        drawn += [_along(f"{key}{suffix}".replace("_", "-"), key, title, own) for key in keys]
    columns = {
        "along the string": _mean("level_curvature_mean"),
        "lowest": _mean("level_curvature_lowest"),
        "highest": _mean("level_curvature_highest"),
        "all directions": _mean("normal_mean"),
        "their spread": _mean("normal_spread"),
    }
    said = "Curvatures uᵀHu/‖∇F‖ at points of the strings, evenly spread beads and the highest "
    said += "point: of each string the mean, lowest and highest along it; then the mean and the "
    said += "standard deviation over all directions in the level set."
    return "Level sets along the strings", drawn, _by_level(strings, columns) + html.paragraph(said)


def _along(
    name: str,
    key: str,
    title: str,
    own: Sequence[tuple[StringMeasure, dict[str, list[float]]]],
) -> Figure:
    """A number at points of strings, each with its `along`, at some levels."""
    levels = style.some(list(dict.fromkeys(record.level for record, _ in own)))

    def plot(axes: Axes) -> None:
        for place, level in enumerate(levels):
            points = [along for record, along in own if record.level == level]
            at, values = (np.concatenate([p[what] for p in points]) for what in ("at", key))
            bars = [p.get(f"{key}_error", np.zeros(len(p["at"]))) for p in points]
            look = style.look(place) | {"ls": "none", "ms": 4}
            errors = np.concatenate(bars)
            axes.errorbar(at, values, errors, alpha=0.7, lw=0.8, label=f"{level:g}", **look)
        axes.axhline(0, color=style.INK, lw=0.5)
        axes.set_xlim(-0.03, 1.03)
        axes.set_xlabel("fraction of the string")
        axes.set_ylabel(TITLES[key])
        style.legend(axes)

    table = [
        {name: getattr(record, name) for name in ("level", "a", "b")}
        | {what: along[what][point] for what in ("at", *ALONG)}
        for record, along in own
        for point in range(len(along["at"]))
    ]
    title = f"{TITLES[key]} at points along the strings, by level ({title})."
    said = title[0].upper() + title[1:]
    return Figure(name, said, said, plot, table)


def _highest(strings: Records, kept: Kept, runs: Mapping[str, Run]) -> Part:
    if not _some(strings, "peak_gradient"):
        return "The strings' highest points", [], ""
    columns: dict[str, Column] = {
        "status": lambda r: ", ".join(f"{n} {word}" for word, n in r["peaks"].items()) or "–",
        "loss": _mean("peak_loss"),
        "gradient norm": _mean("peak_gradient"),
        "smallest eigenvalue": _mean("peak_smallest"),
        "largest eigenvalue": _mean("peak_largest"),
        "trace": _mean("peak_trace"),
    }
    several = len(runs) > 1
    records = {name: [string.record for string in own] for name, own in kept.items()}
    drawn = [one for name in runs for one in of_strings(name, runs[name], records[name], several)]
    notes = map(html.paragraph, [HIGHEST, *errors([r["peak_gradient"] for r in strings])])
    return "The strings' highest points", drawn, _by_level(strings, columns) + "".join(notes)


# -- the rest --------------------------------------------------------------------------------------


def _missing(strings: Records) -> str:
    """Which numbers are missing and why, with how many strings."""
    counts: Counter[str] = Counter()
    for record in strings:
        counts.update(record["reasons"])
        if record["hessian"] is None and not any("second" in r for r in record["reasons"]):
            counts["no second derivatives: not asked for (measure.hessian)"] += record["measured"]
    return html.bullets([f"{why} ({n} strings)" for why, n in counts.items()], "missing")


def _every(kept: Kept) -> str:
    every = [(run, string) for run, own in kept.items() for string in own]
    searches = [
        {"run": run, "method": string.record.method, "set": string.record.set}
        for run, string in every
    ]
    head = ["set", "shortening", "status", "level", "pair"]
    head += [name for length in LENGTHS.values() for name in (length, "method error")]
    head += ["total curvature", "level-set curvature", "highest loss", "at", "gradient norm"]
    head += ["smallest eigenvalue", "largest eigenvalue", "trace", "reason"]

    def peak(row: StringMeasure, key: str) -> str:
        mean = getattr(row, f"peak_{key}")
        said = number({"mean": mean, "se": getattr(row, f"peak_{key}_error")})
        known = key == "trace" or mean is None or is_resolved(row, f"peak_{key}")
        return said if known else f"{said}, not resolved"

    keys = ("total_curvature", "level_curvature_mean", "max_loss", "max_at")

    def length(string: MeasuredString, key: str) -> list[str]:
        value = string.number(key)
        return [number(value), "–" if value is None else own_error(string.method_error(key))]

    rows = (
        [series(search, searches) if len(kept) > 1 else string.record.set]
        + [string.record.shortening, string.record.peak_verdict or "–"]
        + [f"{string.record.level:g}", f"{string.record.a}-{string.record.b}"]
        + [cell for key in LENGTHS for cell in length(string, key)]
        + [number(string.number(key)) for key in (*keys, "peak_gradient")]
        + [peak(string.record, key) for key in ("smallest", "largest", "trace")]
        + [string.record.reason]
        for search, (_, string) in zip(searches, every, strict=True)
    )
    return html.details(f"All {len(every)} measured strings", html.table(head, rows))
