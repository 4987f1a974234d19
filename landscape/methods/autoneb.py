"""AutoNEB: an elastic band that gets points where its segments rise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from landscape.core import paths, trees
from landscape.core.devices import each
from landscape.core.level import LevelSpec
from landscape.core.settings import Count, Rate
from landscape.core.trees import Params
from landscape.methods.bands import Band, Cycle, Grow
from landscape.search.bands import band_of
from landscape.search.state import Problem, String

SAMPLES = 9  # of a segment
NEW = 2  # points at most, in the worst segments
WORST = 0.1  # of the range of the loss on the band: what a segment rises by where it gets one
PUBLISHED = ((1000, 0.1),) * 4 + ((2000, 0.1),) * 2 + ((1000, 0.01),) * 4 + ((1000, 0.001),) * 4


class AutoNEB(Band):
    """AutoNEB: a nudged elastic band with stiff springs that gets points between its cycles.

    There nine places of every segment are looked at. The two segments that rise highest above the
    straight interpolation of their ends get a point there, if that is more than a tenth of the
    range of the loss on the band. It ends NOT_FOUND when the cycles are spent, and NON_FINITE when
    a point does not stay finite.

    References:
        Draxler et al. 2018, Sec. 3 and App. A. Their steps are `step: sgd`.
    """

    name: ClassVar[str] = "autoneb"

    points: Annotated[int, Field(ge=3)] = 5
    """Points of the band that it begins with, its ends counted, or of the path that it begins from
    if that has more."""
    cycles: Annotated[tuple[tuple[Count, Rate], ...], Field(min_length=1)] = PUBLISHED
    """Steps and rate of each."""

    @property
    def schedule(self) -> Sequence[Cycle]:
        return [Cycle(*one) for one in self.cycles]

    def grows(self, problem: Problem, level: LevelSpec) -> Grow:
        level_of = each(problem.landscape.level)

        def grow(string: String, points: Params, places: np.ndarray) -> Params | None:
            segments = np.repeat(np.arange(trees.count(points) - 1), SAMPLES)
            t = np.tile(np.arange(1, SAMPLES + 1) / (SAMPLES + 1), trees.count(points) - 1)
            between = paths.on_segments(points, segments, t)
            sampled = np.asarray(level_of(between), float).reshape(-1, SAMPLES)
            ends = np.asarray(level_of(points), float)
            string.loss_evals += sampled.size + len(ends)
            score = rises(ends, sampled)
            allowed = min(NEW, self.max_beads - trees.count(points))
            worst = [n for n in np.argsort(-score.max(1), kind="stable") if score[n].max() > WORST]
            chosen = np.sort(np.array(worst[: max(0, allowed)], int))
            if not len(chosen):
                return None
            at = (score[chosen].argmax(1) + 1) / (SAMPLES + 1)
            new = paths.insert(points, chosen, paths.on_segments(points, chosen, at))
            return band_of(new)

        return grow


def rises(ends: np.ndarray, sampled: np.ndarray) -> np.ndarray:
    """How far the losses at places of each segment [segments, samples] are above the straight
    interpolation of those at its ends [segments + 1], as parts of the range of the latter."""
    samples = sampled.shape[1]
    t = np.arange(1, samples + 1) / (samples + 1)
    straight = (1 - t) * ends[:-1, None] + t * ends[1:, None]
    span = np.ptp(ends)
    return (sampled - straight) / (span if span > 0 else 1.0)
