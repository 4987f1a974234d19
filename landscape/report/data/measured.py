"""What `lscape measure` found, by level, as data: lengths, curvatures, highest points, minima.

Eigenvalues that are not resolved are in no mean, and counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from landscape.analysis.best_known import BestKnown
from landscape.analysis.summary import (
    PairValue,
    mean_of,
    mean_over_pairs,
    method_error_of,
    of_pairs,
)
from landscape.report.data.known import Place
from landscape.report.data.wording import is_resolved
from landscape.store.files import Arrays
from landscape.store.records.base import Record
from landscape.store.records.measures import (
    OFF,
    ModelMeasure,
    OtherMeasureRecord,
    StringMeasure,
)
from landscape.store.run import Run

EUCLIDEAN = "normalized_length"
# the lengths, each divided by the distance of the ends in its own metric
LENGTHS = {
    EUCLIDEAN: "Euclidean",
    "normalized_scaled_length": "scale-normalised",
    "normalized_function_length": "function-space",
}
OVER_CHORDS = {"normalized_scaled_length": "scaled", "normalized_function_length": "function"}
ALL_LENGTHS = {**LENGTHS, "function_length": "function-space, absolute"}
FOUND = "_found"  # at the end of a key: before shortening
WITH_ERRORS = [
    *(key + end for key in (*ALL_LENGTHS, "total_curvature") for end in (FOUND, "")),
    "level_curvature_mean",
]
MEANS = (
    *WITH_ERRORS,
    "beads_found", "beads", "sweeps",
    "curvature_density", "curvature_middle", "largest_angle",
    "level_curvature_lowest", "level_curvature_highest", "normal_mean", "normal_spread",
    "peak_loss", "peak_gradient", "peak_smallest", "peak_largest", "peak_trace",
)  # fmt: skip
MINIMA = ("largest", "smallest", "trace", "gradient")
EIGENVALUES = ("largest", "smallest", "peak_largest", "peak_smallest", "value")
# at points of a string
ALONG = (
    "loss", "gradient", "level_curvature", "smallest", "smallest_error", "largest", "largest_error",
)  # fmt: skip
OTHER_KEYS = ("measure", "set", "level", "quantity")
PARTS = 10  # of a string's length, in which its turning angles are summed

Measured = TypeVar("Measured", bound=Record)


@dataclass(frozen=True)
class MeasuredString:
    """A measured string, and what its arrays say.

    best: the shortest path known of its pair and level, None where the ends coincide; more: its
    lengths over their chords and the means of its normal curvatures, by name; turning [PARTS];
    along: the arrays of ALONG and `at` at points of it, None where there are none.
    """

    record: StringMeasure
    best: BestKnown | None
    more: dict[str, float | None]
    turning: list[float]
    along: dict[str, list[float]] | None

    def number(self, key: str) -> float | None:
        return self.more[key] if key in self.more else getattr(self.record, key)

    def euclidean(self, key: str) -> float | None:
        """The Euclidean length of the path that a length is of: as found, or as it is now."""
        return self.record.length_found if key.endswith(FOUND) else self.record.length

    def method_error(self, key: str) -> float | None:
        """Of one of its lengths or curvatures: of the Euclidean length `BestKnown.error_of`; of
        another number by how much that of another method's shortest path differs; 0 of a length or
        a turning of a straight path. None where no other method has a path."""
        length = self.euclidean(key)
        if self.best is None or length is None:
            return None
        if key.removesuffix(FOUND) == EUCLIDEAN:
            return self.best.error_of(length)
        if self.best.is_chord(length) and key != "level_curvature_mean":
            return 0.0
        other, own = self.best.other(self.record.method), self.number(key)
        theirs = None if other is None else _number(other, key.removesuffix(FOUND))
        return None if own is None or theirs is None else abs(own - theirs)


def measures_of(run: Run, best: Mapping[Place, BestKnown]) -> dict[str, list[dict[str, Any]]]:
    """{strings, minima, parts, top, also}: what was measured of a run's strings and models, by
    level.

    strings: a record a set and level, {set, method, level, measured, converged, shortened (how many
    were tried to be), shortening: {status: strings}, change (the most that doubling the beads moved
    a length) and changes (of how many strings), peaks: {verdict: strings}, reasons: {reason:
    strings}, function_metric, turning: [{at, mean, se, n, clustered}] (radians in each of PARTS of
    the length), and a `mean_over_pairs` of each of MEANS, with its
    `method_error` of lengths, total and level-set curvatures}.
    minima: a record a level, {level,
    measured, and `mean_of` each of MINIMA}; parts: a record a level and subset, the same with its
    `over` and `parameters`; also: a record a measure of measure.also, set, level and quantity, with
    the mean of `value` and the largest method error; top: a record a level and `rank`, with the
    mean of `value`. A mean of eigenvalues has `unresolved`, how many are not in it. hessian: what
    the second derivatives are of and by.
    """
    strings, minima = measured_strings(run, best), run.model_measures()
    parts, top = run.model_parts(), run.top_eigenvalues()
    return {
        "strings": [
            _strings([s for s in strings if (s.record.set, s.record.level) == at])
            for at in dict.fromkeys((s.record.set, s.record.level) for s in strings)
        ],
        "minima": [
            _minima([m for m in minima if m.level == level])
            for level in dict.fromkeys(m.level for m in minima)
        ],
        "parts": [
            {"level": level, "over": over, "parameters": own[0].parameters} | _means(own, MINIMA)
            for (level, over), own in _grouped(parts, "level", "over").items()
        ],
        "top": [
            {"level": level, "rank": rank} | _means(own, ("value",))
            for (level, rank), own in _grouped(top, "level", "rank").items()
        ],
        "also": [
            dict(zip(OTHER_KEYS, at, strict=True)) | _other(own)
            for at, own in _grouped(run.other_measures(), *OTHER_KEYS).items()
        ],
    }


def _other(records: Sequence[OtherMeasureRecord]) -> dict[str, Any]:
    """A mean over what was measured; over pairs of paths, of models over models."""
    errors = [record.error for record in records if record.value is not None]
    if records[0].model is None:
        pairs = [(record.a, record.b, record.value) for record in records]
        mean = mean_over_pairs(
            PairValue(a, b, value) for a, b, value in pairs if a is not None and b is not None
        )
    else:
        mean = _over_models(records, "value")
    return {"measured": len(records), "value": mean} | {
        "largest_error": max((error for error in errors if error is not None), default=None)
    }


def _grouped(records: Sequence[Measured], *keys: str) -> dict[tuple[Any, ...], list[Measured]]:
    found: dict[tuple[Any, ...], list[Measured]] = {}
    for record in records:
        found.setdefault(tuple(getattr(record, key) for key in keys), []).append(record)
    return found


def _resolved(records: Sequence[Measured], key: str) -> tuple[list[Measured], dict[str, int]]:
    """The records to take the mean of, and what is said of the others: of eigenvalues, those that
    are resolved."""
    if key not in EIGENVALUES:
        return [*records], {}
    known = [record for record in records if getattr(record, key) is not None]
    resolved = [record for record in known if is_resolved(record, key)]
    return resolved, {"unresolved": len(known) - len(resolved)}


def _means(records: Sequence[Record], keys: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"measured": len(records)}
    for key in keys:
        some, more = _resolved(records, key)
        found[key] = _over_models(some, key) | more
    return found


def _over_models(records: Sequence[Record], key: str) -> dict[str, Any]:
    values = [getattr(record, key) for record in records]
    return mean_of([value for value in values if value is not None])


def _over_strings(strings: Sequence[MeasuredString], key: str) -> dict[str, Any]:
    if strings and key in strings[0].more:
        return mean_over_pairs(
            PairValue(one.record.a, one.record.b, one.number(key)) for one in strings
        )
    some, more = _resolved([one.record for one in strings], key)
    return mean_over_pairs(of_pairs(some, key)) | more


def measured_strings(run: Run, best: Mapping[Place, BestKnown]) -> list[MeasuredString]:
    """`Run.string_measures`, with what their arrays say; best: `by_place` of the run."""
    return [
        _with_more(
            record,
            best.get((record.set, record.level, record.a, record.b)),
            run.load_numbers(record),
        )
        for record in run.string_measures()
    ]


def _with_more(record: StringMeasure, best: BestKnown | None, arrays: Arrays) -> MeasuredString:
    more = {key + end: _number(record, key + end) for key in OVER_CHORDS for end in (FOUND, "")}
    places, angles = arrays.get("turning", np.zeros((0, 2))).T
    turning = np.histogram(places, PARTS, (0, 1), weights=angles)[0].tolist()
    for key in ("normal_mean", "normal_spread"):
        known = arrays.get(f"beads.{key}", np.zeros(0))
        known = known[np.isfinite(known)]
        more[key] = float(known.mean()) if len(known) else None
    along = None
    if "beads.at" in arrays:
        along = {key: arrays[f"beads.{key}"].tolist() for key in ("at", *ALONG)}
    return MeasuredString(record, best, more, turning, along)


def _number(record: StringMeasure, key: str) -> float | None:
    """A number of the record, or a length over the chord of its metric."""
    for name, metric in OVER_CHORDS.items():
        if key.startswith(name):
            chord, length = getattr(record, f"{metric}_chord"), key.removeprefix("normalized_")
            found = getattr(record, length)
            return found / chord if found and chord else None
    return getattr(record, key)


def _method_errors(strings: Sequence[MeasuredString], key: str) -> dict[str, Any]:
    """The `method_error_of` a length or curvature; straight paths are left out where there are
    others."""
    known = [one for one in strings if one.number(key) is not None]
    bent = [
        one for one in known if one.best and not one.best.is_chord(one.euclidean(key) or math.inf)
    ]
    return method_error_of([one.method_error(key) for one in bent or known])


def _hessian(records: Sequence[StringMeasure] | Sequence[ModelMeasure]) -> str | None:
    said = {
        f"{record.hessian_of}, by {record.hessian_by}" for record in records if record.hessian_of
    }
    return "; ".join(sorted(said)) or None


def _strings(strings: Sequence[MeasuredString]) -> dict[str, Any]:
    records = [one.record for one in strings]

    def counts(key: str) -> dict[str, int]:
        return dict(sorted(Counter(filter(None, (getattr(r, key) for r in records))).items()))

    shortening = counts("shortening")
    reasons = Counter(part for r in records for part in r.reason.split("; ") if part)
    moved = [record.length_change for record in records if record.length_change is not None]
    metrics = [record.function_metric for record in records if record.function_metric]
    turning = [
        {"at": (part + 0.5) / PARTS}
        | mean_over_pairs(
            PairValue(one.record.a, one.record.b, one.turning[part]) for one in strings
        )
        for part in range(PARTS)
    ]
    return {
        **{key: getattr(records[0], key) for key in ("set", "method", "level")},
        "measured": len(records),
        "converged": shortening.get("CONVERGED", 0),
        "shortened": len(records) - shortening.get(OFF, 0),
        "shortening": shortening,
        "change": max(moved, default=None),
        "changes": len(moved),
        "peaks": counts("peak_verdict"),
        "reasons": dict(reasons.most_common()),
        "function_metric": metrics[0] if metrics else None,
        "hessian": _hessian(records),
        "turning": turning,
        **{key: _over_strings(strings, key) for key in MEANS if key not in WITH_ERRORS},
        **{
            key: _over_strings(strings, key) | {"method_error": _method_errors(strings, key)}
            for key in WITH_ERRORS
        },
    }


def _minima(records: Sequence[ModelMeasure]) -> dict[str, Any]:
    about = {"level": records[0].level, "hessian": _hessian(records)}
    return about | _means(records, MINIMA)
