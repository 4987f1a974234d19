"""A sweep's measures as lines against one of the swept keys, and the lines' rates."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from landscape.config.sections import combination_name

SMALL = 1e-5
LEVELLESS = ("gap", "lowered_gap", "final_loss", "poor", "minima")  # measures of no one level

Values = dict[str, Any]
Record = dict[str, Any]


def shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def number_of(value: Any) -> float | None:
    """A number, or the one number of a list, such as the widths of one hidden layer."""
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    return float(value) if type(value) in (int, float) else None


def numeric_keys(over: Mapping[str, Sequence[Any]]) -> list[str]:
    """The keys whose values are all numbers, the longest first."""
    keys = [k for k in over if len(over[k]) > 1 and None not in map(number_of, over[k])]
    return sorted(keys, key=lambda key: -len(over[key]))


def horizontal(report: Record, measure: str) -> str:
    """The key along the horizontal axis: the longest that is numeric; else the level."""
    numeric = numeric_keys(report["over"])
    levels = len({record["level"] for record in at_levels(report, measure)})
    if numeric and (len(report["over"][numeric[0]]) > 2 or levels == 1):
        return numeric[0]
    return "level" if levels > 1 else numeric[0] if numeric else next(iter(report["over"]))


def at_levels(report: Record, measure: str) -> list[Record]:
    """The records that tell a measure: of one that is of no one level, those of the lowest."""
    lowest = min((record["level"] for record in report["records"]), default=None)
    free = measure in LEVELLESS
    return [record for record in report["records"] if not free or record["level"] == lowest]


def place_of(record: Record, key: str, report: Record) -> float:
    if key == "level":
        return record["level"]
    value = number_of(record["values"][key])
    return report["over"][key].index(record["values"][key]) if value is None else value


def lines_of(report: Record, key: str, measure: str) -> dict[str, list[tuple[float, Record]]]:
    records = at_levels(report, measure)
    levels = len({record["level"] for record in records})
    kept = _telling(report, key)
    found: dict[str, list[tuple[float, Record]]] = {}
    for record in records:
        others = {k: record["values"][k] for k in kept}
        if key != "level" and levels > 1:
            others["level"] = record["level"]
        measured = record["measures"][measure]
        if measured is not None and measured["mean"] is not None:
            found.setdefault(combination_name(others), []).append(
                (place_of(record, key, report), measured)
            )
    return {name: sorted(line, key=lambda point: point[0]) for name, line in found.items()}


def _telling(report: Record, apart: str) -> list[str]:
    """The keys that tell lines apart: not those that others determine, as keys that vary together
    can."""
    values = [record["values"] for record in report["records"]]
    kept = [key for key in report["over"] if len(report["over"][key]) > 1 and key != apart]
    for key in reversed(list(kept)):
        others = [apart, *(other for other in kept if other != key)]
        seen = {json.dumps([v.get(other) for other in others]) for v in values}
        with_key = {json.dumps([v.get(other) for other in [*others, key]]) for v in values}
        if len(seen) == len(with_key):
            kept.remove(key)
    return kept


def rates_of(report: Record, measure: str) -> list[Record]:
    """The rates of a measure's lines, {measure, key, line, points, rate, se}."""
    found, key = [], horizontal(report, measure)
    for name, line in lines_of(report, key, measure).items():
        rate = fitted([(at, one["mean"]) for at, one in line])
        if rate:
            about = {"measure": measure, "key": key, "line": name, "points": rate[2]}
            found.append({**about, "rate": rate[0], "se": rate[1]})
    return found


def fitted(points: Sequence[tuple[float, float]]) -> tuple[float, float, int] | None:
    """The slope of the logarithms, its standard error, and of how many points, by least squares;
    what is below SMALL of the highest is rounding. None for fewer than three points."""
    least = SMALL * max((height for _, height in points), default=0)
    kept = [(at, height) for at, height in points if at > 0 and height > max(least, 0)]
    if len(kept) < 3:
        return None
    x, y = np.log(np.array(kept)).T
    slope, offset = np.polyfit(x, y, 1)
    left = np.square(y - slope * x - offset).sum() / (len(x) - 2)
    return float(slope), math.sqrt(left / np.square(x - x.mean()).sum()), len(kept)
