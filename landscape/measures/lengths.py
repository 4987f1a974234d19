"""What a path's points alone tell: where it turns, and how long it is to an eye without scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.core import paths, trees
from landscape.core.trees import Params

NODES = 32  # of Gauss and Legendre, a segment


@dataclass(frozen=True)
class Turning:
    """The curvature of a polyline, all of it in its beads.

    places [beads], fractions of the length; angles [beads], radians, 0 at both ends; total, their
    sum; density, total / length; middle, the fraction of the length by which half of the total is
    turned (None for a straight path).
    """

    places: np.ndarray
    angles: np.ndarray
    length: float

    @property
    def total(self) -> float:
        return float(self.angles.sum())

    @property
    def density(self) -> float | None:
        return self.total / self.length if self.length > 0 else None

    @property
    def middle(self) -> float | None:
        if self.total == 0:
            return None
        turned = np.cumsum(self.angles)
        return float(self.places[np.searchsorted(turned, self.total / 2)])


def turning(points: Params) -> Turning:
    """The turning angles at a path's beads (named arrays [beads, ...]), in [0, π].

    Between unit tangents u and v the angle is 2 atan2(‖u − v‖, ‖u + v‖), which a small angle does
    not cancel (Kahan 2006). A bead that repeats the one before it turns nothing.
    """
    lengths = paths.segment_lengths(points)
    angles = np.zeros(len(lengths) + 1)
    moving = np.flatnonzero(lengths > 0)
    if len(moving) > 1:
        apart, along = np.zeros(len(moving) - 1), np.zeros(len(moving) - 1)
        for leaf in points.values():
            steps = trees.rows(np.diff(np.asarray(leaf, np.float64), axis=0))
            unit = steps[moving] / lengths[moving, None]
            apart += np.sum((unit[1:] - unit[:-1]) ** 2, axis=1)
            along += np.sum((unit[1:] + unit[:-1]) ** 2, axis=1)
        angles[moving[:-1] + 1] = 2 * np.arctan2(np.sqrt(apart), np.sqrt(along))
    return Turning(paths.bead_places(points), angles, float(lengths.sum()))


def scaled_length(points: Params) -> float | None:
    """The length in the metric Σ_a ‖dθ_a‖² / ‖θ_a‖², a over the parameter arrays.

    In it a path is as long as before when an array is multiplied by a positive number all along
    the path; so it is not changed by the rescaling of adjacent layers of rectified units, layer by
    layer (a unit's own rescaling does change it). Every straight segment is integrated by Gauss
    and Legendre, at NODES. An array that stands still counts nothing; None where one that moves
    has norm 0 at a bead, from which everything is infinitely far.
    """
    count = trees.count(points) - 1
    t, weights = np.polynomial.legendre.leggauss(NODES)
    t = (t + 1) / 2
    square = np.zeros((count, NODES))
    for leaf in points.values():
        flat = trees.rows(np.asarray(leaf, np.float64))
        starts, steps = flat[:-1], np.diff(flat, axis=0)
        norms, along, moved = (
            np.einsum("ij,ij->i", x, y)[:, None]
            for x, y in ((starts, starts), (starts, steps), (steps, steps))
        )
        if (((norms == 0) | (np.sum(flat[1:] ** 2, axis=1)[:, None] == 0)) & (moved > 0)).any():
            return None
        with np.errstate(invalid="ignore"):
            square += np.where(moved > 0, moved / (norms + 2 * along * t + moved * t**2), 0)
    return float((np.sqrt(square) @ weights / 2).sum())


def scaled_distance(points: Params) -> float | None:
    """√Σ_a (ln² of the norms' ratio + angle²) between a path's ends, in the metric of
    `scaled_length`.

    The metric is that of a cylinder, the logarithm of the norm along it and the direction around
    it: no path is shorter. None where an array that differs has norm 0 at an end.
    """
    total = 0.0
    for leaf in points.values():
        a, b = (np.asarray(leaf[end], np.float64).ravel() for end in (0, -1))
        norms = np.linalg.norm(a), np.linalg.norm(b)
        if np.array_equal(a, b):
            continue
        if min(norms) == 0:
            return None
        u, v = a / norms[0], b / norms[1]
        angle = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
        total += np.log(norms[1] / norms[0]) ** 2 + angle**2
    return float(np.sqrt(total))
