"""The shortest paths that are known, by level, as data and in sentences.

Lengths are the landscape's only as far as methods agree on them: each mean stands beside its
sampling error and its method error.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from landscape.analysis.best_known import BestKnown, Question, best_known, questions
from landscape.analysis.summary import UNREACHED, PairValue, mean_over_pairs
from landscape.report.data.wording import number, search_of
from landscape.store.records.alignments import Align
from landscape.store.records.strings import StringRecord
from landscape.store.run import Run

EVERYTHING = "*"  # all parameters, as globs
CURVATURES = {"total_curvature": "total curvature", "level_curvature_mean": "level-set curvature"}

Record = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """The rows of the sets that ask a question, and the shortest paths known by any set's; align:
    by what the second ends are permuted."""

    question: Question
    rows: list[StringRecord]
    best: list[BestKnown]
    align: Align | None = None

    @property
    def names(self) -> dict[str, str]:
        """Of the sets and of their methods, for a reader."""
        methods = dict.fromkeys(search_of(row.method, row.align) for row in self.rows)
        return {"set": ", ".join(self.question.sets), "method": ", ".join(methods)}


def known_of(run: Run) -> list[Known]:
    """The shortest paths known of a run: one answer for all sets that ask the same. Raises
    RunError."""
    every, measures = run.rows(), run.string_measures()
    found = []
    ways: list[Align | None] = [None, "weights", "activations"]
    for align in ways:
        rows = [row for row in every if row.align == align]
        over = {name: run.length_over(name) for name in dict.fromkeys(row.set for row in rows)}
        for question in questions(rows, over):
            alike = [row for row in rows if over[row.set] == question.over]
            measured = [one for one in measures if over.get(one.set) == question.over]
            # the permutations of two levels are not the same, so that their paths do not join
            joined = question.over == EVERYTHING and align is None
            paths = run.snapshots() if joined else []
            best = best_known(alike, question.limits, measured, paths)
            own = [row for row in rows if row.set in question.sets]
            found.append(Known(question, own, best, align))
    return found


def best_known_of(known: Sequence[Known]) -> list[Record]:
    """A record a question and level, levels from high to low.

    {set, method: the names of all the sets and methods; over, level, limit; pairs: that were tried
    and have ends apart; known: of how many a path is; lower_bound: 1, the chord's; chord; length:
    over the chord; found: the same as the searches left it; total_curvature and
    level_curvature_mean: of the shortest shortened paths, as far as they were measured; both: pairs
    of which two methods have a path; agree: of these, those that differ by at most 2 %; straight:
    paths that are the chord; sources: {method and form: paths}; shortening: {how it ended: paths};
    longer_than_known: [{a, b, method, length, nested}], over the chord: the method's shortest path
    is longer than the one that a lower level has}. A number is a `mean_over_pairs` with its
    method_error {mean, largest, n}: by how much another method's differs; of lengths, over the
    paths that are not straight, which are the shortest there can be.
    """
    return [
        _record(one, level)
        for one in known
        for level in sorted(one.question.limits, reverse=True)
        if _tried(one.rows, level)
    ]


def _tried(rows: Sequence[StringRecord], level: float) -> set[tuple[int, int]]:
    return {
        (row.a, row.b)
        for row in rows
        if row.level == level and row.status != UNREACHED and row.chord != 0
    }


def _record(known: Known, level: float) -> Record:
    best = [one for one in known.best if one.level == level]
    tried = _tried(known.rows, level)
    best = [one for one in best if (one.a, one.b) in tried]
    bent = [one for one in best if not one.is_straight] or best  # what a method can have wrong
    ended = [
        "straight"
        if one.is_straight
        else one.shortened[one.method].shortening
        if one.form == "shortened"
        else "not shortened"
        for one in best
    ]
    return {
        **known.names,
        "over": known.question.over,
        "level": level,
        "limit": known.question.limits[level],
        "pairs": len(tried),
        "known": len(best),
        "lower_bound": 1.0,
        "chord": mean_over_pairs(PairValue(one.a, one.b, one.chord) for one in best),
        "length": _mean(
            best, [(one.normalized, one.error if one in bent else None) for one in best]
        ),
        "found": mean_over_pairs(
            PairValue(one.a, one.b, None if one.found is None else one.found / one.chord)
            for one in best
        ),
        **{key: _mean(best, [one.of_shortened(key) for one in best]) for key in CURVATURES},
        "both": sum(one.agrees is not None for one in best),
        "agree": sum(one.agrees is True for one in best),
        "straight": sum(one.is_straight for one in best),
        "sources": dict(Counter(map(_source, best)).most_common()),
        "shortening": dict(Counter(ended).most_common()),
        "longer_than_known": [
            {"a": one.a, "b": one.b, "method": name, "length": length / one.chord}
            | {"nested": (one.nested or math.nan) / one.chord}
            for one in best
            for name, length in one.missed.items()
        ],
    }


def _source(one: BestKnown) -> str:
    return f"extended from {one.below:g}" if one.below is not None else f"{one.method} {one.form}"


def _mean(
    best: Sequence[BestKnown], numbers: Sequence[tuple[float, float | None] | None]
) -> Record:
    """A mean with its sampling error, and the method error."""
    pairs = zip(best, numbers, strict=True)
    mean = mean_over_pairs(PairValue(one.a, one.b, of[0] if of else None) for one, of in pairs)
    errors = [of[1] for of in numbers if of is not None and of[1] is not None]
    average = math.fsum(errors) / len(errors) if errors else None
    error = {"mean": average, "largest": max(errors, default=None), "n": len(errors)}
    return {**mean, "method_error": error}


# -- in words --------------------------------------------------------------------------------------

COLUMNS = (
    "level", "pairs", "best known length", "method error", "agree within 2 %",
    "as found", "best from", "shortening",
)  # fmt: skip
CURVATURE_COLUMNS = (
    "level", "pairs", "total curvature", "method error", "level-set curvature", "method error",
)  # fmt: skip
WHAT = (
    "Best known: the shortest certified path of any method, as found or shortened, or of a lower "
    "level with the models' own paths at its ends, over the distance of the ends; the mean over "
    "pairs ± its sampling error. It is an upper bound; the lower bound is 1, a straight line. "
    "Method error: by how much the next method's shortest path is longer, the mean over the pairs "
    "of which two methods have one."
)


def method_error(error: Record, of: int) -> str:
    """.012, at most .030 (6 of 8 pairs); that it is not known, where one method alone has paths."""
    if error["mean"] is None:
        return "not known"
    said, most = _small(error["mean"]), _small(error["largest"])
    said += f", at most {most}" * (most != said)
    return said + f" ({error['n']} of {of} pairs)" * (error["n"] < of)


def _bent(record: Record) -> int:
    """Of how many pairs a method error can be known: straight paths, if not all are, have none."""
    return record["known"] - record["straight"] or record["known"]


def _small(value: float) -> str:
    return "< 0.0001" if 0 < value < 1e-4 else f"{value:.2g}"


def row_of(record: Record) -> list[str]:
    """A row of the table of lengths, by COLUMNS."""
    both = record["both"]
    return [
        f"{record['level']:g}",
        f"{record['known']}/{record['pairs']}",
        number(record["length"]),
        method_error(record["length"]["method_error"], _bent(record)) if record["known"] else "–",
        f"{record['agree']} of {both}" if both else "–",
        number(record["found"]),
        counts(record["sources"]),
        counts(record["shortening"]),
    ]


def curvature_row_of(record: Record) -> list[str]:
    """A row of the table of curvatures, by CURVATURE_COLUMNS."""
    row = [f"{record['level']:g}", f"{record['total_curvature']['n']}/{record['pairs']}"]
    for key in CURVATURES:
        found = record[key]
        row += [number(found), method_error(found["method_error"], found["n"])]
    return row


def counts(found: dict[str, int]) -> str:
    return ", ".join(f"{n} {what}" for what, n in found.items()) or "–"


def lengths_said(records: Sequence[Record]) -> str:
    """The lengths of one question in a sentence or two; records from high to low."""
    some = [record for record in records if record["known"]]
    if not some:
        return ""
    ends = [some[0], some[-1]] if len(some) > 1 else some
    said = "The shortest paths known are on average "
    said += (
        f"{number(ends[0]['length'])} times as long as the straight line at {ends[0]['level']:g}"
    )
    if len(ends) > 1:
        said += f", and {number(ends[1]['length'])} times at {ends[1]['level']:g}"
    return f"{said}. {_trust(ends[-1])}"


def _trust(record: Record) -> str:
    """What is known of how far one level's lengths are above the shortest."""
    both = record["both"]
    if record["straight"] == record["known"]:
        return f"At {record['level']:g} they are straight: none is shorter."
    if not both:
        return "One method alone has paths: how far they are above the shortest is not known."
    error = record["length"]["method_error"]
    return (
        f"At {record['level']:g} two methods agree within 2 % on {record['agree']} of {both} pairs,"
        f" and differ by {_small(error['mean'])} on average, {_small(error['largest'])} at most."
    )


def findings_of(records: Sequence[Record]) -> list[str]:
    """What is the landscape's, and what is not known, of one question."""
    some = [record for record in records if record["known"]]
    if not some:
        return []
    lowest = some[-1]
    known, pairs, both = (lowest[key] for key in ("known", "pairs", "both"))
    said = [
        f"Known. At {lowest['level']:g} the shortest paths are at most {number(lowest['length'])} "
        f"times as long as the straight line, the mean of {known} of {pairs} pairs, and at least "
        "1. " + _trust(lowest) * bool(both or lowest["straight"] == known)
    ]
    if lowest["straight"] < known:
        said.append(f"Not known. {_not_known(lowest)}.")
    said += [f"{why}. {what}." for why, what in _loose_ends(some)]
    return [" ".join(one.split()) for one in said]


def _not_known(record: Record) -> str:
    if not record["both"]:
        why = "How far these lengths are above the shortest, since one method alone has paths"
        methods = record["method"].split(", ")
        other = "bezier" if methods[0].startswith("dss") else "dss"
        return (
            f"{why}: of {record['method']} the others have none"
            if len(methods) > 1
            else f"{why}; `connect.also: [{other}]` asks a second"
        )
    alone = _bent(record) - record["length"]["method_error"]["n"]
    said = "Whether the methods have missed the same shorter path"
    return said + f"; of {alone} pairs one method alone has a path" * bool(alone)


def _loose_ends(records: Sequence[Record]) -> list[tuple[str, str]]:
    """What could still be made shorter: a finding, and more of it."""
    ended: Counter[str] = Counter()
    for record in records:
        ended.update(record["shortening"])
    every = ended.total()
    found = []
    if left := ended["not shortened"]:
        found.append(
            (f"{left} of {every} are not shortened", "`lscape measure` shortens what is connected")
        )
    if open_ones := every - left - ended["straight"] - ended["CONVERGED"]:
        found.append(
            (f"The shortening of {open_ones} of {every} has not settled",
             "They are upper bounds, as all are, that more sweeps may lower")
        )  # fmt: skip
    longer = [(one["level"], pair) for one in records for pair in one["longer_than_known"]]
    if longer:
        first = ", ".join(
            f"{p['method']} {p['a']}-{p['b']} at {level:g}" for level, p in longer[:5]
        )
        more = f" and {len(longer) - 5} more" * (len(longer) > 5)
        found.append(
            (f"{len(longer)} searches missed a path that is shorter by more than 2 %",
             f"A lower level has it, and so has this one: {first}{more}")
        )  # fmt: skip
    return found
