"""What is known of the loss on segments, and what finds it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from landscape.core import large, trees
from landscape.core.rounding import Rounding
from landscape.core.settings import ADAPTIVE
from landscape.core.trees import Params

Evaluate = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class SegmentMaxima:
    """The loss on n segments: where each is highest, and how sure that is.

    ts, values [n, points]: t and the loss there, ascending, the last again where a segment has
    fewer; maximum [n] and place [n], its t; change [n], how far above the maximum the loss may be;
    losses [n], how many were evaluated for it: not those that were known. A loss that is not finite
    counts as infinite.
    """

    ts: np.ndarray
    values: np.ndarray
    maximum: np.ndarray
    place: np.ndarray
    change: np.ndarray
    losses: np.ndarray


def typical_losses(grid: int) -> int:
    """How many losses the certificate of a segment takes, about."""
    return 12 if grid == ADAPTIVE else grid + 16


class SegmentEvaluator(Protocol):
    """The loss on straight segments from `lefts` to `rights`, named arrays [n, ...] each.

    grid: points a segment, `ADAPTIVE` for as many as are needed; rounding: how far the loss that
    was found at a point is from the one in float64. `only_below` leaves a segment as soon as it is
    seen to be above the limit. ends [n, 2]: the losses at both ends, NaN where they are not known.
    """

    grid: int
    rounding: Rounding

    def __call__(
        self,
        lefts: Params,
        rights: Params,
        limit: float,
        only_below: bool = False,
        ends: np.ndarray | None = None,
    ) -> SegmentMaxima: ...

    def at(self, points: Params) -> np.ndarray:
        """The losses [n] at beads [n, ...], to be given as ends of the segments on both sides; NaN
        where a segment needs more of its ends, and evaluates them itself."""
        ...


def along(
    points: Params,
    evaluate: SegmentEvaluator,
    limit: float,
    only_below: bool = False,
    known: np.ndarray | None = None,
) -> SegmentMaxima:
    """The loss on the segments of a path, each bead evaluated once.

    known: the losses at beads [beads], NaN where they are not known. A bead that is evaluated
    counts for the segment that ends there; the path's first one for the first segment.
    """
    losses = np.full(trees.count(points), np.nan) if known is None else known.copy()
    if (new := np.isnan(losses)).any():
        losses[new] = evaluate.at(trees.seen(points, new))
    ends = np.stack([losses[:-1], losses[1:]], axis=1)
    lefts, rights = trees.take(points, slice(-1)), trees.take(points, slice(1, None))
    found = evaluate(lefts, rights, limit, only_below, ends)
    made = (new & ~np.isnan(losses)).astype(int)
    spent = found.losses + made[1:]
    spent[0] += made[0]
    return replace(found, losses=spent)


class Memoized:
    """An evaluator that does not evaluate again what it evaluated among its last segments and
    beads.

    The search looks at a segment and the certificate looks again; the key is their bytes.
    """

    def __init__(self, evaluate: SegmentEvaluator, most: int = 4096) -> None:
        self.grid, self.rounding = evaluate.grid, evaluate.rounding
        self._evaluate, self._most = evaluate, most
        self._memory: OrderedDict[bytes, tuple[bool, SegmentMaxima]] = OrderedDict()
        self._beads: OrderedDict[bytes, float] = OrderedDict()

    def at(self, points: Params) -> np.ndarray:
        keys = [_digest(trees.take(points, bead)) for bead in range(trees.count(points))]
        found = {key: self._beads[key] for key in keys if key in self._beads}
        new = [bead for bead, key in enumerate(keys) if key not in found]
        if new:
            losses = self._evaluate.at(trees.seen(points, np.array(new))).tolist()
            fresh = {keys[bead]: loss for bead, loss in zip(new, losses, strict=True)}
            self._beads |= fresh
            found |= fresh
        while len(self._beads) > self._most:
            self._beads.popitem(last=False)
        return np.array([found[key] for key in keys])

    def __call__(
        self,
        lefts: Params,
        rights: Params,
        limit: float,
        only_below: bool = False,
        ends: np.ndarray | None = None,
    ) -> SegmentMaxima:
        memory = self._memory
        segments = (trees.take((lefts, rights), i) for i in range(trees.count(lefts)))
        keys = [b"%r" % limit + _digest(left) + _digest(right) for left, right in segments]
        new = [i for i, k in enumerate(keys) if k not in memory or not (only_below or memory[k][0])]
        found = {k: memory[k][1] for k in keys if k in memory}
        if new:
            index = np.array(new)
            left, right = trees.seen((lefts, rights), index)
            own = None if ends is None else ends[index]
            fresh = self._evaluate(left, right, limit, only_below, own)
            for i, row in enumerate(index):
                one = SegmentMaxima(*(part[i] for part in vars(fresh).values()))
                whole = not only_below or bool(one.maximum <= limit)
                found[keys[row]] = one
                memory[keys[row]] = whole, one
        while len(memory) > self._most:
            memory.popitem(last=False)
        rows = (vars(found[k]).values() for k in keys)
        return SegmentMaxima(*map(np.stack, zip(*rows, strict=True)))


def _digest(bead: Params) -> bytes:
    digest = hashlib.sha1(usedforsecurity=False)  # the quickest where processors have it
    for name in sorted(bead):
        for part in large.parts(bead[name]):
            digest.update(part)
    return digest.digest()
