"""The same data, widths and depth, linear and rectified: Prop. 2.3 against Sec. 2.3.1."""

from __future__ import annotations

from matplotlib.axes import Axes

from landscape.report.data.series import Record
from landscape.report.data.wording import NOT_FOUND, number
from landscape.report.figures.style import COLOURS, DASHES, MARKERS
from landscape.report.theory.parts import (
    Finding,
    against_levels,
    chosen,
    counted,
    drawn,
    means,
    numbers,
    panels,
    values_of,
)

NAMED = {"linear": "Linear", "relu": "Rectified"}
METHODS = {
    "straight": "the straight line",
    "dss": "DSS",
    "linear-network": "the constructed path (Proposition 2.3)",
    "relu-construction": "the constructed path (Theorem 2.4)",
}
ROUNDING = 1e-12


def finding(report: Record) -> Finding:
    records = report["records"]
    levels = values_of_levels(records)

    def plot(axes: Axes) -> None:
        left, right = panels(axes, 2)
        for colour, activation in enumerate(values_of(records, "activation")):
            for place, method in enumerate(METHODS):
                mine = chosen(records, activation=activation, method=method)
                if not mine:
                    continue
                style = {
                    "color": COLOURS[colour],
                    "marker": MARKERS[place],
                    "ls": DASHES[min(place, 2)],
                }
                label = f"{NAMED[activation]}: {METHODS[method]}"
                at = [r["level"] for r in mine if means([r], "share")]
                drawn(left, at, means(mine, "share"), 0, label, **style)
                known = [r for r in mine if means([r], "excess")]
                at = [r["level"] for r in known]
                drawn(right, at, means(known, "excess"), 0, label, **style)
        left.set_ylim(-0.05, 1.05)
        left.set_ylabel("share of pairs connected")
        right.set_ylabel("highest loss above the higher end")
        for one in (left, right):
            against_levels(one, levels)
        names = left.get_legend_handles_labels()
        left.figure.legend(*names, loc="outside lower center", ncols=2, fontsize=8)

    sentences = [_said(records, name, levels) for name in values_of(records, "activation")]
    caption = (
        "One figure of two topologies: the share connected of the pairs whose ends reached the "
        "level, with 95 % Wilson intervals, and how far the string rises above the higher end, "
        "with standard errors over these pairs, connected or not."
    )
    proved = (
        "What is proved is the linear half. That every level set is connected is Proposition 2.3; "
        f"of the rectified networks {NOT_FOUND}."
    )
    return Finding([*sentences, proved], plot, (9.6, 4.2), caption)


def values_of_levels(records: list[Record]) -> list[float]:
    return sorted({record["level"] for record in records}, reverse=True)


def _said(records: list[Record], activation: str, levels: list[float]) -> str:
    mine = chosen(records, activation=activation)
    found = {method: chosen(mine, method=method) for method in METHODS}
    joined = [f"{METHODS[method]} {counted(rows)}" for method, rows in found.items() if rows]
    lowest = [row for row in mine if row["level"] == levels[-1]]
    rises = [
        f"{_rise(row)} by {METHODS[row['values']['connect.method']]}"
        for row in lowest
        if means([row], "excess")
    ]
    return (
        f"{NAMED[activation]} networks at levels {numbers(levels)}: {', '.join(joined)} pairs. "
        f"At {levels[-1]:g} the paths rise above the higher end by {', '.join(rises)}"
        f"{_pairs(lowest)}."
    )


def _rise(record: Record) -> str:
    """Of a constructed path the curve's, which sampling does not raise."""
    rise = record["measures"]["curve_excess"] or record["measures"]["excess"]
    return "rounding" if abs(rise["mean"]) < ROUNDING else number(rise)


def _pairs(records: list[Record]) -> str:
    counts = {one["n"] for one in means(records, "excess")}
    return f" (means over {numbers(sorted(counts))} pairs)" if counts else ""
