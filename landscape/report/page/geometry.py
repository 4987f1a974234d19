"""The page's figures and tables of what was measured: lengths, curvatures, highest points, minima.

All of it against the level, with its error (over models, or over pairs that share none) and how
many of the pairs are in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from landscape.analysis.best_known import BestKnown
from landscape.report.data.known import Place
from landscape.report.data.measured import (
    ALONG,
    LENGTHS,
    MeasuredString,
    measured_strings,
)
from landscape.report.data.wording import (
    errors,
    is_resolved,
    number,
    own_error,
    series,
)
from landscape.report.figures import style
from landscape.report.figures.spectra import of_strings
from landscape.report.figures.style import Figure
from landscape.report.page import html
from landscape.report.page.by_level import (
    Column,
    Kept,
    Records,
    against,
    are_shortened,
    by_level,
    error,
    mean,
    sets,
    some,
)
from landscape.report.page.html import Part
from landscape.report.page.lengths import lengths
from landscape.report.page.minima import minima
from landscape.store.records.measures import StringMeasure
from landscape.store.run import Run

HIGHEST = (
    "Near a saddle: the smallest eigenvalue is negative by more than its error, and the gradient "
    "is so small that a critical point can be near. On a slope: the level, not a saddle, is what "
    "stops the string. Not resolved: the error of the eigenvalue is not below its magnitude, so "
    "that it is in no mean, or leaves open what the point is. The trace is of the strings that "
    "have a spectrum. The errors of a string's own eigenvalues, and of its trace over the random "
    "probes, are in the table of all strings."
)
TITLES = {
    "level_curvature": "level-set curvature uᵀHu/‖∇F‖",
    "smallest": "smallest eigenvalue",
    "largest": "largest eigenvalue",
}


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
            lengths(strings, kept, metric),
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


# -- where it turns --------------------------------------------------------------------------------


def _turning(strings: Records, kept: Kept, metric: str) -> Part:
    drawn = []
    if some(strings, "total_curvature"):
        caption = "Total curvature: the sum of the turning angles of the strings, in radians"
        drawn.append(
            against("total_curvature", "total curvature, radians", caption, strings, kept, metric)
        )
    for suffix, title, levels, _ in sets(strings, kept):
        drawn.append(_where(f"turning{suffix}", title, levels))
    columns = {
        "total curvature, before shortening": mean("total_curvature_found"),
        "its method error": error("total_curvature_found"),
        "total curvature, shortened": mean("total_curvature"),
        "method error": error("total_curvature"),
        "per unit length": mean("curvature_density"),
        "half is turned by": mean("curvature_middle"),
        "largest angle": mean("largest_angle"),
    }
    if not are_shortened(strings):
        del columns["total curvature, shortened"], columns["method error"]
    said = "Angles in radians; half is turned by: the fraction of the length by which it is."
    return "How the strings turn", drawn, by_level(strings, columns) + html.paragraph(said)


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
    if not some(strings, "level_curvature_mean"):
        return "Level sets along the strings", [], ""
    drawn = [
        against(
            "level_curvature_mean", TITLES["level_curvature"],
            "Curvature of the level set along the strings' tangents, uᵀHu/‖∇F‖: the mean of points "
            "of each. Positive: it bends towards lower loss", strings, kept, metric,
        )
    ]  # fmt: skip
    if some(strings, "normal_spread"):
        caption = "Standard deviation of the level set's normal curvatures over all tangent "
        caption += "directions, by Lanczos: the mean of points of each string"
        name = "spread of normal curvatures"
        drawn.append(against("normal_spread", name, caption, strings, kept, metric, True))
    for suffix, title, _, every in sets(strings, kept):
        own = [(one.record, one.along) for one in every if one.along is not None]
        keys = TITLES if own else ()
        drawn += [_along(f"{key}{suffix}".replace("_", "-"), key, title, own) for key in keys]
    columns = {
        "along the string": mean("level_curvature_mean"),
        "method error": error("level_curvature_mean"),
        "lowest": mean("level_curvature_lowest"),
        "highest": mean("level_curvature_highest"),
        "all directions": mean("normal_mean"),
        "their spread": mean("normal_spread"),
    }
    said = "Curvatures uᵀHu/‖∇F‖ at points of the strings, evenly spread beads and the highest "
    said += "point: of each string the mean, lowest and highest along it; then the mean and the "
    said += "standard deviation over all directions in the level set."
    return "Level sets along the strings", drawn, by_level(strings, columns) + html.paragraph(said)


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
    if not some(strings, "peak_gradient"):
        return "The strings' highest points", [], ""
    columns: dict[str, Column] = {
        "status": lambda r: ", ".join(f"{n} {word}" for word, n in r["peaks"].items()) or "–",
        "loss": mean("peak_loss"),
        "gradient norm": mean("peak_gradient"),
        "smallest eigenvalue": mean("peak_smallest"),
        "largest eigenvalue": mean("peak_largest"),
        "trace": mean("peak_trace"),
    }
    several = len(runs) > 1
    records = {name: [string.record for string in own] for name, own in kept.items()}
    drawn = [one for name in runs for one in of_strings(name, runs[name], records[name], several)]
    notes = map(html.paragraph, [HIGHEST, *errors([r["peak_gradient"] for r in strings])])
    return "The strings' highest points", drawn, by_level(strings, columns) + "".join(notes)


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
