"""What `lscape measure` found, by level, as data: lengths, curvatures, highest points, minima.

Eigenvalues that are not resolved are in no mean, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from landscape.analysis.summary import mean_of, mean_over_pairs
from landscape.report.data.wording import is_resolved
from landscape.store.files import Arrays, Row
from landscape.store.records import OFF
from landscape.store.run import Run

# the lengths, each divided by the distance of the ends in its own metric
LENGTHS = {
    "normalized_length": "Euclidean",
    "normalized_scaled_length": "scale-normalised",
    "normalized_function_length": "function-space",
}
MEANS = (
    *(key + end for key in (*LENGTHS, "function_length") for end in ("_found", "")),
    "beads_found", "beads", "sweeps",
    "total_curvature_found", "total_curvature", "curvature_density", "curvature_middle",
    "largest_angle",
    "level_curvature_mean", "level_curvature_lowest", "level_curvature_highest", "normal_mean",
    "normal_spread",
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


def measures_of(run: Run) -> dict[str, list[dict[str, Any]]]:
    """{strings, minima, parts, top, also}: what was measured of a run's strings and models, by
    level.

    strings: a record a set and level, {set, method, level, measured, converged, shortened (how many
    were tried to be), shortening: {status: strings}, change (the most that doubling the beads moved
    a length) and changes (of how many strings), peaks: {verdict: strings}, reasons: {reason:
    strings}, function_metric, turning: [{at, mean, se, n, clustered}] (radians in each of PARTS of
    the length), and a `mean_over_pairs` of each of MEANS}. minima: a record a level, {level,
    measured, and `mean_of` each of MINIMA}; parts: a record a level and subset, the same with its
    `over` and `parameters`; also: a record a measure of measure.also, set, level and quantity, with
    the mean of `value` and the largest method error; top: a record a level and `rank`, with the
    mean of `value`. A mean of eigenvalues has `unresolved`, how many are not in it. hessian: what
    the second derivatives are of and by.
    """
    strings, minima = measured_strings(run), run.model_measures()
    parts, top = run.model_parts(), run.top_eigenvalues()
    return {
        "strings": [
            _strings([s for s in strings if (s["set"], s["level"]) == at])
            for at in dict.fromkeys((s["set"], s["level"]) for s in strings)
        ],
        "minima": [
            _minima([m for m in minima if m["level"] == level])
            for level in dict.fromkeys(m["level"] for m in minima)
        ],
        "parts": [
            {"level": level, "over": over, "parameters": own[0]["parameters"]} | _means(own, MINIMA)
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


def _other(records: Sequence[Row]) -> dict[str, Any]:
    """A mean over what was measured; over pairs of paths, of models over models."""
    known = [record for record in records if record["value"] is not None]
    mean = mean_over_pairs if records[0]["model"] is None else _over_models
    errors = [record["error"] for record in known if record["error"] is not None]
    return {"measured": len(records), "value": mean(known, "value")} | {
        "largest_error": max(errors, default=None)
    }


def _grouped(records: Sequence[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for record in records:
        found.setdefault(tuple(record[key] for key in keys), []).append(record)
    return found


def _mean(records: Sequence[Row], key: str, mean: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """`mean(records, key)`; of eigenvalues, over those that are resolved."""
    if key not in EIGENVALUES:
        return mean(records, key)
    known = [record for record in records if record[key] is not None]
    resolved = [record for record in known if is_resolved(record, key)]
    return mean(resolved, key) | {"unresolved": len(known) - len(resolved)}


def _means(records: Sequence[Row], keys: Sequence[str]) -> dict[str, Any]:
    return {"measured": len(records)} | {key: _mean(records, key, _over_models) for key in keys}


def _over_models(records: Sequence[Row], key: str) -> dict[str, Any]:
    return mean_of([record[key] for record in records if record[key] is not None])


def measured_strings(run: Run) -> list[Row]:
    """`Run.string_measures`, each with its lengths over their chords, the means of its normal
    curvatures, `turning` [PARTS], and `along`, the arrays of ALONG and `at` at points of it."""
    return [_with_more(record, run.load_numbers(record)) for record in run.string_measures()]


def _with_more(record: Row, arrays: Arrays) -> Row:
    more: Row = {}
    for metric in ("scaled", "function"):
        chord = record[f"{metric}_chord"]
        for end in ("_found", ""):
            length = record[f"{metric}_length{end}"]
            more[f"normalized_{metric}_length{end}"] = length / chord if length and chord else None
    places, angles = arrays.get("turning", np.zeros((0, 2))).T
    more["turning"] = np.histogram(places, PARTS, (0, 1), weights=angles)[0].tolist()
    for key in ("normal_mean", "normal_spread"):
        known = arrays.get(f"beads.{key}", np.zeros(0))
        known = known[np.isfinite(known)]
        more[key] = float(known.mean()) if len(known) else None
    if "beads.at" in arrays:
        more["along"] = {key: arrays[f"beads.{key}"].tolist() for key in ("at", *ALONG)}
    return record | more


def _hessian(records: Sequence[Row]) -> str | None:
    said = {
        f"{record['hessian_of']}, by {record['hessian_by']}"
        for record in records
        if record["hessian_of"]
    }
    return "; ".join(sorted(said)) or None


def _strings(records: Sequence[Row]) -> dict[str, Any]:
    def counts(key: str) -> dict[str, int]:
        return dict(sorted(Counter(r[key] for r in records if r[key]).items()))

    shortening = counts("shortening")
    reasons = Counter(part for r in records for part in (r["reason"] or "").split("; ") if part)
    moved = [record["length_change"] for record in records if record["length_change"] is not None]
    metrics = [record["function_metric"] for record in records if record["function_metric"]]
    turning = [
        {"at": (part + 0.5) / PARTS}
        | mean_over_pairs(
            [record | {"part": record["turning"][part]} for record in records], "part"
        )
        for part in range(PARTS)
    ]
    return {
        **{key: records[0][key] for key in ("set", "method", "level")},
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
        **{key: _mean(records, key, mean_over_pairs) for key in MEANS},
    }


def _minima(records: Sequence[Row]) -> dict[str, Any]:
    about = {"level": records[0]["level"], "hessian": _hessian(records)}
    return about | _means(records, MINIMA)
