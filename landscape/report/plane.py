"""The picture of a plane: the loss in colours, the level as a line, models and strings on it."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.colors import LogNorm, Normalize

from landscape.files import write_bytes
from landscape.report.figures import Figure, level_ticks
from landscape.runs import Run

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
    record, metric = _now(run, record), record["metric"]
    strings = [arrays[f"string.{number}"] for number in range(len(record["strings"]))]

    def plot(axes: Any) -> None:
        _draw(axes, arrays, record, strings, metric)

    said = f"{metric} on the plane {_of(record)} at level {record['level']:g}"
    return Figure(name, said, f"{said}. {_left(record)}", plot, _table(arrays, record, strings))


def _now(run: Run, record: dict[str, Any]) -> dict[str, Any]:
    """The record, with what `lscape verify` may have downgraded since."""
    keys = ("set", "level", "a", "b")
    now = {tuple(row[key] for key in keys): row["status"] for row in run.rows()}
    strings = [
        one | {"status": now.get((one["set"], record["level"], one["a"], one["b"]), one["status"])}
        for one in record["strings"]
    ]
    return record | {"strings": strings}


def _of(record: dict[str, Any]) -> str:
    models = ", ".join(map(str, record["models"]))
    return {
        "models": f"through models {models}",
        "pair": f"through models {models} and the highest point of their string off their line",
        "random": f"of two filter-normalised random directions around model {models}",
    }[record["kind"]]


def _left(record: dict[str, Any]) -> str:
    """How far the strings leave the plane, without which their picture misleads."""
    said = "The black line is the level; white is above the scale or not finite."
    for one in record["strings"]:
        said += (
            f" String {one['a']}-{one['b']} ({one['set']}, {one['status']}) leaves the plane by at "
            f"most {one['distance']:.3g}, {one['distance'] / one['chord']:.2g} of its chord, at "
            f"{one['distance_at']:.2f} of its length."
        )
    if record["strings"]:
        said += " The colours under a string are the plane's loss, not the string's."
    return said


def _table(arrays: Any, record: dict[str, Any], strings: list[np.ndarray]) -> list[dict[str, Any]]:
    """Grid points, models and beads, `what` says which; distance is from the plane."""
    empty = dict.fromkeys(("what", "x", "y", "loss", "fraction", "distance"))
    table = [
        empty | {"what": "grid", "x": float(x), "y": float(y), "loss": float(loss)}
        for y, row in zip(arrays["y"], arrays["loss"], strict=True)
        for x, loss in zip(arrays["x"], row, strict=True)
    ]
    for model, (x, y) in zip(record["models"], arrays["models"].tolist(), strict=True):
        table.append(empty | {"what": f"model {model}", "x": x, "y": y})
    for one, string in zip(record["strings"], strings, strict=True):
        for x, y, fraction, distance in string.tolist():
            at = {"x": x, "y": y, "fraction": fraction, "distance": distance}
            table.append(empty | {"what": f"string {one['a']}-{one['b']}"} | at)
    return table


def _draw(
    axes: Any, arrays: Any, record: dict[str, Any], strings: list[np.ndarray], metric: str
) -> None:
    outline = [patheffects.withStroke(linewidth=3, foreground="#ffffff")]
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
    if low < record["level"] < float(loss.max()):
        line = axes.contour(
            arrays["x"], arrays["y"], loss, [record["level"]], colors="#000000", linewidths=1.2
        )
        line.set_path_effects(outline)
    for string, one in zip(strings, record["strings"], strict=True):
        axes.plot(
            *string[:, :2].T, color="#d55e00", marker=".", ms=4, lw=1.5, path_effects=outline,
            ls="-" if one["status"] == "CONNECTED" else "--",
        )  # fmt: skip
    for model, (x, y) in zip(record["models"], arrays["models"], strict=True):
        axes.plot(x, y, "s", color="#000000", mec="#ffffff", ms=6)
        axes.annotate(
            str(model), (x, y), (5, 5), textcoords="offset points", color="#000000",
            path_effects=outline,
        )  # fmt: skip
    if record["kind"] == "random":
        axes.set_xlabel("first direction")
        axes.set_ylabel("second direction")
    else:
        axes.set_xlabel("distance in parameter space")
        axes.set_ylabel("distance in parameter space")
    axes.set_aspect("equal")
