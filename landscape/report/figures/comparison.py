"""How low each method's paths were at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from landscape.report.data.wording import number
from landscape.report.figures import style
from landscape.report.figures.style import Figure
from landscape.store.comparisons import comparison_folder
from landscape.store.files import write_bytes
from landscape.store.run import Run

Records = Sequence[dict[str, Any]]

CAPTION = (
    "The least certified bound on the loss along a path, against what its search had cost, mean "
    "over pairs with its standard error; dashed: the limit. A method without a path to show before "
    "its end is drawn as it began until then."
)


def comparison_figures(records: Records, metric: str, prefix: str = "") -> list[Figure]:
    """A figure a comparison and level; prefix: of their names."""
    places = dict.fromkeys((one["comparison"], one["level"]) for one in records)
    return [
        _figure(
            f"{prefix}compared-{name}-{level:g}",
            [one for one in records if (one["comparison"], one["level"]) == (name, level)],
            metric,
        )
        for name, level in places
    ]


def write_figures(run: Run, records: Records) -> list[Path]:
    """Write the figures of a comparison beside its record: as SVG, PDF and their numbers as CSV.
    Returns the SVGs. Raises OSError."""
    written = []
    for figure in comparison_figures(records, run.config()["levels"]["metric"]):
        for name, content in figure.files.items():
            write_bytes(comparison_folder(run) / name, content)
        written.append(comparison_folder(run) / f"{figure.name}.svg")
    return written


def _figure(name: str, records: Records, metric: str) -> Figure:
    level, limit = records[0]["level"], records[0]["limit"]
    some = [one for one in records if one["anytime"]]

    def plot(axes: Axes) -> None:
        axes.axhline(limit, color=style.INK, lw=0.8, ls="--")
        for place, one in enumerate(some):
            known = [at for at in one["anytime"] if at["mean"] is not None]
            costs, means, errors = (
                [at[key] or 0 for at in known] for key in ("cost", "mean", "se")
            )
            look = style.look(place) | {"marker": ""}
            axes.plot(costs, means, label=one["search"], **look)
            low = [mean - error for mean, error in zip(means, errors, strict=True)]
            high = [mean + error for mean, error in zip(means, errors, strict=True)]
            axes.fill_between(costs, low, high, color=look["color"], alpha=0.15, lw=0)
        axes.set_xscale("log")
        if limit > 0:
            axes.set_yscale("log")
        for axis in [axes.xaxis, axes.yaxis][: 1 + (limit > 0)]:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
        axes.set_xlabel("gradients, a loss as a third of one")
        axes.set_ylabel(f"lowest maximum of {metric}")
        style.legend(axes)

    said = "; ".join(f"{one['search']} {number(one['lowest'])}" for one in records)
    table = [
        {"set": one["set"], "level": level} | {k: at[k] for k in ("cost", "mean", "se", "n")}
        for one in some
        for at in one["anytime"]
    ]
    label = f"Lowest maximum against cost at level {level:g}. At the end: {said}"
    return Figure(name, label, f"Level {level:g}. {CAPTION}", plot, table, size=(5.6, 3.8))
