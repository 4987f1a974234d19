"""Paths as polylines of parameters.

A path is its points, named arrays [beads, ...]; its segments are straight.
"""

from __future__ import annotations

import numpy as np

from landscape.core import large, trees
from landscape.core.trees import Params


def straight(a: Params, b: Params) -> Params:
    """The path of two beads."""
    return trees.stack([a, b])


def segment_lengths(points: Params, over: str = "*") -> np.ndarray:
    """Euclidean lengths [beads − 1] of the segments, over the parameters that match the globs."""
    squares = np.zeros(trees.count(points) - 1)
    for leaf in trees.matching(points, over).values():
        for block in large.blocks(trees.rows(leaf)):
            steps = np.subtract(block[1:], block[:-1], dtype=np.float64)
            squares += np.einsum("ij,ij->i", steps, steps)
    return np.sqrt(squares)


def length(points: Params, over: str = "*") -> float:
    return float(segment_lengths(points, over).sum())


def chord(points: Params, over: str = "*") -> float:
    """‖θA − θB‖ over the same parameters as the length."""
    return length(trees.take(points, slice(None, None, max(1, trees.count(points) - 1))), over)


def finite_beads(points: Params) -> np.ndarray:
    """Which beads [beads] are finite, and so small that their squares are, in their own type."""
    total = np.zeros(trees.count(points))
    with np.errstate(over="ignore", invalid="ignore"):
        for leaf in points.values():
            for block in large.blocks(trees.rows(leaf)):
                total += np.sum(np.square(block), axis=1)
    return np.isfinite(total)


def insert(points: Params, segments: np.ndarray, beads: Params) -> Params:
    """Put bead i (named arrays [n, ...]) on segment `segments[i]`: after that segment's start."""
    count = trees.count(points)
    order = np.insert(np.arange(count), np.asarray(segments) + 1, count + np.arange(len(segments)))
    whole = trees.empty(points, len(order))
    stretches = np.split(order, np.flatnonzero(np.diff(order) != 1) + 1)
    for name, leaf in points.items():
        large.join(
            whole[name],
            [
                leaf[one[0] : one[-1] + 1]
                if one[0] < count
                else beads[name][one[0] - count : one[-1] + 1 - count]
                for one in stretches
            ],
        )
    return whole


def on_segments(points: Params, segments: np.ndarray, t: np.ndarray) -> Params:
    """Points at t [n] of these segments [n]."""
    lefts, rights = trees.take(points, segments), trees.take(points, segments + 1)

    def between(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        part = t.astype(left.dtype).reshape(-1, *(1 for _ in left.shape[1:]))
        return trees.lerp(left, right, part)

    return {name: between(lefts[name], rights[name]) for name in points}


def on_cubic(points: Params, segment: int, t: float) -> Params | None:
    """The point at t of a segment's length on the curve through its ends and the beads beside them,
    by Lagrange's formula: a cubic, or a parabola where it is the first or last segment.

    None of a path of one segment, or where two of these beads are at one place.
    """
    known = slice(max(0, segment - 1), segment + 3)
    near = {name: leaf[known] for name, leaf in points.items()}
    lengths = segment_lengths(near)
    if len(lengths) < 2 or not lengths.all():
        return None
    places = np.concatenate([[0], np.cumsum(lengths)])
    start = segment - known.start
    place = places[start] + t * lengths[start]
    others = [np.delete(places, bead) for bead in range(len(places))]
    weights = [
        np.prod((place - rest) / (own - rest)) for own, rest in zip(places, others, strict=True)
    ]

    def mean(leaf: np.ndarray) -> np.ndarray:
        blocks = large.blocks(trees.rows(leaf))
        parts = [np.tensordot(weights, block, 1).astype(leaf.dtype) for block in blocks]
        return np.concatenate(parts).reshape(leaf.shape[1:])

    return {name: mean(leaf) for name, leaf in near.items()}


def fractions(lengths: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Places t [p] of every segment, or [segments, p], as fractions [segments, p] of the whole
    path's length."""
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return (ends[:-1, None] + lengths[:, None] * t) / (ends[-1] if ends[-1] > 0 else 1.0)


def bead_places(points: Params) -> np.ndarray:
    """Where the beads are, as fractions [beads] of the path's length; the last is 1."""
    starts = fractions(segment_lengths(points), np.zeros(1))[:, 0]
    return np.append(starts, 1.0)


def at(points: Params, places: np.ndarray) -> Params:
    """The points (named arrays [p, ...]) of a path at fractions [p] of its length."""
    beads = bead_places(points)
    left = np.clip(np.searchsorted(beads, places, side="right") - 1, 0, len(beads) - 2)
    width = beads[left + 1] - beads[left]
    t = np.where(width > 0, (places - beads[left]) / np.where(width > 0, width, 1), 0)

    def between(leaf: np.ndarray) -> np.ndarray:
        share = t.reshape(-1, *(1 for _ in leaf.shape[1:]))
        return ((1 - share) * leaf[left] + share * leaf[left + 1]).astype(leaf.dtype)

    return {name: between(leaf) for name, leaf in points.items()}
