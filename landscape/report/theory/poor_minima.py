"""Connected level sets against no bad minima: where training stops above the best."""

from __future__ import annotations

from matplotlib.axes import Axes

from landscape.report.data.series import Record
from landscape.report.data.sweep import CLOSE, STILL
from landscape.report.figures.style import look
from landscape.report.theory.parts import (
    Finding,
    against_widths,
    chosen,
    counts,
    drawn,
    listed,
    means,
    numbers,
    panels,
    valued,
    values_of,
)

LEAST = 1e-12  # what is below it is drawn there
NAMED = {"linear": "Linear", "relu": "Rectified"}


def finding(report: Record) -> Finding:
    lowest = min(record["level"] for record in report["records"])
    rows = [record for record in report["records"] if record["level"] == lowest]
    widths = sorted(one[0] for one in values_of(rows, "hidden"))
    kinds = values_of(rows, "activation")

    def plot(axes: Axes) -> None:
        left, right = panels(axes, 2)
        for place, kind in enumerate(kinds):
            line = [r for m in widths for r in chosen(rows, activation=kind, hidden=[m])]
            line = [row for row in line if means([row], "poor")]
            at = [valued(r, "hidden")[0] * 1.03**place for r in line]
            drawn(left, at, means(line, "poor"), place, NAMED[kind])
            ends = [end for row in line for end in row["poor_ends"]]
            right.plot(
                [max(end["still"], LEAST) for end in ends], [end["bent"] for end in ends],
                **{**look(place), "ls": "none"}, label=NAMED[kind],
            )  # fmt: skip
        left.set_ylim(-0.05, 1.05)
        left.set_ylabel("share that stops above the best")
        against_widths(left, widths)
        left.legend(fontsize=8)
        right.axvline(STILL, lw=0.8, ls=":", color="grey")
        right.axhline(-CLOSE, lw=0.8, ls=":", color="grey")
        right.set_xscale("log")
        right.set_yscale("symlog", linthresh=CLOSE)
        for axis in (right.xaxis, right.yaxis):
            axis.set_major_formatter("{x:g}")
        right.set_xlabel("fall that is left / (loss − best)")
        right.set_ylabel("smallest / largest eigenvalue")

    caption = (
        "Left: the share of initialisations whose training stopped above the best of its kind and "
        "width by more than a ten-thousandth of the loss that it began with, with 95 % Wilson "
        "intervals. Right: those that did; a second-order minimum is left of and above the dotted "
        "lines, to the right the loss has still to fall, by gradient and Hessian, and below it "
        "bends down by more than a ten-thousandth of the largest eigenvalue."
    )
    return Finding([_said(rows, kind, widths) for kind in kinds], plot, (9.6, 3.6), caption)


def _said(rows: list[Record], kind: str, widths: list[int]) -> str:
    mine = [r for m in widths for r in chosen(rows, activation=kind, hidden=[m])]
    shares = means(mine, "poor")
    if not shares:
        return f"{NAMED[kind]}: nothing trained yet."
    ends = [end for row in mine for end in row["poor_ends"]]
    found = counts([(round(one["mean"] * one["n"]), one["n"]) for one in shares])
    units = numbers(valued(row, "hidden")[0] for row in mine if means([row], "poor"))
    said = f"{NAMED[kind]}: {found} initialisations stop above the best, with {units} units"
    if not ends:
        return said + "."
    minima = sum(end["minimum"] for end in ends)
    bent = sum(end["bent"] < -CLOSE for end in ends)
    moving = len(ends) - minima - bent
    kinds = [
        f"{minima} at a second-order minimum, to {CLOSE:g} of the largest eigenvalue",
        f"{bent} where the loss bends down by more, a saddle or its neighbourhood",
        f"{moving} still on the way, such as on a slow plateau, or not resolved",
    ]
    return f"{said}. Of these {len(ends)}: {listed(kinds)}{_negative(ends)}."


def _negative(ends: list[Record]) -> str:
    """The eigenvalues that are negative, though they may count as zero."""
    of = [end["minimum"] for end in ends if end["bent"] < 0]
    if not of:
        return ", and no eigenvalue is negative by more than its error"
    lowest = -min(end["bent"] for end in ends)
    return (
        f". The smallest eigenvalue is negative by more than its error at {len(of)} of them, "
        f"{sum(of)} of which count as minima; beyond that by at most {lowest:.1e} of the largest"
    )
