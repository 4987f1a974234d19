"""What the experiments' findings are made of: panels, counts and numbers in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from landscape.report.data.series import Record
from landscape.report.data.wording import number
from landscape.report.figures import style

TINY = 1e-4  # of E|Y|² = 1


class Finding(NamedTuple):
    """sentences, of each the first is the finding; figure: an axes that is replaced by panels →
    None, with its size in inches and caption."""

    sentences: list[str]
    plot: Callable[[Axes], None]
    size: tuple[float, float]
    caption: str


def panels(axes: Axes, count: int, **settings: Any) -> list[Axes]:
    """Panels beside one another, instead of one axes."""
    figure: Any = axes.figure
    axes.remove()
    return list(figure.subplots(1, count, squeeze=False, **settings)[0])


def chosen(records: Iterable[Record], **values: Any) -> list[Record]:
    """The records of some swept values, keys without their section: hidden=[8]."""
    return [r for r in records if all(valued(r, key) == one for key, one in values.items())]


def valued(record: Record, key: str) -> Any:
    """The value of a swept key, given without its section; None where it is not swept."""
    found = {name.rpartition(".")[2]: value for name, value in record["values"].items()}
    return found.get(key)


def values_of(records: Iterable[Record], key: str) -> list[Any]:
    """A swept key's values, in order, without repetition."""
    found = []
    for record in records:
        if valued(record, key) not in found:
            found.append(valued(record, key))
    return found


def under(known: Sequence[Record]) -> str:
    """How many strings between a wall's two sides are below it, of what `apart` says of records;
    and by how much the lowest path is, beside its resolution."""
    across, below, joined = (sum(one[k] for one in known) for k in ("pairs", "below", "connected"))
    said = f"none of {across} strings between its two sides is below it"
    if below:
        said = f"of {across} strings between its two sides {below} are below it as sampled, "
        said += f"{joined} of which were found connected"
    worst = max(known, key=lambda one: one["shortfall"])
    if worst["shortfall"]:
        said += f". The lowest path, lowered or not, falls short of it by {worst['shortfall']:.1e}"
        said += f", sampled at steps of t of at most {number(worst['resolution'])}"
    return said


def counted(records: Sequence[Record]) -> str:
    """12, 11 and 1 of 12: of the pairs tried, those that a path was found for."""
    return counts([(record["connected"], record["tried"]) for record in records])


def counts(found: Sequence[tuple[int, int]]) -> str:
    """`part of whole` for each, the whole said once where it is one."""
    wholes = {whole for _, whole in found}
    if len(wholes) == 1:
        parts = {part for part, _ in found}
        same = len(parts) == 1 and len(found) > 1
        shown = f"{found[0][0]}" if same else listed([str(part) for part, _ in found])
        return f"{shown} of {wholes.pop()}"
    return listed([f"{part} of {whole}" for part, whole in found])


def listed(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def numbers(values: Iterable[float]) -> str:
    return listed([f"{value:g}" for value in values])


def small(measured: Record) -> str:
    """A mean with its error; of one that is next to nothing only that it is."""
    return f"less than {TINY:g}" if measured["mean"] < TINY else number(measured)


def means(records: Iterable[Record], measure: str) -> list[Record]:
    """The measures of records that have one."""
    found = (record["measures"][measure] for record in records)
    return [one for one in found if one is not None and one["mean"] is not None]


def drawn(
    axes: Axes, places: Sequence[float], measured: Sequence[Record], number: int, label: str,
    **changes: Any,
) -> None:  # fmt: skip
    """Means with their intervals or standard errors against places."""
    heights = [one["mean"] for one in measured]
    reach = np.array([bars(one) for one in measured]).reshape(-1, 2).T
    look = {**style.look(number), **changes}
    axes.errorbar(places, heights, reach, capsize=3, label=label, **look)


def bars(measured: Mapping[str, Any]) -> tuple[float, float]:
    """How far the error bar of a measure reaches down and up."""
    if "interval" in measured:
        low, high = measured["interval"]
        return measured["mean"] - low, high - measured["mean"]
    return measured["se"] or 0.0, measured["se"] or 0.0


def against_levels(axes: Axes, levels: Sequence[float]) -> None:
    """The axis of levels, from high to low."""
    axes.set_xscale("log")
    axes.set_xticks(list(levels), [f"{level:g}" for level in levels])
    axes.xaxis.set_minor_formatter("")
    axes.minorticks_off()
    axes.set_xlim(max(levels) * 1.15, min(levels) / 1.15)
    axes.set_xlabel("level, falling to the right")


def against_widths(axes: Axes, widths: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(list(widths), [f"{width:g}" for width in widths])
    axes.set_xlabel("hidden units m")
