"""The gap over width and the target's smoothness."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy  # its parts are loaded when they are used
from matplotlib.axes import Axes

from landscape.analysis.summary import mean_of
from landscape.report.data.series import Record
from landscape.report.data.wording import number
from landscape.report.theory.parts import (
    Finding,
    chosen,
    listed,
    means,
    numbers,
    panels,
    valued,
    values_of,
)

MEASURE = "epsilon - e(m)"
FAMILIES = {"density": "decay", "mixture": "spread"}
SAID = {
    "density": "targets of frequencies k and amplitude k^−decay",
    "mixture": "mixtures of normal distributions that overlap by their spread",
}


def finding(report: Record) -> Finding:
    records = report["records"]
    rows = {target: chosen(records, target=target) for target in FAMILIES}
    maps = {target: _map(rows[target], target) for target in FAMILIES}
    maps = {target: found for target, found in maps.items() if found}
    if not maps:
        pairs = sum(record["pairs"] for record in records)
        said = f"Too few ends reached the level: no pair has an ε − e(m), of {pairs} pairs."
        return Finding([said], lambda axes: axes.set_axis_off(), (10.5, 0.5), said)

    def plot(axes: Axes) -> None:
        highest = max(cell["mean"] for found in maps.values() for cell in found.values())
        several = panels(axes, len(maps))
        image: Any = None
        for one, (target, found) in zip(several, maps.items(), strict=True):
            smooth, widths = sorted({s for s, _ in found}), sorted({m for _, m in found})
            heights = np.array(
                [[found.get((s, m), {"mean": np.nan})["mean"] for s in smooth] for m in widths]
            )
            image = one.imshow(
                heights, origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=highest
            )
            for (s, m), cell in found.items():
                colour = "white" if cell["mean"] < highest / 2 else "black"
                one.text(
                    smooth.index(s), widths.index(m), number(cell).replace(" ± ", "\n± "),
                    ha="center", va="center", color=colour, fontsize=8,
                )  # fmt: skip
            one.set_xticks(range(len(smooth)), [f"{s:g}" for s in smooth])
            one.set_yticks(range(len(widths)), [f"{m:g}" for m in widths])
            one.set_xlabel(f"{FAMILIES[target]}, the smoother to the right")
            one.set_ylabel("hidden units m")
            one.set_title(SAID[target], fontsize=9)
        several[0].figure.colorbar(image, ax=several, label="ε − e(m)")

    caption = (
        "ε − e(m) as evaluated, for E|Y|² = 1: the mean over targets that were drawn apart, with "
        "its standard error over these; the pairs of one target are not independent draws. It is "
        "the difference of two upper bounds, and not how far any path rises."
    )
    said = [_said(target, found) + _missing(rows[target], target) for target, found in maps.items()]
    return Finding(said, plot, (10.5, 3.6), caption)


def _map(rows: list[Record], target: str) -> dict[tuple[float, int], Record]:
    """(smoothness, units) → the mean over the targets drawn, with its error, the pairs of all, and
    the means of each."""
    found = {}
    for smooth in values_of(rows, FAMILIES[target]):
        for hidden in values_of(rows, "hidden"):
            mine = chosen(rows, hidden=hidden, **{FAMILIES[target]: smooth})
            drawn = {str(valued(r, "data_seed")): one for r in mine for one in means([r], MEASURE)}
            if drawn:
                targets = {seed: one["mean"] for seed, one in drawn.items()}
                pairs = sum(one["n"] for one in drawn.values())
                known = mean_of([*targets.values()])
                found[smooth, hidden[0]] = {**known, "pairs": pairs, "targets": targets}
    return found


def _said(target: str, found: dict[tuple[float, int], Record]) -> str:
    smooth = sorted({key[0] for key in found})
    widths = sorted({key[1] for key in found})
    first, last = smooth[0], smooth[-1]
    told, cannot = [], []
    for m in widths:
        if first == last or (first, m) not in found or (last, m) not in found:
            continue
        change = _change(found[first, m]["targets"], found[last, m]["targets"])
        (told if change["told"] else cannot).append(f"{number(change)} at m = {m}")
    line = [(m, found[first, m]) for m in widths if (first, m) in found]
    (narrow, most), (wide, least) = line[0], line[-1]
    counts = {cell["n"] for cell in found.values()}
    said = f"{SAID[target][0].upper()}{SAID[target][1:]}: "
    if len(line) > 1:
        said += f"over m = {narrow} to {wide} ε − e(m) changes from {number(most)} to "
        said += f"{number(least)} at {FAMILIES[target]} {first:g}"
    else:
        said += f"too few ends reached the level for more than one width at {FAMILIES[target]} "
        said += f"{first:g}"
    if told:
        said += f". From {FAMILIES[target]} {first:g} to {last:g} it changes by {listed(told)}"
    if cannot:
        said += (
            f". At 95 %, the change from {FAMILIES[target]} {first:g} to {last:g} cannot be told "
            f"from none: {listed(cannot)}"
        )
    pairs = sum(cell["pairs"] for cell in found.values())
    return (
        f"{said}. Of {listed([str(n) for n in sorted(counts)])} targets a cell, {pairs} pairs in "
        "all; changes are of each target, by Student's t."
    )


def _change(rough: dict[str, float], smooth: dict[str, float]) -> Record:
    """The mean change over the targets that both have, with its standard error, and whether it
    differs from none at 95 %."""
    change = mean_of([smooth[seed] - rough[seed] for seed in rough if seed in smooth])
    se, count = change["se"], change["n"]
    told = se is not None and abs(change["mean"]) > se * float(
        scipy.special.stdtrit(count - 1, 0.975)
    )
    return {**change, "told": told}


def _missing(rows: list[Record], target: str) -> str:
    """Which pairs have no measure, as an end did not reach the level."""
    pairs = sum(row["pairs"] for row in rows)
    absent = [row for row in rows if not means([row], MEASURE)]
    missing = pairs - sum(one["n"] for one in means(rows, MEASURE))
    if not missing:
        return ""
    units: dict[tuple[str, float], list[int]] = {}
    for row in absent:
        where = str(valued(row, "data_seed")), valued(row, FAMILIES[target])
        units.setdefault(where, []).append(valued(row, "hidden")[0])
    where = [
        f"data_seed {seed} at {FAMILIES[target]} {smooth:g} (m = {numbers(sorted(widths))})"
        for (seed, smooth), widths in units.items()
    ]
    wholly = f": {listed(where)} wholly" if where else ""
    return f" {missing} of {pairs} pairs are missing, an end being above the level{wholly}."
