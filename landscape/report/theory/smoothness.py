"""The gap over width and the target's smoothness."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import t

from landscape.report.series import Record
from landscape.report.theory.parts import (
    Finding,
    chosen,
    listed,
    means,
    panels,
    valued,
    values_of,
)
from landscape.report.wording import number

MEASURE = "epsilon - e(m)"
FAMILIES = {"density": "decay", "mixture": "spread"}
SAID = {
    "density": "targets of frequencies k and amplitude k^−decay",
    "mixture": "mixtures of normal distributions that overlap by their spread",
}


def finding(report: Record) -> Finding:
    records = report["records"]
    maps = {target: _map(chosen(records, target=target), target) for target in FAMILIES}
    maps = {target: found for target, found in maps.items() if found}

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
        "its standard error over these; the pairs of one target are not independent draws."
    )
    said = [_said(target, found) for target, found in maps.items()]
    return Finding(said, plot, (10.5, 3.6), caption)


def _map(rows: list[Record], target: str) -> dict[tuple[float, int], Record]:
    """(smoothness, units) → the mean over the targets drawn, with its error, the pairs of all, and
    the means of each."""
    found = {}
    for smooth in values_of(rows, FAMILIES[target]):
        for hidden in values_of(rows, "hidden"):
            mine = chosen(rows, hidden=hidden, **{FAMILIES[target]: smooth})
            drawn = {str(valued(r, "data_seed")): one for r in mine for one in means([r], MEASURE)}
            heights = [one["mean"] for one in drawn.values()]
            if heights:
                count = len(heights)
                se = float(np.std(heights, ddof=1)) / math.sqrt(count) if count > 1 else None
                known = {"mean": float(np.mean(heights)), "se": se, "n": count}
                pairs = sum(one["n"] for one in drawn.values())
                targets = {seed: one["mean"] for seed, one in drawn.items()}
                found[smooth, hidden[0]] = {**known, "pairs": pairs, "targets": targets}
    return found


def _said(target: str, found: dict[tuple[float, int], Record]) -> str:
    smooth = sorted({key[0] for key in found})
    widths = sorted({key[1] for key in found})
    first, last = smooth[0], smooth[-1]
    told, cannot = [], []
    for m in widths:
        if (first, m) not in found or (last, m) not in found:
            continue
        change = _change(found[first, m]["targets"], found[last, m]["targets"])
        (told if change["told"] else cannot).append(f"{number(change)} at m = {m}")
    narrow, wide = (found[first, m] for m in (widths[0], widths[-1]))
    counts = {cell["n"] for cell in found.values()}
    said = (
        f"{SAID[target]}: over m = {widths[0]} to {widths[-1]} ε − e(m) falls from "
        f"{number(narrow)} to {number(wide)} at {FAMILIES[target]} {first:g}"
    )
    said = said[0].upper() + said[1:]
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
    changes = [smooth[seed] - rough[seed] for seed in rough if seed in smooth]
    count = len(changes)
    if count < 2:
        return {"mean": changes[0] if changes else None, "se": None, "told": False}
    mean, se = float(np.mean(changes)), float(np.std(changes, ddof=1)) / math.sqrt(count)
    return {"mean": mean, "se": se, "told": abs(mean) > se * float(t.ppf(0.975, count - 1))}
