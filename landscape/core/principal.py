"""The principal axes of points in parameter space, by their inner products."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from landscape.core import large, trees
from landscape.core.trees import Params

BLOCK = 2**16  # parameters at a time, so that memory is bounded
NOTHING = 1e-12  # of the whole variance: an axis with less is rounding


class Principal(NamedTuple):
    """at [points and others, axes]: where they are, from the points' mean; shares [axes]: of the
    points' variance; weights [points, axes]: an axis is Σ_i weights[i]·(point_i − mean), of length
    1. An axis without variance has zeros."""

    at: np.ndarray
    shares: np.ndarray
    weights: np.ndarray


def principal(points: Params, axes: int, others: Params | None = None) -> Principal:
    """The first axes of points [n, ...], and where these and others [m, ...] are along them."""
    count = trees.count(points)
    total = count + (trees.count(others) if others else 0)
    products = np.zeros((total, count))
    for name, leaf in points.items():
        both = [leaf, others[name]] if others else [leaf]
        for some in zip(*(large.blocks(trees.rows(one), BLOCK) for one in both), strict=True):
            block = np.concatenate(some, dtype=np.float64)
            block -= block[:count].mean(0)
            products += block @ block[:count].T
    values, vectors = np.linalg.eigh(products[:count])
    values, vectors = values[::-1][:axes].clip(0), vectors[:, ::-1][:, :axes]
    whole = np.trace(products[:count])
    seen = values > NOTHING * whole
    weights, shares = np.zeros((count, axes)), np.zeros(axes)
    weights[:, : len(values)][:, seen] = vectors[:, seen] / np.sqrt(values[seen])
    shares[: len(values)] = values / whole if whole > 0 else 0
    return Principal(products @ weights, shares, weights)
