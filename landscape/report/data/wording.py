"""How numbers and findings are put into words, in the terminal and on the page alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from landscape.store.records.base import Record

CLUSTERED = "± is a jackknife over models: pairs that share a model are not independent"
INDEPENDENT = "± is the standard error over connected pairs, which share no model"
NO_ERROR = "no ± where one pair is connected, or one model is in every connected pair"
NOT_FOUND = "a search that fails shows nothing: a longer one may find a path"

MOST_DIGITS = 7  # digits of a mean whose error is smaller still

Level = dict[str, Any]


def number(value: Any, decimals: int | None = None) -> str:
    """A number, or 1.312 ± .041 for a mean with its standard error; – for none."""
    mean, error = (value["mean"], value["se"]) if isinstance(value, dict) else (value, None)
    if mean is None:
        return "–"
    plain = f"{mean:,.{decimals}f}" if decimals is not None else f"{mean:.4g}"
    if error is None or not math.isfinite(error):
        return plain
    if error == 0:
        return f"{plain} ± 0"
    places = max(0, 1 - math.floor(math.log10(error)))
    if places > 7:
        digits = min(max(1, places + 1 + math.floor(math.log10(abs(mean) or error))), MOST_DIGITS)
        return f"{mean:.{digits}g} ± {error:.2g}"
    return f"{mean:.{places}f} ± " + f"{error:.{places}f}".removeprefix("0" if places else "")


def method_error(error: Level) -> str:
    """.012, at most .030 (6 of 8 pairs), of a `method_error_of`; that it is not known, where one
    method alone has paths; – where there are none."""
    if error["mean"] is None:
        return "not known" if error["of"] else "–"
    said, most = small(error["mean"]), small(error["largest"])
    said += f", at most {most}" * (most != said)
    return said + f" ({error['n']} of {error['of']} pairs)" * (error["n"] < error["of"])


def own_error(error: float | None) -> str:
    """The method error of one path."""
    return "not known" if error is None else small(error)


def small(value: float) -> str:
    return "< 0.0001" if 0 < value < 1e-4 else f"{value:.2g}"


def is_resolved(record: Record, key: str) -> bool:
    """Whether an eigenvalue of a record is not None, and its error not above its magnitude."""
    value = getattr(record, key)
    error = getattr(record, "error" if key == "value" else f"{key}_error")
    return value is not None and error <= abs(value)


def eigenvalue(found: Any, of: int) -> str:
    """A mean of eigenvalues, and how many of so many are in it, or are not resolved."""
    counts = [f"of {found['n']}"] * (0 < found["n"] < of)
    counts += [f"{found['unresolved']} not resolved"] * (found["unresolved"] > 0)
    return number(found) + f" ({'; '.join(counts)})" * bool(counts)


def search_of(name: str, align: str | None) -> str:
    """A search's name, and by what it permutes the second ends."""
    return name if align is None else f"{name} (aligned by {align})"


def series(level: Level, levels: Sequence[Level]) -> str:
    """The method; or the set, where the run has two of that method; with the run, of several."""
    keys = "run", "method", "align"
    same = [other for other in levels if all(other.get(key) == level.get(key) for key in keys)]
    name = level["method"] if len({other["set"] for other in same}) == 1 else level["set"]
    name = search_of(name, level.get("align"))
    several = len({other["run"] for other in levels}) > 1
    return f"{level['run']} {name}" if several else name


def not_connected(level: Level) -> str:
    counts = level["statuses"].items()
    return ", ".join(f"{n} {status}" for status, n in counts if status != "CONNECTED")


def compared(record: Level, several: Sequence[Level]) -> list[str]:
    """A row of the table against the published figure."""
    row = [series(record, several), f"{record['level']:g}"]
    row += [f"{record['connected']}/{record['pairs']}"]
    for measure in ("length", "beads"):
        found = record[measure]
        theirs = found["theirs"] and {
            "mean": found["theirs"]["mean"],
            "se": spread(found["theirs"]),
        }
        row += [number(found["ours"])]
        if measure == "length":
            row += [method_error(found["ours"]["method_error"])]
        row += [number(theirs), _signed(found["difference"])]
    return row


COMPARED = (
    "search", "level", "connected", "length", "method error", "published", "Δ", "beads",
    "published", "Δ",
)  # fmt: skip
DIFFERENCE = "Δ is ours less theirs in combined standard errors; their interval is taken as one"


def spread(theirs: dict[str, float]) -> float:
    return (theirs["hi"] - theirs["lo"]) / 2


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"


def errors(means: Sequence[Level]) -> list[str]:
    """Over what the standard errors of means over pairs are."""
    clustered = {mean["clustered"] for mean in means if mean["se"] is not None}
    return [CLUSTERED] * ("model" in clustered) + [INDEPENDENT] * (None in clustered)


def footnotes(levels: Sequence[Level]) -> list[str]:
    means = [level["normalized_length"] for level in levels if level["connected"]]
    notes = errors(means) + [NO_ERROR] * any(mean["se"] is None for mean in means)
    return notes + [NOT_FOUND] * any(level["connected"] < level["pairs"] for level in levels)


def headline(levels: Sequence[Level]) -> str:
    """What of one series was connected, in a sentence or two. Levels from high to low, not none."""
    task, last = levels[0]["task"], levels[-1]
    if all(level["limit"] is None for level in levels):
        return "No pair could be tried: no two models reached a level."
    whole = [level for level in levels if level["connected"] == level["pairs"]]
    tried = {level["pairs"] for level in levels}
    if len(whole) == len(levels) and len(tried) == 1:
        several = "both levels" if len(levels) == 2 else f"all {len(levels)} levels"
        where = f"{last['level']:g}" if len(levels) == 1 else several
        down = "" if len(levels) == 1 else f", from {levels[0]['level']:g} to {last['level']:g}"
        who = f"All {last['pairs']} pairs" if last["pairs"] > 1 else "The one pair"
        verb = "were" if last["pairs"] > 1 else "was"
        said = f"{who} of {task} networks {verb} connected at {where}{down}."
    else:
        said = (
            f"At the lowest level, {last['level']:g}, {last['connected']} of {last['pairs']} pairs "
            f"of {task} networks were connected; at {len(whole)} of {len(levels)} levels all were. "
            "Where no path was found one may still exist."
        )
    return said
