"""The best known paths against the level, with their sampling and method errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from landscape.report.data.known_said import is_above_chord
from landscape.report.data.wording import method_error, number
from landscape.report.figures import style
from landscape.report.figures.style import Figure

Records = Sequence[dict[str, Any]]


def known_figures(records: Records, metric: str) -> list[Figure]:
    """Of the lengths and of the total curvature, where any path is known."""
    some = [record for record in records if record["known"]]
    turned = [record for record in some if record["total_curvature"]["n"]]
    found = []
    if some:
        caption = "Length of the best known paths over the distance of their ends, mean over pairs."
        caption += f" {style.BARS} Open: as the searches left them. Dashed: no path is shorter."
        found.append(_figure("length", "best known length", caption, some, metric, 1.0))
    if turned:
        caption = "Total curvature of the shortest shortened paths, mean over pairs."
        title = "total curvature, radians"
        found.append(
            _figure("total_curvature", title, f"{caption} {style.BARS}", turned, metric, 0.0)
        )
    return found


def _figure(
    key: str, title: str, caption: str, records: Records, metric: str, least: float
) -> Figure:
    """Means against the level; least: no path has less."""

    def plot(axes: Axes) -> None:
        axes.axhline(least, color=style.INK, lw=0.8, ls="--")
        for place, (name, own) in enumerate(style.by_series(records).items()):
            look = style.look(place)
            levels, means = ([of(one) for one in own] for of in (_level, lambda o: o[key]["mean"]))
            if key == "length":
                bounded = [one for one in own if is_above_chord(one)]
                bounds = [one["lower_bound"]["mean"] for one in bounded]
                axes.plot(
                    [_level(one) for one in bounded], bounds, color=style.INK, lw=0.8, ls="--",
                    marker="_",
                )  # fmt: skip
                left = [one for one in own if one["found"]["n"]]
                axes.plot(
                    [_level(one) for one in left], [one["found"]["mean"] for one in left],
                    lw=0.8, label="as found", **look | {"ls": ":", "mfc": "none"},
                )  # fmt: skip
            for one in own:
                style.method_bar(axes, one["level"], one[key], look["color"], least)
            errors = [one[key]["se"] or 0 for one in own]
            axes.errorbar(levels, means, errors, capsize=3, label=name, **look)
        style.level_axis(axes, records, metric)
        axes.set_ylabel(title)
        style.legend(axes)

    def line(record: dict[str, Any]) -> dict[str, Any]:
        found = {name: record[name] for name in ("run", "set", "level", "pairs", "known")}
        found |= {part: record[key][part] for part in ("mean", "se", "n")}
        return found | style.error_cells(record[key])

    said = ". ".join(
        f"{number(one[key])} at {one['level']:g}, method error "
        + method_error(one[key]["method_error"])
        for one in records
    )
    label = f"{title[0].upper()}{title[1:]} against level: {said}"
    name = {"length": "best-known", "total_curvature": "best-known-curvature"}[key]
    return Figure(name, label, caption, plot, [line(one) for one in records])


def _level(record: dict[str, Any]) -> float:
    return record["level"]
