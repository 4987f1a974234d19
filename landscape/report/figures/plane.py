"""The picture of a plane: the loss in colours, the level as a line, models and strings on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm, Normalize

from landscape.report.figures.style import Figure, level_ticks
from landscape.report.figures.trajectory import (
    OUTLINE,
    draw_trajectories,
    trajectory_facts,
    trajectory_rows,
)
from landscape.store.files import write_bytes
from landscape.store.records.planes import PlaneRecord
from landscape.store.run import Run

COLUMNS = ("what", "x", "y", "loss", "fraction", "distance", "step")
LEGEND = "The black line is the level; white is above the scale or not finite."
SHADES = 28
HIGHEST = 1e3  # above the lowest loss, what is drawn in one colour


def write_plane(run: Run, name: str) -> list[str]:
    """Write a plane's SVG, PDF and CSV beside its arrays; returns the files' names."""
    files = plane_figure(run, name, name).files
    folder = run.plane_file(name).parent
    for file, content in files.items():
        write_bytes(folder / file, content)
    return [str(folder / file) for file in files]


def plane_figure(run: Run, plane: str, name: str) -> Figure:
    """name: the figure's own. The strings' statuses are those that they have now."""
    arrays, record = run.load_plane(plane)
    record, metric = _now(run, record), record.metric

    def plot(axes: Any) -> None:
        draw_loss(axes, arrays, record.level, metric)
        if record.kind == "trajectory":
            draw_trajectories(axes, arrays, record)
        else:
            _draw(axes, arrays, record)
        axes.set_xlim(arrays["x"][[0, -1]])
        axes.set_ylim(arrays["y"][[0, -1]])
        axes.set_aspect("equal")

    when = "down to" if record.kind == "trajectory" else "at"
    said = f"{metric} on the plane {_of(record)} {when} level {record.level:g}"
    facts = trajectory_facts(record) if record.kind == "trajectory" else _facts(record)
    caption = f"{said}. {LEGEND}{facts}{_outside(arrays)}"
    rows = [*_grid(arrays), *_marks(arrays, record), *trajectory_rows(arrays, record)]
    return Figure(name, said, caption, plot, [dict.fromkeys(COLUMNS) | row for row in rows])


def _now(run: Run, record: PlaneRecord) -> PlaneRecord:
    """The record, with what `lscape verify` may have downgraded since."""
    now = {(row.set, row.level, row.a, row.b): row.status for row in run.rows()}
    strings = [
        replace(one, status=now.get((one.set, record.level, one.a, one.b), one.status))
        for one in record.strings
    ]
    return replace(record, strings=strings)


def _of(record: PlaneRecord) -> str:
    models = ", ".join(map(str, record.models))
    return {
        "models": f"through models {models}",
        "pair": f"through models {models} and the highest point of their string off their line",
        "random": f"of two filter-normalised random directions around model {models}",
        "trajectory": "of the principal axes of training",
    }[record.kind]


def _facts(record: PlaneRecord) -> str:
    """How far the strings leave the plane, without which their picture misleads; what is a filter
    of random directions."""
    said = ""
    for one in record.strings:
        said += (
            f" String {one.a}-{one.b} ({one.set}, {one.status}) leaves the plane by at "
            f"most {one.distance:.3g}, {one.distance / one.chord:.2g} of its chord, at "
            f"{one.distance_at:.2f} of its length."
        )
    if record.strings:
        said += " The colours under a string are the plane's loss, not the string's."
    if record.kind == "random" and record.filters is None:
        said += (
            " An older lscape drew it and took the last axis of every array for the filters, which "
            "is wrong for PyTorch's: draw it again."
        )
    return said


def _outside(arrays: Any) -> str:
    """How many of the beads, models and snapshots are not in the picture."""
    drawn = [part[:, :2] for name, part in arrays.items() if part.ndim == 2 and name != "loss"]
    low, high = (np.array([arrays["x"][end], arrays["y"][end]]) for end in (0, -1))
    count = sum(int((((at < low) | (at > high)).any(1)).sum()) for at in drawn)
    return f" {count} of the points drawn are outside its range." if count else ""


def _grid(arrays: Any) -> list[dict[str, Any]]:
    return [
        {"what": "grid", "x": float(x), "y": float(y), "loss": float(loss)}
        for y, row in zip(arrays["y"], arrays["loss"], strict=True)
        for x, loss in zip(arrays["x"], row, strict=True)
    ]


def _marks(arrays: Any, record: PlaneRecord) -> list[dict[str, Any]]:
    """Models and beads; distance is from the plane."""
    rows = []
    if "models" in arrays:
        for model, (x, y) in zip(record.models, arrays["models"].tolist(), strict=True):
            rows.append({"what": f"model {model}", "x": x, "y": y})
    for number, one in enumerate(record.strings):
        for x, y, fraction, distance in arrays[f"string.{number}"].tolist():
            at = {"x": x, "y": y, "fraction": fraction, "distance": distance}
            rows.append({"what": f"string {one.a}-{one.b}"} | at)
    return rows


def draw_loss(axes: Any, arrays: Any, level: float, metric: str) -> None:
    """The loss in colours, and the level as a line."""
    loss = np.ma.masked_invalid(arrays["loss"])
    low, high = float(loss.min()), float(loss.max())
    if low > 0:
        high = min(high, HIGHEST * low)
    scale: Any = LogNorm(low, high) if 0 < low < high else Normalize(low, high)
    between = np.geomspace if isinstance(scale, LogNorm) else np.linspace
    if low < high:
        shades = between(low, high, SHADES)
        colours = matplotlib.colormaps["viridis"]
        filled = axes.contourf(arrays["x"], arrays["y"], loss, shades, norm=scale, cmap=colours)
        filled.set_edgecolor("face")  # or viewers show seams
        tall = float(np.ptp(arrays["y"]) / np.ptp(arrays["x"]))
        bar = axes.figure.colorbar(filled, ax=axes, label=metric, shrink=min(1.0, 1.3 * tall))
        bar.ax.minorticks_off()
        ticks = level_ticks(low, high, isinstance(scale, LogNorm))
        bar.set_ticks(ticks, labels=[f"{tick:.3g}" for tick in ticks])
    if low < level < float(loss.max()):
        line = axes.contour(
            arrays["x"], arrays["y"], loss, [level], colors="#000000", linewidths=1.2
        )
        line.set_path_effects(OUTLINE)


def _draw(axes: Any, arrays: Any, record: PlaneRecord) -> None:
    """Strings and models."""
    for number, one in enumerate(record.strings):
        axes.plot(
            *arrays[f"string.{number}"][:, :2].T, color="#d55e00", marker=".", ms=4, lw=1.5,
            ls="-" if one.status == "CONNECTED" else "--", path_effects=OUTLINE,
        )  # fmt: skip
    for model, (x, y) in zip(record.models, arrays["models"], strict=True):
        axes.plot(x, y, "s", color="#000000", mec="#ffffff", ms=6)
        axes.annotate(
            str(model), (x, y), (5, 5), textcoords="offset points", color="#000000",
            path_effects=OUTLINE, annotation_clip=True,
        )  # fmt: skip
    if record.kind == "random":
        axes.set_xlabel("first direction")
        axes.set_ylabel("second direction")
    else:
        axes.set_xlabel("distance in parameter space")
        axes.set_ylabel("distance in parameter space")
