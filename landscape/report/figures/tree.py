"""The disconnectivity graph, and components against the level, of what
landscape/analysis/topology.py says.

Becker & Karplus 1997; Wales, Miller & Walsh 1998. Every join is drawn at an upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from landscape.report.figures.style import COLOURS, INK, MARKERS, level_axis, log_values

DECADES = 1.0  # of energies, from which on their axis is logarithmic
NARROW_SPAN = 0.2  # of the highest energy: where the axis spans less, the drawing says how much
SPAN = 1e-3  # of it, at least on an axis: less is what a certificate may still move by
NAMED = 40  # leaves that are named upright
MOST_NAMED = 120
ROOM = 1.5  # leaves between two trees that nothing is known to join
BOUNDS = "joins are upper bounds: lower paths may exist"


def size(leaves: int) -> tuple[float, float]:
    """Inches for a disconnectivity graph of so many leaves."""
    return min(9.0, max(4.8, 0.09 * leaves)), 3.6


def disconnectivity(axes: Axes, topology: dict[str, Any], metric: str) -> None:
    """Each model's deepest snapshot at its energy, joined at the lowest barrier known.

    topology: of `landscape.analysis.topology.describe`, with at least one leaf.
    """
    energy = {leaf["model"]: leaf["energy"] for leaf in topology["leaves"]}
    place = _places(energy, topology["merges"])
    heights = [merge["height"] for merge in topology["merges"]]
    top = _axis(axes, list(energy.values()), heights)
    colour, few = COLOURS[0], len(energy) <= NAMED
    # a group of models: where its line stands, and from where it goes up
    ends = {(model,): (place[model], energy[model]) for model in energy}
    for merge in topology["merges"]:
        height = merge["height"]
        sides = [ends.pop(tuple(merge[side])) for side in ("older", "younger")]
        for x, bottom in sides:
            axes.plot([x, x], [bottom, height], color=colour, lw=1, solid_capstyle="round")
        across = [x for x, _ in sides]
        axes.plot(across, [height, height], color=colour, lw=1, solid_capstyle="round")
        both = tuple(sorted((*merge["older"], *merge["younger"])))
        ends[both] = float(np.mean(across)), height
    for x, bottom in ends.values():  # the lowest of each tree is joined to nothing above
        axes.plot([x, x], [bottom, top], color=colour, lw=1, ls=":")
    dot = 4 if few else 2
    axes.plot([place[m] for m in energy], list(energy.values()), "o", color=colour, ms=dot)
    if len(energy) <= MOST_NAMED:
        for model, value in energy.items():
            axes.annotate(
                f"{model}", (place[model], value), (0, -4), textcoords="offset points",
                ha="center", va="top", fontsize=8 if few else 5, rotation=0 if few else 90,
            )  # fmt: skip
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.margins(x=0.04)
    axes.set_ylabel(metric)
    said = BOUNDS if topology["merges"] else "no path is known between any two"
    if topology["unjoined"] > 1 and topology["merges"]:
        said += f"\nno path is known between {topology['unjoined']} groups"
    low, high = min(energy.values()), max([*energy.values(), *heights])
    if 0 < high - low < NARROW_SPAN * abs(high):
        said += f"\nall is within {100 * (high - low) / abs(high):.2g} % of {high:.4g}: drawn large"
    axes.set_title(said, fontsize=8, loc="left")


def _axis(axes: Axes, energies: Sequence[float], heights: Sequence[float]) -> float:
    """Set the axis of energies, with room for the leaves' names below; returns the trees' top."""
    low, high = min(energies), max([*energies, *heights])
    if low > 0 and math.log10(high / low) > DECADES:
        log_values(axes)
        span = math.log(high / low)
        axes.set_ylim(low * math.exp(-0.12 * span), high * math.exp(0.08 * span))
        return high * math.exp(0.05 * span)
    span = max(high - low, SPAN * abs(high)) or 1.0
    middle = (low + high) / 2
    axes.set_ylim(middle - 0.62 * span, middle + 0.58 * span)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.ticklabel_format(axis="y", useOffset=False)
    return high + 0.05 * span


def _places(energy: dict[int, float], merges: Sequence[dict[str, Any]]) -> dict[int, float]:
    """Where the leaves stand: the groups of a merge side by side, so that no lines cross, the one
    of fewer models on the left and on the right by turns."""
    order: dict[tuple[int, ...], list[int]] = {(model,): [model] for model in energy}
    for number, merge in enumerate(merges):
        sides = [order.pop(tuple(merge[side])) for side in ("older", "younger")]
        large, small = sorted(sides, key=len, reverse=True)
        both = tuple(sorted(large + small))
        order[both] = large + small if number % 2 else small + large
    places: dict[int, float] = {}
    at = 0.0
    for group in sorted(order.values(), key=lambda group: (-len(group), group)):
        places |= {model: at + number for number, model in enumerate(group)}
        at += len(group) - 1 + ROOM
    return places


def components(axes: Axes, topologies: dict[str, dict[str, Any]], metric: str) -> None:
    """Components that the certificates leave, by level, an upper bound on their number; and how
    many models met the level. topologies: by run; one with levels at least."""
    for number, (name, topology) in enumerate(topologies.items()):
        levels = topology["levels"]
        at = [level["level"] for level in levels]
        several = len(topologies) > 1
        axes.plot(
            at, [len(level["components"]) for level in levels],
            color=COLOURS[number % len(COLOURS)], marker=MARKERS[number % len(MARKERS)], ms=5,
            label=name if several else "components (at most)",
        )  # fmt: skip
        axes.plot(
            at, [level["models"] for level in levels], color=INK, lw=0.8, ls=":",
            label=None if number else "models at the level",
        )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("components among the models")
    level_axis(axes, [level for t in topologies.values() for level in t["levels"]], metric)
    axes.legend()


def components_table(topology: dict[str, Any]) -> list[dict[str, Any]]:
    """A record a level, for a CSV: components are numbers of models joined by +."""
    return [
        {
            "level": level["level"],
            "limit": level["limit"],
            "models": level["models"],
            "components_at_most": len(level["components"]),
            "by_connections_at_the_level": level["direct"],
            "pairs_searched": level["searched"],
            "pairs_connected": level["connected"],
            "components": " ".join("+".join(map(str, part)) for part in level["components"]),
        }
        for level in topology["levels"]
    ]


def persistence_table(topology: dict[str, Any]) -> list[dict[str, Any]]:
    """A record a component, for a CSV: when it is born, and at the latest dies, by the level."""
    return [
        {
            "model": record["model"],
            "birth": record["birth"],
            "death_at_most": record["death"],
            "into": record["into"],
        }
        for record in topology["persistence"]
    ]
