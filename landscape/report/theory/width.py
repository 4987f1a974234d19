"""How the energy gap closes with the number of units: Theorem 2.4 and its corollary."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from landscape.report.data.series import Record, fitted
from landscape.report.data.wording import number
from landscape.report.figures.style import INK
from landscape.report.theory.parts import (
    Finding,
    against_widths,
    chosen,
    drawn,
    means,
    numbers,
    panels,
    small,
    valued,
    values_of,
)

GAP = "epsilon - e(m)"
LINES = (
    ("dss", "lowered_gap", "lowest barrier found (DSS, lowered), above the ends"),
    ("relu-construction", "curve_excess", "the constructed path, above the ends"),
    ("relu-construction", GAP, "ε − e(m) as evaluated"),
)
FLOOR = 1e-4  # of E|Y|² = 1: noise below it, where no rate is fitted and the axis is linear
NONE = 1e-3  # of E|Y|² = 1: a gap below it is called closed


def finding(report: Record) -> Finding:
    records = report["records"]
    inputs = values_of(records, "inputs")

    def plot(axes: Axes) -> None:
        several = panels(axes, len(inputs), sharey=True)
        for one, n in zip(several, inputs, strict=True):
            mine = chosen(records, inputs=n)
            widths = sorted({_units(row) for row in mine})
            for place, (method, measure, label) in enumerate(LINES):
                line = _line(mine, method, measure)
                drawn(one, [m for m, _ in line], [found for _, found in line], place, label)
            line = _line(mine, "relu-construction", GAP)
            anchor = (line[0][0], line[0][1]["mean"]) if line else (1, 1.0)
            for rate, ls, label in _printed(n):
                at = np.array(widths, float)
                height = anchor[1] * (at / anchor[0]) ** rate
                one.plot(at, height, color=INK, ls=ls, lw=0.9, label=label)
            one.set_yscale("symlog", linthresh=FLOOR)
            one.yaxis.set_major_formatter("{x:g}")
            one.set_ylim(0, 2)
            against_widths(one, widths)
            one.set_title(f"n = {n}", fontsize=9)
        several[0].set_ylabel("loss")
        names = several[0].get_legend_handles_labels()
        several[0].figure.legend(*names, loc="outside lower center", ncols=2, fontsize=8)

    caption = (
        "Gaps against the number of units m, for n inputs; means with standard errors over pairs. "
        f"ε − e(m) and the constructed path are of ends at level {_lowest(records):g}, at widths "
        "of which all pairs reached it; the lowest barriers are between the deepest snapshots. "
        "ε − e(m) as evaluated is the difference of two upper bounds, itself no bound. "
        f"Below {FLOOR:g} the axis is linear, down to 0. Bands stop where a barrier is within a "
        "hundredth of the ends. The thin lines are slopes only, through the first ε − e(m): the "
        "printed m^(−1/n), and the proof's m^(η+(η−1)/n) at η = 1/(2(n+1)), half of where it stops "
        "falling, beside which e(m^η) − e(m) comes on top."
    )
    said = [_said(chosen(records, inputs=n), n) for n in inputs]
    return Finding(said, plot, (10.5, 4.4), caption)


def _line(rows: list[Record], method: str, measure: str) -> list[tuple[int, Record]]:
    """(units, the measure at the sweep's lowest level), by units, where it is of all pairs."""
    mine = [r for r in chosen(rows, method=method) if r["level"] == _lowest(rows)]
    found = [
        (_units(r), one) for r in mine for one in means([r], measure) if one["n"] == r["pairs"]
    ]
    return sorted(found, key=lambda point: point[0])


def _lowest(rows: list[Record]) -> float:
    return min(row["level"] for row in rows)


def _units(record: Record) -> int:
    return valued(record, "hidden")[0]


def _printed(n: int) -> list[tuple[float, str, str]]:
    return [(-1 / n, "--", "printed: m^(−1/n)"), (-1 / (2 * n), ":", "the proof, η = 1/(2(n+1))")]


def _said(rows: list[Record], n: int) -> str:
    line = _line(rows, "relu-construction", GAP)
    kept = [(m, one["mean"]) for m, one in line if one["mean"] >= FLOOR]
    said = f"n = {n}: "
    if rate := fitted(kept):
        said += f"ε − e(m) as evaluated at level {_lowest(rows):g} falls as "
        said += f"m^({rate[0]:.2f} ± {rate[1]:.2f}) over the {rate[2]} widths m = {kept[0][0]} to "
        said += f"{kept[-1][0]} of which all pairs reached the level and it is at least {FLOOR:g} "
        said += "(± is what an unweighted fit of the logarithms leaves)"
    else:
        said += "too few widths of which all ends reached the level for a rate of ε − e(m)"
    if line:
        (first, most), (last, least) = line[0], line[-1]
        said += f", from {small(most)} at m = {first} to {small(least)} at m = {last}"
        said += _pairs(line)
    said += (
        f". Printed is m^(−{1 / n:.3g}); the proof gives m^(−{1 / (2 * n):.3g}) at "
        f"η = 1/{2 * (n + 1)}, with e(m^η) − e(m) on top."
    )
    built = _line(rows, "relu-construction", "curve_excess")
    found = _line(rows, "dss", "lowered_gap")
    return (
        said
        + _closing(built, "The constructed path rises")
        + _closing(
            found, "The lowest barriers found between the deepest ends, by DSS and lowered, rise"
        )
    )


def _closing(line: list[tuple[int, Record]], who: str) -> str:
    """Where a gap is left, and where it has closed."""
    left = [f"{number(one)} at m = {m}" for m, one in line if one["mean"] >= NONE]
    closed = [m for m, one in line if one["mean"] < NONE]
    parts = [f"by {', '.join(left)}"] * bool(left)
    parts += [f"by less than {NONE:g} at m = {numbers(closed)}"] * bool(closed)
    return f" {who} above the ends {' and '.join(parts)}{_pairs(line)}." if parts else ""


def _pairs(line: list[tuple[int, Record]]) -> str:
    return f" ({numbers(sorted({one['n'] for _, one in line}))} pairs each)"
