"""Trajectories on a plane: how models went there, of several runs."""

from __future__ import annotations

from typing import Any

from matplotlib import patheffects
from matplotlib.lines import Line2D

from landscape.report.figures.style import COLOURS
from landscape.store.records.planes import PlaneRecord, Trajectory

OUTLINE = [patheffects.withStroke(linewidth=3, foreground="#ffffff")]
AXES = ("first", "second")
CORNERS = ((5, 5), (5, -11), (-11, 5), (-11, -11))  # of a model's number, by run, in points


def draw_trajectories(axes: Any, arrays: Any, record: PlaneRecord) -> None:
    """A line a model, from a ring to a square, in its run's colour; of one run in its own."""
    ways = _ways(record)
    runs = [*dict.fromkeys(way.run for way in ways)]
    for number, way in enumerate(ways):
        place = runs.index(way.run)
        colour = COLOURS[(place if len(runs) > 1 else number) % len(COLOURS)]
        at = arrays[f"trajectory.{number}"][:, :2]
        axes.plot(*at.T, color=colour, lw=1.8, path_effects=OUTLINE)
        axes.plot(*at.T, "o", color=colour, mec="#ffffff", mew=0.4, ms=3.5)
        axes.plot(*at[0], "o", color="#ffffff", mec=colour, mew=1.5, ms=6)
        axes.plot(*at[-1], "s", color=colour, mec="#ffffff", ms=6)
        axes.annotate(
            str(way.model), at[-1], CORNERS[place % len(CORNERS)], textcoords="offset points",
            color="#000000", path_effects=OUTLINE, annotation_clip=True,
        )  # fmt: skip
    if len(runs) > 1:
        colours = [COLOURS[number % len(COLOURS)] for number in range(len(runs))]
        lines = [
            Line2D([], [], color=colour, marker="o", ms=3.5, label=_label(record, run))
            for colour, run in zip(colours, runs, strict=True)
        ]
        axes.figure.legend(handles=lines, loc="outside lower center", fontsize=7)
    shares = record.shares or []
    for name, share, label in zip(AXES, shares, (axes.set_xlabel, axes.set_ylabel), strict=True):
        label(f"{name} axis ({100 * share:.3g} % of variance)")


def _label(record: PlaneRecord, run: str) -> str:
    way = next(way for way in _ways(record) if way.run == run)
    rate = way.learning_rate
    return f"{way.optimizer}, rate {rate if isinstance(rate, str) else f'{rate:g}'} ({run})"


def _ways(record: PlaneRecord) -> list[Trajectory]:
    return record.trajectories or []


def trajectory_facts(record: PlaneRecord) -> str:
    """How much of the ways the plane has, without which their picture misleads."""
    ways = _ways(record)
    several = len({way.run for way in ways}) > 1
    snapshots = sum(way.snapshots for way in ways)
    x, y = (100 * share for share in record.shares or ())
    said = (
        f" Rings are initialisations, dots snapshots, squares the last ones. The axes explain "
        f"{x:.3g} % and {y:.3g} % of the variance of {snapshots} snapshots."
    )
    for way in ways:
        part = f", {way.distance / way.chord:.2g} of its chord," if way.chord else ""
        said += (
            f" Model {way.model}{' of ' + way.run if several else ''} leaves the plane by at "
            f"most {way.distance:.3g}{part} at step {way.distance_at}."
        )
    return f"{said} The colours under a trajectory are the plane's loss, not the model's."


def trajectory_rows(arrays: Any, record: PlaneRecord) -> list[dict[str, Any]]:
    """A record a snapshot; loss is its own, distance from the plane."""
    return [
        {
            "what": f"model {way.model} of {way.run}",
            "x": x, "y": y, "step": int(step), "loss": loss, "distance": distance,
        }
        for number, way in enumerate(_ways(record))
        for x, y, step, loss, distance in arrays[f"trajectory.{number}"].tolist()
    ]  # fmt: skip
