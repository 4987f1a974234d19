"""The two claims of the talk, put to a report's rows and said in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from landscape.analysis.best_known import BestKnown
from landscape.analysis.claims import SHAPES, Tried, Value, connectedness, growth, independent_pairs
from landscape.analysis.summary import CONNECTED, UNREACHED
from landscape.report.data.known import Known
from landscape.store.records.strings import StringRecord

RULE = (
    "The claims are those of J. Bruna's talk, and the rules are written in "
    "landscape/analysis/claims.py. "
    "Connected: supported where all pairs are connected at every level tried, directly or by a "
    "chain of certified paths, and the 95 % interval of the share, counted in independent pairs, "
    "excludes one half; not supported where it lies below 90 % even if the pairs that were not "
    "searched are connected. Curvier: four shapes (constant, exponential, power law, saturating) "
    "are fitted to the logarithm of the mean at each level, and compared by their error at a level "
    "that was left out; intervals and shares are of resamples of whole models, in which the "
    "lengths move by the method error. They are of the best known paths; not told where methods "
    "disagree by more than the effect, or one method alone has most of the paths. A search that "
    "failed shows nothing; what it could change is the bound."
)
LENGTH, CURVATURE = "best known length − 1", "total curvature"


def claims_of(known: Sequence[Known], topology: dict[str, Any]) -> list[dict[str, Any]]:
    """A record a question that sets ask alike: {method, set, connected, curvier, sentences}.

    connected: `connectedness` of the pairs whose models both reached the level, connected by the
    certified paths of any search of the run, of lower levels too where the models' own paths carry
    them (`landscape.topology.components`); curvier: {measure: `growth`} of the shortest paths
    known, and of the shortest shortened ones at the levels where there is one for all that are
    known.
    """
    return [_claims(one, topology) for one in known]


def _claims(known: Known, topology: dict[str, Any]) -> dict[str, Any]:
    own = [row for row in known.rows if row.status != UNREACHED]
    tried = [Tried(row.a, row.b, row.level, row.status == CONNECTED) for row in own]
    connected = connectedness(tried + _carried(own, topology))
    curvier = {measure: growth(values) for measure, values in _measured(own, known.best).items()}
    sentences = [_connected(connected, own)]
    sentences += [_curvier(measure, found) for measure, found in curvier.items()]
    return {**known.names, "connected": connected, "curvier": curvier, "sentences": sentences}


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


def _measured(rows: Sequence[StringRecord], best: Sequence[BestKnown]) -> dict[str, list[Value]]:
    apart = {(row.a, row.b, row.level) for row in rows if row.chord != 0}
    found = [one for one in best if (one.a, one.b, one.level) in apart]
    failed = apart - {(one.a, one.b, one.level) for one in found}
    lost = [Value(*place, None, None) for place in sorted(failed)]
    lengths = [Value(o.a, o.b, o.level, max(o.normalized - 1, 0.0), o.error) for o in found]
    measured = {LENGTH: lost + lengths}
    turned = [(one, one.of_shortened("total_curvature")) for one in found]
    missing = {one.level for one, of in turned if of is None}  # a part of them could mislead
    values = [
        Value(one.a, one.b, one.level, of[0], 0.0 if one.is_straight else of[1])
        for one, of in turned
        if of and one.level not in missing
    ]
    if values:
        measured[CURVATURE] = [one for one in lost if one.level not in missing] + values
    return measured


def _connected(found: dict[str, Any], rows: Sequence[StringRecord]) -> str:
    said = f"Level sets stay connected: {found['verdict']}. "
    levels = found["levels"]
    if not levels:
        return f"{said}{_capital(found['reason'])}."
    lowest, least = levels[-1], min(levels, key=lambda level: level["interval"][0])
    said += f"{_capital(found['reason'])}; at the lowest level, {lowest['level']:g}, "
    said += f"{lowest['connected']} of {lowest['pairs']} pairs were connected"
    at_lowest = [r for r in rows if r.level == lowest["level"] and r.status == CONNECTED]
    own = len({(row.a, row.b) for row in at_lowest})
    if own < lowest["connected"]:
        said += f", {own} by a search of their own, the others through more certified paths"
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
        f"{_capital(found['reason'])}; "
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
