"""What is known of the loss on segments, and what finds it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from landscape.core import trees
from landscape.core.rounding import Rounding
from landscape.core.settings import ADAPTIVE
from landscape.core.trees import Params

Evaluate = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class SegmentMaxima:
    """The loss on n segments: where each is highest, and how sure that is.

    ts, values [n, points]: t and the loss there, ascending, the last again where a segment has
    fewer; maximum [n] and place [n], its t; change [n], how far above the maximum the loss may be;
    losses [n], how many were evaluated for it. A loss that is not finite counts as infinite.
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
    seen to be above the limit.
    """

    grid: int
    rounding: Rounding

    def __call__(
        self, lefts: Params, rights: Params, limit: float, only_below: bool = False
    ) -> SegmentMaxima: ...


class Memoized:
    """An evaluator that does not evaluate again what it evaluated among its last segments.

    The search looks at a segment and the certificate looks again; the key is the segment's bytes.
    """

    def __init__(self, evaluate: SegmentEvaluator, most: int = 4096) -> None:
        self.grid, self.rounding = evaluate.grid, evaluate.rounding
        self._evaluate, self._most = evaluate, most
        self._memory: OrderedDict[bytes, tuple[bool, SegmentMaxima]] = OrderedDict()

    def __call__(
        self, lefts: Params, rights: Params, limit: float, only_below: bool = False
    ) -> SegmentMaxima:
        memory = self._memory
        segments = (trees.take((lefts, rights), i) for i in range(trees.count(lefts)))
        keys = [_key(left, right, limit) for left, right in segments]
        new = [i for i, k in enumerate(keys) if k not in memory or not (only_below or memory[k][0])]
        found = {k: memory[k][1] for k in keys if k in memory}
        if new:
            index = np.array(new)
            left, right = trees.take((lefts, rights), index)
            fresh = self._evaluate(left, right, limit, only_below)
            for i, row in enumerate(index):
                one = SegmentMaxima(*(part[i] for part in vars(fresh).values()))
                whole = not only_below or bool(one.maximum <= limit)
                found[keys[row]] = one
                memory[keys[row]] = whole, one
        while len(memory) > self._most:
            memory.popitem(last=False)
        rows = (vars(found[k]).values() for k in keys)
        return SegmentMaxima(*map(np.stack, zip(*rows, strict=True)))


def _key(left: Params, right: Params, limit: float) -> bytes:
    digest = hashlib.blake2b(str(limit).encode(), digest_size=16)
    for end in (left, right):
        for name in sorted(end):
            digest.update(np.ascontiguousarray(end[name]).data)
    return digest.digest()
