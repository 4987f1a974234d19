"""A string that is being shortened, as plain data, and how it is cut into more segments."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np

from landscape.core import paths, trees
from landscape.core.trees import Params
from landscape.search.shorten_qp import LinearConstraints

MARGIN = 5e-3  # of |limit|: how far below the limit pieces are aimed, at first
TUBE = 1.5  # of |limit|: how far above its aim it may be on its way; a quarter if it sticks there
GRADIENT = 3  # what one costs, in losses


class Ended(enum.StrEnum):
    """How shortening ended. All keep the shortest certified string.

    STALLED: that the length has stopped moving does not say that it is near the least. So where
    steps are refused though the level, linearised at all places that were seen, allows more than
    the tolerance; and where the level has no gradient, a step that rises too high can only be
    refused, not turned along it. Within the tolerance of the straight line it is CONVERGED.
    """

    CONVERGED = "CONVERGED"  # doubling the beads moved the length by less than the tolerance
    STALLED = "STALLED"  # so it did, but a string that is much shorter may well be there
    BUDGET = "BUDGET"  # the beads or the sweeps were spent first, or no shorter one was certified


@dataclass
class Shortening:
    """A string that is being shortened: plain data, so that it can be kept and taken up again.

    limit: what it must stay below; max_beads, max_sweeps: its budget, and max_cost, in losses,
    where there is one; points: named arrays [beads, ...], as they stand; safe: as they stood when
    they last held; kept: the shortest certified string; ends: the loss at its ends; held [beads]:
    which stand still, while what was too high beside the others is brought down;
    extra [segments]: where a segment has to be looked at, or NaN; stiffness [beads]: ρ; seen: the
    constraints of its segments, the first `fresh` of them seen where it stands, the others moved
    with it; cuts: those of steps before; tube: how far above its aim it may be;
    recent: (energy, total excess) after the latest steps, penalty: the weight of excess in
    their merit; failures: to be certified with this number of beads; landing: it only comes below
    its aim, to be certified; lengths: certified ones, one a
    number of beads; history: (sweeps, gradient evaluations, beads, length, 1 if certified or 0)
    after every step that was taken.
    """

    name: str
    limit: float
    points: Params
    safe: Params
    kept: Params
    ends: list[float]
    extra: np.ndarray
    max_beads: int
    max_sweeps: int
    max_cost: int | None = None
    lengths: list[float] = field(default_factory=list)
    seen: LinearConstraints = field(default_factory=dict)
    fresh: int = 0
    cuts: LinearConstraints = field(default_factory=dict)
    tube: float = TUBE
    margin: float = MARGIN
    stiffness: np.ndarray = field(default_factory=lambda: np.zeros(0))
    held: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    penalty: float = 0.0
    recent: list[list[float]] = field(default_factory=list)
    failures: int = 0
    landing: bool = False
    sweeps: int = 0
    grad_evals: int = 0
    loss_evals: int = 0
    history: list[list[float]] = field(default_factory=list)
    ended: str | None = None
    reason: str = ""
    seconds: float = 0.0

    def affordable_sweeps(self, certificate: int) -> int:
        """Sweeps, a gradient a segment, that its cost leaves beside a certificate of so many
        losses; negative if not even that."""
        if self.max_cost is None:
            return self.max_sweeps
        spent = GRADIENT * self.grad_evals + self.loss_evals + certificate
        return (self.max_cost - spent) // (GRADIENT * (trees.count(self.points) - 1))

    @property
    def change(self) -> float | None:
        """By which part of itself the certified length moved when the beads were last doubled;
        None of a length of 0, too."""
        if len(self.lengths) < 2 or self.lengths[-1] == 0:
            return None
        return abs(self.lengths[-1] - self.lengths[-2]) / self.lengths[-1]


def subdivided(points: Params, segments: int) -> Params:
    """The same path with at least so many segments, the longer ones cut into more; repeated beads
    are left out."""
    lengths = paths.segment_lengths(points)
    moving = np.flatnonzero(lengths > 0)
    if not len(moving):
        return points
    pieces = np.maximum(1, np.ceil(lengths[moving] / lengths.sum() * segments)).astype(int)
    owner = np.repeat(moving, pieces)
    place = np.concatenate([np.arange(count) / count for count in pieces])
    result = {}
    for name, leaf in points.items():
        t = place.astype(leaf.dtype).reshape(-1, *[1] * (leaf.ndim - 1))
        inner = trees.lerp(leaf[owner], leaf[owner + 1], t)
        inner[place == 0] = leaf[owner[place == 0]]
        result[name] = np.concatenate([inner, leaf[-1:]])
    return result


def doubled(points: Params) -> Params:
    segments = np.arange(trees.count(points) - 1)
    lefts, rights = trees.take(points, segments), trees.take(points, segments + 1)
    middles = {n: np.asarray(0.5 * (lefts[n] + rights[n]), lefts[n].dtype) for n in lefts}
    return paths.insert(points, segments, middles)
