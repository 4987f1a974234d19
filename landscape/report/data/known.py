"""The shortest paths that are known, by level, as data.

Lengths are the landscape's only as far as methods agree on them: each mean stands beside its
sampling error and its method error.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from landscape.analysis.best_known import CONNECTED, BestKnown, Question, best_known, questions
from landscape.analysis.summary import (
    UNREACHED,
    PairValue,
    mean_over_pairs,
    method_error_of,
    summarise,
)
from landscape.core.alignment import Align
from landscape.report.data.wording import search_of
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
    ways: list[Align | None] = [None, *get_args(Align)]
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


Place = tuple[str, float, int, int]  # a set, a level and a pair


def by_place(known: Iterable[Known]) -> dict[Place, BestKnown]:
    """The shortest path known of each pair and level, for every set that asks for it."""
    return {
        (name, best.level, best.a, best.b): best
        for one in known
        for name in one.question.sets
        for best in one.best
    }


def method_errors(paths: Sequence[tuple[BestKnown, float]]) -> Record:
    """The `method_error_of` paths of these lengths, each beside the shortest known of its pair and
    level. Straight ones are left out where there are others, since none is shorter."""
    bent = [(one, length) for one, length in paths if not one.is_chord(length)]
    return method_error_of([one.error_of(length) for one, length in bent or paths])


def levels_of(rows: Sequence[StringRecord], known: Iterable[Known]) -> list[Record]:
    """`summarise`'s records, with the method error of the lengths as the searches left them."""
    best, found = by_place(known), []
    for record in summarise(rows):
        at = record["set"], record["level"]
        paths = [
            (best[row.set, row.level, row.a, row.b], row.length)
            for row in rows
            if (row.set, row.level) == at
            and row.status == CONNECTED
            and row.length is not None
            and (row.set, row.level, row.a, row.b) in best
        ]
        length = record["normalized_length"] | {"method_error": method_errors(paths)}
        found.append(record | {"normalized_length": length})
    return found


def best_known_of(known: Sequence[Known]) -> list[Record]:
    """A record a question and level, levels from high to low.

    {set, method: the names of all the sets and methods; over, level, limit; pairs: that were tried
    and have ends apart; known: of how many a path is; chord; lower_bound: what no path is shorter
    than, over the chord: 1, or more where the landscape knows it; length: over the chord; found:
    the same as the searches left it; total_curvature and level_curvature_mean: of the shortest
    shortened paths, as far as they were measured; both: pairs of which two methods have a path;
    agree: of these, those that differ by at most 2 %; straight: paths that are the chord; sources:
    {method and form: paths}; shortening: {how it ended: paths}; moved: by which part of itself the
    length of a path moved, at most, when its beads were last doubled, None where none were; nested:
    pairs that a lower level has a path of; longer_than_known: [{a, b, method, length, nested}],
    over the chord: the method's shortest path is longer than that one}. A number is a
    `mean_over_pairs` with its `method_error_of`: by how much another method's differs; of lengths,
    over the paths that are not straight, which are the shortest there can be.
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
    ended = [
        "straight"
        if one.is_straight
        else one.shortened[one.method].shortening
        if one.form == "shortened"
        else "not shortened"
        for one in best
    ]
    moved = [
        one.shortened[one.method].length_change
        for one in best
        if one.form == "shortened" and not one.is_straight
    ]
    return {
        **known.names,
        "over": known.question.over,
        "level": level,
        "limit": known.question.limits[level],
        "pairs": len(tried),
        "known": len(best),
        "chord": mean_over_pairs(PairValue(one.a, one.b, one.chord) for one in best),
        "lower_bound": mean_over_pairs(
            PairValue(one.a, one.b, one.least / one.chord) for one in best
        ),
        "length": mean_over_pairs(PairValue(one.a, one.b, one.normalized) for one in best)
        | {"method_error": method_errors([(one, one.length) for one in best])},
        "found": mean_over_pairs(
            PairValue(one.a, one.b, None if one.found is None else one.found / one.chord)
            for one in best
        ),
        **{key: _of_shortened(best, key) for key in CURVATURES},
        "both": sum(one.agrees is not None for one in best),
        "agree": sum(one.agrees is True for one in best),
        "straight": sum(one.is_straight for one in best),
        "sources": dict(Counter(map(_source, best)).most_common()),
        "shortening": dict(Counter(ended).most_common()),
        "moved": max((change for change in moved if change is not None), default=None),
        "nested": sum(one.nested is not None for one in best),
        "longer_than_known": [
            {"a": one.a, "b": one.b, "method": name, "length": length / one.chord}
            | {"nested": (one.nested or math.nan) / one.chord}
            for one in best
            for name, length in one.missed.items()
        ],
    }


def _source(one: BestKnown) -> str:
    return f"extended from {one.below:g}" if one.below is not None else f"{one.method} {one.form}"


def _of_shortened(best: Sequence[BestKnown], key: str) -> Record:
    """A mean with its sampling error, and the method error."""
    found = [(one, one.of_shortened(key)) for one in best]
    mean = mean_over_pairs(PairValue(one.a, one.b, of[0] if of else None) for one, of in found)
    return mean | {"method_error": method_error_of([of[1] for _, of in found if of])}
