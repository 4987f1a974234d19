"""A two-unit teacher and its swap: a wall that the theory proves, and how it opens."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from landscape.report.data.series import Record
from landscape.report.figures.style import INK
from landscape.report.theory.parts import (
    Finding,
    chosen,
    counted,
    counts,
    drawn,
    listed,
    means,
    numbers,
    panels,
    small,
    under,
    valued,
    values_of,
)

EXACT = 0.5 - 1 / np.pi**2  # of normal inputs, docs/theory.md


def finding(report: Record) -> Finding:
    records = report["records"]
    wall = next((r["apart"] for r in records if r["apart"]), None)
    widths = sorted(one[0] for one in values_of(records, "hidden"))

    def plot(axes: Axes) -> None:
        left, right = panels(axes, 2)
        if wall:
            turns = np.degrees(wall["facts"]["angles"])
            left.plot(turns, wall["facts"]["scan"], color=INK, lw=1)
            left.axhline(EXACT, color=INK, lw=0.8, ls=":")
            right.axhline(wall["height"], color=INK, lw=0.8, ls=":", label="the wall of 2 units")
            if "pass" in wall["facts"]:
                height = wall["facts"]["pass"]
                right.axhline(
                    height, color=INK, lw=0.8, ls="--", label="the lowest, computed by flooding"
                )
        left.set_xlabel("direction u of the first layer, degrees")
        left.set_ylabel("least loss of rank one")
        left.set_xticks(range(0, 181, 45))
        lowest = [_lowest(chosen(records, hidden=[m])) for m in widths]
        known = [(m, one) for m, one in zip(widths, lowest, strict=True) if one is not None]
        drawn(
            right, [m for m, _ in known], [{"mean": one, "se": None} for _, one in known], 0,
            "the least of the maxima found, at any level",
        )  # fmt: skip
        for place, (measure, label) in enumerate(
            (("gap", "gap of the deepest ends"), ("lowered_gap", "the same, lowered")), 1
        ):
            rows = [r for m in widths for r in _deepest(chosen(records, hidden=[m]), measure)]
            at = [valued(r, "hidden")[0] for r in rows]
            drawn(right, at, means(rows, measure), place, label)
        right.set_xticks(widths)
        right.set_xlabel("hidden units m")
        right.set_ylabel("loss")
        right.legend(fontsize=8)

    caption = (
        "Left: the scan over first layers of rank one, through one of which every path between the "
        f"two networks of 2 units leads; dotted, 1/2 − 1/π² = {EXACT:.4f}. Right: what searches "
        "found, by the number of units; gaps are means with standard errors over pairs."
    )
    return Finding(_sentences(records, widths, wall), plot, (9.6, 3.6), caption)


def _sentences(records: list[Record], widths: list[int], wall: Record | None) -> list[str]:
    said = []
    for m in widths:
        rows = chosen(records, hidden=[m])
        levels = [row["level"] for row in rows]
        text = f"{m} units: a path for {counted(rows)} pairs at levels {numbers(levels)}."
        if wall and any(row["apart"] for row in rows):
            text += _proved(rows, wall)
        gaps = [
            f"{words} {small(gap)}"
            for measure, words in (("gap", "as found by"), ("lowered_gap", "lowered by"))
            for gap in means(_deepest(rows, measure), measure)
        ]
        if gaps:
            pairs = means(_deepest(rows, "gap"), "gap")[0]["n"]
            text += f" The lowest path rises above the deepest ends {listed(gaps)} (means over "
            text += f"{pairs} pairs)."
        said.append(text)
    said.append(
        "The printed example of two Gaussians does not hold. Its Φ = 0 has the risk tr Σ, which "
        "vanishes with Σ, where a risk of at least 1/2 is claimed at rank one (docs/theory.md)."
    )
    return said


def _proved(rows: list[Record], wall: Record) -> str:
    known = [row["apart"] for row in rows if row["apart"]]
    text = (
        f" Below {wall['height']:.4f}, the least of the scan, there is no path from one side of "
        f"the wall to the other: {under(known)}"
    )
    maxima = [one["lowest_max"] for one in known if one["lowest_max"] is not None]
    if maxima:
        text += f". The lowest maximum of any path between them is {min(maxima):.5f}"
    if "pass" in wall["facts"]:
        text += (
            f", and {wall['facts']['pass']:.5f} is the lowest as computed between the best two "
            "units and their swap, by flooding a grid of their two directions"
        )
    below = [row for row in rows if row["apart"] and row["level"] < row["apart"]["height"]]
    if below:
        proved = counts([(row["apart"]["pairs"], row["tried"]) for row in below])
        text += f". At levels {numbers(row['level'] for row in below)} this proves {proved} pairs "
        text += "not connected"
    return text + "."


def _lowest(rows: list[Record]) -> float | None:
    maxima = [one["mean"] for one in means(rows, "lowest_max")]
    return min(maxima, default=None)


def _deepest(rows: list[Record], measure: str) -> list[Record]:
    """The record of the lowest level, if it has the measure."""
    lowest = sorted(rows, key=lambda r: r["level"])[:1]
    return [row for row in lowest if means([row], measure)]
