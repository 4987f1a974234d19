"""Rows of results to one record a set and level: counts, means with their errors, costs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from landscape.store.records.base import OfPair
from landscape.store.records.strings import StringRecord

CONNECTED = "CONNECTED"
UNREACHED = "LEVEL_NOT_REACHED"  # no path was sought
NORMAL = 1.959963984540054  # the quantile of .975


class PairValue(NamedTuple):
    """A number of a pair of models; None where there is none."""

    a: int
    b: int
    value: float | None


def summarise(rows: Iterable[StringRecord]) -> list[dict[str, Any]]:
    """One record a set and level, sets by name, levels from high to low.

    A record has task, method, set, level, align, limit; pairs; tried, those whose ends reached the
    level; connected, and of those tried the share with its 95 % Wilson interval [low, high];
    statuses {status: pairs}; normalized_length and beads, each a `mean_over_pairs` of the
    connected; over the connected the highest max_loss, barrier and resolution; the sums of
    grad_evals and seconds over all. None for what does not apply.
    """
    ordered = sorted(rows, key=lambda row: (row.set, -row.level))
    groups = groupby(ordered, key=lambda row: (row.set, row.level))
    return [_level(list(group)) for _, group in groups]


def _level(rows: Sequence[StringRecord]) -> dict[str, Any]:
    connected = [row for row in rows if row.status == CONNECTED]
    share = share_connected(rows) or {"n": 0, "mean": None, "interval": [None, None]}
    limits = {row.limit for row in rows if row.limit is not None}
    return {
        **{key: getattr(rows[0], key) for key in ("task", "method", "set", "level", "align")},
        "limit": max(limits, default=None),
        "pairs": len(rows),
        "tried": share["n"],
        "connected": len(connected),
        "share": share["mean"],
        "share_interval": share["interval"],
        "statuses": dict(Counter(str(row.status) for row in rows).most_common()),
        "normalized_length": mean_over_pairs(of_pairs(connected, "normalized_length")),
        "beads": mean_over_pairs(of_pairs(connected, "beads")),
        "max_loss": _highest(connected, "max_loss"),
        "barrier": _highest(connected, "barrier"),
        "resolution": _highest(connected, "resolution"),
        "grad_evals": sum(row.grad_evals for row in rows),
        "seconds": math.fsum(row.seconds or 0 for row in rows),
    }


def share_connected(rows: Sequence[StringRecord]) -> dict[str, Any] | None:
    """`share_of` the pairs that were tried; None where none was."""
    tried = [row.status == CONNECTED for row in rows if row.status != UNREACHED]
    return share_of(tried) if tried else None


def _highest(rows: Sequence[StringRecord], key: str) -> float | None:
    values = [getattr(row, key) for row in rows]
    return max((value for value in values if value is not None), default=None)


def of_pairs(rows: Iterable[OfPair], key: str) -> list[PairValue]:
    """A column of rows."""
    return [PairValue(row.a, row.b, getattr(row, key)) for row in rows]


def mean_over_pairs(values: Iterable[PairValue]) -> dict[str, Any]:
    """{mean, se, n, clustered} of a number over pairs a-b of models, where it is known.

    Where no model is in two of the pairs, the standard error is sd/√n, and clustered is None.
    Elsewhere the pairs are not independent: clustered is "model", and it is the jackknife that
    deletes one model, with all its pairs, at a time, √[(m−1)/m Σ (mean₋ᵢ − their mean)²] over the
    m models (Arvesen 1969, for U-statistics). What a pair owes to its models it counts once in the
    variance, what is the pair's own 2(m−1)/(m−2) times where all pairs are there, so it errs on
    the large side. se is None where it cannot be had: one pair, or a model without which no pair
    is left.
    """
    known = [one for one in values if one.value is not None]
    numbers = np.array([one.value for one in known], float)
    ends = np.array([(one.a, one.b) for one in known], int).reshape(-1, 2)
    models, place, uses = np.unique(ends, return_inverse=True, return_counts=True)
    if not (uses > 1).any():
        return mean_of(numbers)
    mean, se = float(numbers.mean()), None
    left = len(numbers) - uses
    if left.all():
        beside = numbers - numbers[0]  # the error of numbers that are alike is 0, not rounding
        means = (beside.sum() - np.bincount(place.ravel(), np.repeat(beside, 2))) / left
        se = math.sqrt((1 - 1 / len(models)) * float(np.square(means - means.mean()).sum()))
    return {"mean": mean, "se": se, "n": len(numbers), "clustered": "model"}


def mean_of(values: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """{mean, se, n, clustered} of independent values: sd/√n, None of fewer than two."""
    count = len(values)
    se = float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else None
    mean = float(np.mean(values)) if count else None
    return {"mean": mean, "se": se, "n": count, "clustered": None}


def method_error_of(errors: Sequence[float | None]) -> dict[str, Any]:
    """{mean, largest, n, of} of method errors of so many pairs, n of them known."""
    known = [error for error in errors if error is not None]
    return {
        "mean": math.fsum(known) / len(known) if known else None,
        "largest": max(known, default=None),
        "n": len(known),
        "of": len(errors),
    }


def share_of(flags: Sequence[bool]) -> dict[str, Any]:
    """`mean_of` flags, at least one, with their 95 % Wilson interval besides."""
    known = mean_of([float(flag) for flag in flags])
    return {**known, "interval": wilson(sum(flags) / len(flags), len(flags))}


def wilson(share: float, count: float) -> list[float]:
    """Wilson's 95 % score interval; the share need not be a whole number of the count.

    Importing scipy.stats, which has it for whole numbers, takes longer than all else that a command
    imports but JAX.
    """
    z = NORMAL**2 / count
    centre = (share + z / 2) / (1 + z)
    half = np.sqrt(z * share * (1 - share) + z**2 / 4) / (1 + z)
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    return [min(low, share), max(high, share)]  # of rounding, where all or none are
