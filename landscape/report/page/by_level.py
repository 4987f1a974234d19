"""What the page's parts on measures share: tables by level, and figures against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from landscape.report.data.measured import EIGENVALUES, MeasuredString
from landscape.report.data.wording import eigenvalue, method_error, number, series
from landscape.report.figures import style
from landscape.report.figures.style import Figure
from landscape.report.page import html

Records = Sequence[dict[str, Any]]
Kept = Mapping[str, Sequence[MeasuredString]]  # by run
Column = Callable[[dict[str, Any]], str]


def mean(key: str) -> Column:
    """A mean, and of how many strings it is where it is not of all that were measured."""

    def said(record: dict[str, Any]) -> str:
        if key in EIGENVALUES:
            return eigenvalue(record[key], record["measured"])
        count = record[key]["n"]
        return number(record[key]) + f" (of {count})" * (0 < count < record["measured"])

    return said


def error(key: str) -> Column:
    """The method error of a mean."""
    return lambda record: method_error(record[key]["method_error"])


def some(records: Records, key: str) -> bool:
    return any(record[key]["mean"] is not None for record in records)


def are_shortened(strings: Records) -> bool:
    return any(record["shortened"] for record in strings)


def by_level(strings: Records, columns: Mapping[str, Column]) -> str:
    """A table of a line a set and level, with how many of the pairs are in its means."""
    head = ["search", "level", "measured of connected", *columns]
    rows = (
        [
            series(record, strings), f"{record['level']:g}", measured_of(record),
            *(of(record) for of in columns.values()),
        ]
        for record in strings
    )  # fmt: skip
    return html.table(head, rows)


def against(
    key: str,
    title: str,
    caption: str,
    strings: Records,
    kept: Kept,
    metric: str,
    logarithmic: bool = False,
) -> Figure:
    """Means against the level; of strings that were shortened, those before it beside them."""
    before = f"{key}_found" if are_shortened(strings) and f"{key}_found" in strings[0] else ""

    def pairs(level: dict[str, Any]) -> list[float]:
        at = level["set"], level["level"]
        own = [s for s in kept[level["run"]] if (s.record.set, s.record.level) == at]
        return [value for value in (string.number(key) for string in own) if value is not None]

    def plot(axes: Axes) -> None:
        style.against_level(axes, strings, key, metric, pairs, before)
        if logarithmic and any((level[key]["mean"] or 0) > 0 for level in strings):
            style.log_values(axes)
        axes.set_ylabel(title)

    def line(level: dict[str, Any]) -> dict[str, Any]:
        where = ("run", "set", "level", "measured", "connected", "pairs", "converged")
        found = {name: level[name] for name in where}
        for name, prefix in ((key, ""), (before, "found_")):
            if name:
                found |= {prefix + part: level[name][part] for part in ("mean", "se", "n")}
        return found | style.error_cells(level[key])

    means = ", ".join(f"{number(level[key])} at {level['level']:g}" for level in strings)
    caption += ". Open markers: before shortening; filled: after." if before else "."
    caption += f" {style.BARS}" * ("method_error" in strings[0][key])
    label = f"{title} against level: {means}"
    return Figure(key.replace("_", "-"), label, caption, plot, [line(at) for at in strings])


def sets(strings: Records, kept: Kept) -> Iterator[tuple[str, str, Records, list[MeasuredString]]]:
    """(a suffix for names, a title, the levels' records, the strings) of every set."""
    for run, name in dict.fromkeys((record["run"], record["set"]) for record in strings):
        levels = [record for record in strings if (record["run"], record["set"]) == (run, name)]
        own = [string for string in kept[run] if string.record.set == name]
        several = len(kept) > 1
        yield f"-{name}-{run}" if several else f"-{name}", series(levels[0], strings), levels, own


def measured_of(record: dict[str, Any]) -> str:
    return f"{record['measured']} of {record['connected']}/{record['pairs']}"
