"""How long a path is to the functions that its parameters compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from landscape.core import paths, trees
from landscape.core.devices import each
from landscape.core.distances import distance, some_data
from landscape.core.landscape import Landscape
from landscape.core.trees import Params

PARTS = 4  # of a piece of a segment that one call measures
HALVINGS = 5  # of the pieces, at most
HALVING_TOLERANCE = 1e-3  # relative, that the length may still move in the last halving


class FunctionLength(NamedTuple):
    """length, Σ d over the parts that the segments were cut into; chord, d between the ends;
    change, by which part of itself the length grew when the parts were halved for the last time;
    samples: over how many."""

    length: float
    chord: float
    change: float
    samples: int


def make_function_length(
    landscape: Landscape, samples: int
) -> Callable[[Params], FunctionLength] | None:
    """Measures a path (named arrays [beads, ...]) over at most so many samples of the level's
    split, evenly spaced, or over all where its arrays have not as many; None for a task without
    outputs.

    Every segment is cut in PARTS, then these in halves until the length has grown by less than
    HALVING_TOLERANCE of itself, or HALVINGS times.
    """
    if landscape.outputs is None:
        return None
    predict, kind = landscape.outputs
    data = some_data(landscape, samples)
    measured_over = len(jax.eval_shape(predict, dict(landscape.shapes), data))

    def piece(item: Any) -> jax.Array:
        left, right, start, end = item

        def further(before: jax.Array, part: jax.Array) -> tuple[jax.Array, jax.Array]:
            place = start + (end - start) * part / PARTS
            now = predict(trees.lerp(left, right, place), data)
            return now, distance(kind, before, now)

        first = predict(trees.lerp(left, right, start), data)
        return jax.lax.scan(further, first, jnp.arange(1, PARTS + 1))[1].sum()

    pieces = each(piece)

    def measured(lefts: Params, rights: Params, cuts: int) -> float:
        """The length of segments, each in so many pieces."""
        count, dtype = trees.count(lefts), jax.tree.leaves(lefts)[0].dtype
        owner = np.repeat(np.arange(count), cuts)
        start = np.tile(np.arange(cuts) / cuts, count).astype(dtype)
        end = np.tile((np.arange(cuts) + 1) / cuts, count).astype(dtype)
        items = (*trees.take((lefts, rights), owner), start, end)
        return float(np.asarray(pieces(items), np.float64).sum())

    def apart(item: Any) -> jax.Array:
        left, right = item
        return distance(kind, predict(left, data), predict(right, data))

    ends_apart = each(apart)

    def function_length(points: Params) -> FunctionLength:
        moving = np.flatnonzero(paths.segment_lengths(points) > 0)
        lefts, rights = trees.take(points, moving), trees.take(points, moving + 1)
        ends = trees.take(points, np.array([0])), trees.take(points, np.array([-1]))
        length, change = 0.0, 0.0
        if len(moving):
            length, change = measured(lefts, rights, 1), np.inf
        for halving in range(1, HALVINGS + 1):
            if change < HALVING_TOLERANCE:
                break
            finer = measured(lefts, rights, 2**halving)
            length, change = finer, abs(finer - length) / finer if finer > 0 else 0.0
        return FunctionLength(length, float(ends_apart(ends)[0]), float(change), measured_over)

    return function_length
