"""The two claims of the talk, put to a report's rows and said in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from landscape.analysis.claims import SHAPES, Tried, Value, connectedness, growth, independent_pairs
from landscape.analysis.summary import CONNECTED, UNREACHED
from landscape.store.records.measures import OFF, StringMeasure
from landscape.store.records.strings import StringRecord

RULE = (
    "The claims are those of J. Bruna's talk, and the rules are written in "
    "landscape/analysis/claims.py. "
    "Connected: supported where all pairs are connected at every level tried, directly or by a "
    "chain of certified paths, and the 95 % interval of the share, counted in independent pairs, "
    "excludes one half; not supported where it lies below 90 % even if the pairs that were not "
    "searched are connected. Curvier: four shapes (constant, exponential, power law, saturating) "
    "are fitted to the logarithm of the mean at each level, and compared by their error at a level "
    "that was left out; intervals and shares are of resamples of whole models. A search that "
    "failed shows nothing; what it could change is the bound."
)


def claims_of(
    rows: Sequence[StringRecord], measures: Sequence[StringMeasure], topology: dict[str, Any]
) -> list[dict[str, Any]]:
    """A record a set: {method, set, connected, curvier, sentences}.

    connected: `connectedness` of the pairs whose models both reached the level, connected by the
    certified paths of any search of the run, of lower levels too where the models' own paths carry
    them (`landscape.topology.components`); curvier: {measure: `growth`}, also of the measured
    strings, at the levels where all that are connected were measured.
    """
    ordered = sorted(rows, key=lambda row: row.set)
    found = []
    for name, group in groupby(ordered, key=lambda row: row.set):
        own = [row for row in group if row.status != UNREACHED]
        connected = connectedness(
            [Tried(row.a, row.b, row.level, row.status == CONNECTED) for row in own]
            + _carried(own, topology)
        )
        mine = [record for record in measures if record.set == name]
        curvier = {measure: growth(values) for measure, values in _measured(own, mine).items()}
        method = next(row.method for row in rows if row.set == name)
        sentences = [_connected(connected, own)]
        sentences += [_curvier(measure, found) for measure, found in curvier.items()]
        found.append(
            {"method": method, "set": name, "connected": connected, "curvier": curvier}
            | {"sentences": sentences}
        )
    return found


def _carried(rows: Sequence[StringRecord], topology: dict[str, Any]) -> list[Tried]:
    """The components of the levels of these rows, as chains of connected models."""
    limits = {(row.level, row.limit) for row in rows}
    return [
        Tried(a, b, level["level"], True)
        for level in topology["levels"]
        if (level["level"], level["limit"]) in limits
        for part in level["components"]
        for a, b in pairwise(part)
    ]


def _measured(
    rows: Sequence[StringRecord], measures: Sequence[StringMeasure]
) -> dict[str, list[Value]]:
    def values(key: str, less: float = 0.0) -> list[Value]:
        return [
            Value(row.a, row.b, row.level,
                  getattr(row, key) - less if row.status == CONNECTED else None)
            for row in rows
            if row.status != CONNECTED or getattr(row, key) is not None
        ]  # fmt: skip

    def shortened(key: str, less: float = 0.0) -> list[Value]:
        every = [((m.a, m.b, m.level), getattr(m, key)) for m in measures]
        beside = {pair: value for pair, value in every if value is not None}
        apart = [row for row in rows if row.status == CONNECTED and row.chord != 0]
        pairs = [(row.a, row.b, row.level) for row in apart]
        missing = {pair[2] for pair in pairs if pair not in beside}  # a part of them could mislead
        found = [v for v in values("beads") if v.value is None and v.level not in missing]
        return found + [Value(*p, beside[p] - less) for p in pairs if p[2] not in missing]

    found = {"normalised length − 1": values("normalized_length", 1.0), "beads": values("beads")}
    if any(record.shortening != OFF for record in measures):
        found["shortened length − 1"] = shortened("normalized_length", 1.0)
    if measures:
        found["total curvature"] = shortened("total_curvature")
    return found


def _connected(found: dict[str, Any], rows: Sequence[StringRecord]) -> str:
    said = f"Level sets stay connected: {found['verdict']}. "
    levels = found["levels"]
    if not levels:
        return f"{said}{_capital(found['reason'])}."
    lowest, least = levels[-1], min(levels, key=lambda level: level["interval"][0])
    said += f"{_capital(found['reason'])}; at the lowest level, {lowest['level']:g}, "
    said += f"{lowest['connected']} of {lowest['pairs']} pairs were connected"
    own = [r for r in rows if r.level == lowest["level"] and r.status == CONNECTED]
    if len(own) < lowest["connected"]:
        said += f", {len(own)} by this search itself, the others through more certified paths"
    missing = lowest["pairs"] - lowest["connected"] - lowest["failed"]
    if missing:
        said += f"; of the rest, {lowest['failed']} searched in vain and {missing} not at all"
    said += ". "
    low, high = (f"{100 * end:.0f}" for end in least["interval"])
    return said + (
        f"The share among all such networks may be {low} to {high} % at {least['level']:g}, "
        f"counted in {independent_pairs(least['independent'])} of {least['models']} models."
    )


def _curvier(measure: str, found: dict[str, Any]) -> str:
    said = f"{_capital(measure)}, exponential in the level: {found['verdict']}. "
    if not found["shapes"]:
        return f"{said}{_capital(found['reason'])}."
    levels, factor = found["levels"], found["factor"]
    said += (
        f"From {levels[0]:g} to {levels[-1]:g} it changed by a factor of {interval(factor)}. "
        f"{_capital(found['reason'])} of the {found['resampled']}; "
    )
    errors = {shape: f"{100 * record['error']:.3g} %" for shape, record in found["shapes"].items()}
    if found["best"] == "exponential":
        others = [shape for shape in SHAPES if shape != "exponential"]
        second = min(others, key=lambda shape: found["shapes"][shape]["error"])
        said += f"it predicts a level that was left out to {errors['exponential']}, the next best "
        said += f"({second}) to {errors[second]}."
    else:
        said += f"the best shape ({found['best']}) predicts a level that was left out to "
        said += f"{errors[found['best']]}, the exponential to {errors['exponential']}."
    if found["failed"]:
        bound = found["bound"]
        said += f" {found['failed']} searches failed; with these counted as worse than the worst, "
        said += f"by a factor of {interval(bound['factor'])}: {bound['verdict']}."
    return said


def interval(value: dict[str, Any]) -> str:
    low, high = value["interval"]
    return f"{value['value']:.3g} [{low:.3g}, {high:.3g}]"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
