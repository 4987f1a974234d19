"""Methods side by side: on the same pairs and levels, within one budget. No JAX here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from landscape.analysis.summary import CONNECTED, PairValue, mean_over_pairs, share_of
from landscape.store.records.comparisons import ComparisonRecord
from landscape.store.records.strings import StringRecord

POINTS = 60  # of a curve of the lowest maximum against the cost


class Searched(Protocol):
    """A row, how low its search had come [rounds, 2], gradients and the least bound, and its length
    in function space over the distance of the ends there."""

    @property
    def row(self) -> StringRecord: ...
    @property
    def anytime(self) -> np.ndarray: ...
    @property
    def function_length(self) -> float | None: ...


Quantity = Callable[[Searched], float | None]


def lowest(one: Searched) -> float | None:
    """The least certified bound of all paths of a search."""
    bound = float(one.anytime[-1, 1])
    return bound if math.isfinite(bound) else None


def cost(one: Searched, budget: int) -> float:
    """Gradients until a path was certified; the whole budget where none was."""
    limit = math.inf if one.row.limit is None else one.row.limit
    below = one.anytime[one.anytime[:, 1] <= limit, 0]
    return float(min(below[0], budget)) if len(below) else float(budget)


def _length(one: Searched) -> float | None:
    return one.row.normalized_length if one.row.status == CONNECTED else None


def _gradients(one: Searched) -> float:
    return one.row.grad_evals + (one.row.tightening_grad_evals or 0)


def _losses(one: Searched) -> float:
    return one.row.loss_evals + (one.row.tightening_loss_evals or 0)


QUANTITIES: dict[str, Quantity] = {
    "lowest": lowest,
    "barrier": lambda one: one.row.barrier,
    "length": _length,
    "function_length": lambda one: one.function_length,
    "gradients": _gradients,
    "losses": _losses,
    "seconds": lambda one: one.row.seconds,
}


def compared(of: ComparisonRecord, found: Sequence[Searched]) -> list[dict[str, Any]]:
    """One record a level and set, levels from high to low, the sets in their order.

    A record has comparison, search, set, method, align, level, limit, budget, pairs, connected,
    share (`share_of`), and of `cost` and each of QUANTITIES a `mean_over_pairs` with `difference`,
    the same of what it is less what it is of the first set on the same pair, where both are known:
    None of the first set. Lengths are of pairs that are connected. anytime is [{cost, mean, se, n,
    clustered}]: the mean over pairs of the least bound that was certified at that cost.
    """
    by_set = [[one for one in found if one.row.set == name] for name in of.sets]
    records = []
    for level in sorted({one.row.level for one in found}, reverse=True):
        own = [[one for one in rows if one.row.level == level] for rows in by_set]
        records += [
            {"comparison": of.name, "search": search}
            | _record(rows, own[0] if number else None, of.budget)
            for number, (search, rows) in enumerate(zip(of.searches, own, strict=True))
        ]
    return records


def _record(
    rows: Sequence[Searched], first: Sequence[Searched] | None, budget: int
) -> dict[str, Any]:
    flags = [one.row.status == CONNECTED for one in rows]
    row = rows[0].row
    return {
        **{key: getattr(row, key) for key in ("set", "method", "align", "level", "limit")},
        "budget": budget,
        "pairs": len(rows),
        "connected": sum(flags),
        "share": share_of(flags),
        "cost": _mean(lambda one: cost(one, budget), rows, first),
        **{name: _mean(of, rows, first) for name, of in QUANTITIES.items()},
        "anytime": _curve(rows, budget),
    }


def _mean(
    of: Quantity, rows: Sequence[Searched], first: Sequence[Searched] | None
) -> dict[str, Any]:
    own = [PairValue(one.row.a, one.row.b, of(one)) for one in rows]
    if first is None:
        return {**mean_over_pairs(own), "difference": None}
    theirs = [of(one) for one in first]
    apart = [
        PairValue(one.a, one.b, None if one.value is None or other is None else one.value - other)
        for one, other in zip(own, theirs, strict=True)
    ]
    return {**mean_over_pairs(own), "difference": mean_over_pairs(apart)}


def _curve(rows: Sequence[Searched], budget: int) -> list[dict[str, Any]]:
    """From the first cost at which every pair has a path."""
    begins = max(max(float(one.anytime[0, 0]) for one in rows), 1.0)
    if begins > budget:
        return []
    costs = np.geomspace(begins, budget, POINTS)
    return [
        {"cost": float(at)}
        | mean_over_pairs(PairValue(one.row.a, one.row.b, _at(one.anytime, at)) for one in rows)
        for at in costs
    ]


def _at(anytime: np.ndarray, at: float) -> float | None:
    """The least bound at a cost."""
    place = int(np.searchsorted(anytime[:, 0], at * (1 + 1e-9), side="right")) - 1
    bound = float(anytime[max(place, 0), 1])
    return bound if math.isfinite(bound) else None
