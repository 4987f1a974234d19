"""How the energy gap closes with the number of units: Theorem 2.4 and its corollary."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from landscape.report.figures import INK
from landscape.report.series import Record, fitted
from landscape.report.theory.parts import (
    Finding,
    against_widths,
    chosen,
    drawn,
    means,
    panels,
    small,
    valued,
    values_of,
)
from landscape.report.wording import number

GAP = "epsilon - e(m)"
LINES = (
    ("dss", "lowered_gap", "lowest barrier found (DSS, lowered), above the ends"),
    ("relu-construction", "curve_excess", "the constructed path, above the ends"),
    ("relu-construction", GAP, "ε − e(m) as evaluated"),
)
FLOOR = 1e-4  # below it the axis is linear, down to zero
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
        "Gaps against the number of units m, for n inputs; means with standard errors over pairs, "
        "of ends at the lowest level that was reached. "
        f"Below {FLOOR:g} the axis is linear, down to 0. Bands stop where a barrier is within a "
        "hundredth of the ends. The thin lines are slopes only, through the first ε − e(m): the "
        "printed m^(−1/n), and the proof's m^(η+(η−1)/n) at η = 1/(2(n+1)), half of where it stops "
        "falling, beside which e(m^η) − e(m) comes on top."
    )
    said = [_said(chosen(records, inputs=n), n) for n in inputs]
    return Finding(said, plot, (10.5, 4.4), caption)


def _line(rows: list[Record], method: str, measure: str) -> list[tuple[int, Record]]:
    """(units, the measure at the lowest level that has it), by units."""
    found = {}
    for row in sorted(chosen(rows, method=method), key=lambda r: -r["level"]):
        for one in means([row], measure):
            found[_units(row)] = one
    return sorted(found.items())


def _units(record: Record) -> int:
    return valued(record, "hidden")[0]


def _printed(n: int) -> list[tuple[float, str, str]]:
    return [(-1 / n, "--", "printed: m^(−1/n)"), (-1 / (2 * n), ":", "the proof, η = 1/(2(n+1))")]


def _said(rows: list[Record], n: int) -> str:
    line = _line(rows, "relu-construction", GAP)
    rate = fitted([(m, one["mean"]) for m, one in line])
    said = f"n = {n}: "
    if rate:
        said += f"ε − e(m) as evaluated falls as m^({rate[0]:.2f} ± {rate[1]:.2f})"
        said += f" over {rate[2]} widths"
    else:
        said += "too few widths for a rate of ε − e(m)"
    if line:
        (first, most), (last, least) = line[0], line[-1]
        said += f", from {small(most)} at m = {first} to {small(least)} at m = {last}"
        pairs = sorted({one["n"] for _, one in line})
        said += f" ({' to '.join(map(str, [*dict.fromkeys((pairs[0], pairs[-1]))]))} pairs each)"
    said += (
        f". Printed is m^(−{1 / n:.3g}); the proof gives m^(−{1 / (2 * n):.3g}) at "
        f"η = 1/{2 * (n + 1)}, with e(m^η) − e(m) on top."
    )
    built = _line(rows, "relu-construction", "curve_excess")
    found = _line(rows, "dss", "lowered_gap")
    return (
        said
        + _closing(built, "The constructed path rises")
        + _closing(found, "The lowest barriers found, by DSS and lowered, rise")
    )


def _closing(line: list[tuple[int, Record]], who: str) -> str:
    """Where a gap is left, and where it has closed."""
    left = [f"{number(one)} at m = {m}" for m, one in line if one["mean"] >= NONE]
    closed = [m for m, one in line if one["mean"] < NONE]
    parts = [f"by {', '.join(left)}"] * bool(left)
    parts += [f"by less than {NONE:g} at m = {_some(closed)}"] * bool(closed)
    return f" {who} above the ends {' and '.join(parts)}." if parts else ""


def _some(widths: list[int]) -> str:
    return ", ".join(map(str, sorted(widths)))
