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
    valued,
    values_of,
)
from landscape.report.wording import number

LINES = (
    ("dss", "lowered_gap", "lowest barrier found (DSS, lowered), above the ends"),
    ("relu-construction", "curve_excess", "the constructed path, above the ends"),
    ("relu-construction", "epsilon - e(m)", "ε − e(m) as evaluated"),
)
FLOOR = 1e-4  # below it the axis is linear, down to zero
NONE = 1e-3  # of E|Y|² = 1: a gap below it is called closed


def finding(report: Record) -> Finding:
    rows = _lowest(report["records"])
    inputs = values_of(rows, "inputs")

    def plot(axes: Axes) -> None:
        several = panels(axes, len(inputs), sharey=True)
        for one, n in zip(several, inputs, strict=True):
            mine = chosen(rows, inputs=n)
            widths = sorted({_units(row) for row in mine})
            for place, (method, measure, label) in enumerate(LINES):
                line = [r for r in chosen(mine, method=method) if means([r], measure)]
                drawn(one, [_units(r) for r in line], means(line, measure), place, label)
            anchor = _anchor(mine)
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
        f"Below {FLOOR:g} the axis is linear, down to 0. The thin lines are slopes only, through "
        "the first ε − e(m): the printed m^(−1/n), and the proof's m^(η+(η−1)/n) at "
        "η = 1/(2(n+1)), half of where it stops falling, beside which e(m^η) − e(m) comes on top."
    )
    said = [_said(chosen(rows, inputs=n), n) for n in inputs]
    return Finding(said, plot, (10.5, 4.4), caption)


def _lowest(records: list[Record]) -> list[Record]:
    """Of every combination the record of the lowest level that has its measures."""
    found: dict[str, Record] = {}
    for record in sorted(records, key=lambda r: -r["level"]):
        key = str(record["values"])
        if key not in found or any(one is not None for one in record["measures"].values()):
            found[key] = record
    return list(found.values())


def _units(record: Record) -> int:
    return valued(record, "hidden")[0]


def _anchor(rows: list[Record]) -> tuple[float, float]:
    built = chosen(rows, method="relu-construction")
    known = [(_units(r), one["mean"]) for r in built for one in means([r], "epsilon - e(m)")]
    return min(known, default=(1, 1.0))


def _printed(n: int) -> list[tuple[float, str, str]]:
    return [(-1 / n, "--", "printed: m^(−1/n)"), (-1 / (2 * n), ":", "the proof, η = 1/(2(n+1))")]


def _said(rows: list[Record], n: int) -> str:
    built = sorted(chosen(rows, method="relu-construction"), key=_units)
    line = [(_units(r), one) for r in built for one in means([r], "epsilon - e(m)")]
    rate = fitted([(m, one["mean"]) for m, one in line])
    said = f"n = {n}: "
    if rate:
        said += f"ε − e(m) as evaluated falls as m^({rate[0]:.2f} ± {rate[1]:.2f})"
    else:
        said += "too few widths for a rate of ε − e(m)"
    if line:
        (first, most), (last, least) = line[0], line[-1]
        said += f", from {number(most)} at m = {first} to {number(least)} at m = {last}"
        said += f" ({most['n']} pairs each)"
    said += (
        f". Printed is m^(−{1 / n:.3g}); the proof gives m^(−{1 / (2 * n):.3g}) at "
        f"η = 1/{2 * (n + 1)}, with e(m^η) − e(m) on top."
    )
    found = chosen(rows, method="dss")
    closed = [_units(r) for r in found for one in means([r], "lowered_gap") if one["mean"] < NONE]
    left = [
        (_units(r), one) for r in found for one in means([r], "lowered_gap") if one["mean"] >= NONE
    ]
    if left:
        listed = ", ".join(f"{number(one)} at m = {m}" for m, one in sorted(left))
        said += f" The lowest barriers found, by DSS and lowered, are above the ends by {listed}"
        said += f" and by less than {NONE:g} at {_some(closed)}." if closed else "."
    elif closed:
        said += f" The lowest barriers found, by DSS and lowered, are less than {NONE:g} above the "
        said += f"ends at all of m = {_some(closed)}."
    return said


def _some(widths: list[int]) -> str:
    return ", ".join(map(str, sorted(widths)))
