"""The growing string: a band that grows from both ends towards its middle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import jax
import numpy as np
from pydantic import Field

from landscape.core import paths, trees
from landscape.core.devices import each
from landscape.core.level import LevelSpec
from landscape.core.settings import Count, Rate
from landscape.core.trees import Params
from landscape.methods.bands import LEAST, Band, Cycle, Grow
from landscape.search.band_geometry import forces, norms
from landscape.search.bands import band_objective, band_of
from landscape.search.curves import descends_level
from landscape.search.state import Problem, String

STEPS = 20  # after which the outermost points are looked at


class GrowingString(Band):
    """A string that grows from both models towards the middle, and is then lowered as a whole.

    It begins with one point beside each model. Where the outermost point of a side is below the
    level, or the force across it is small, the next one is put beyond it, on the line to the other
    side. After every step the points are put where they are to stand along the string. It ends
    NOT_FOUND when `steps` are spent, and NON_FINITE when a point does not stay finite.

    References:
        Peters, Heyden, Bell & Chakraborty 2004. They put points on a spline; here it is the
        polyline, which is the path that is certified.
    """

    name: ClassVar[str] = "growing-string"

    steps: Count = 1000
    """Of all points, at most."""
    rate: Rate = 0.2
    """Of a step; it falls to a tenth of itself."""
    force: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Across the outermost point of a side, as a part of its gradient: at most that where the next
    point is put."""

    @property
    def schedule(self) -> Sequence[Cycle]:
        count = -(-self.steps // STEPS)
        rates = self.rate * LEAST ** np.linspace(0, 1, count)
        return [Cycle(min(STEPS, self.steps - STEPS * n), float(r)) for n, r in enumerate(rates)]

    def first(self, line: Params) -> Params:
        last = trees.count(line) - 1
        chosen = np.unique([0, 1, last - 1, last])
        return band_of(trees.take(line, chosen), chosen / last)

    def grows(self, problem: Problem, level: LevelSpec) -> Grow:
        objective = band_objective(problem.landscape)
        slopes = each(lambda point: jax.value_and_grad(objective)(point, jax.random.key(0)))
        level_of = None if descends_level(problem.landscape) else each(problem.landscape.level)

        def grow(string: String, points: Params, places: np.ndarray) -> Params | None:
            gap, apart = int(np.diff(places).argmax()), float(places[1] - places[0])
            missing = round((places[gap + 1] - places[gap]) / apart) - 1
            if missing < 1:
                return None
            near = np.arange(gap - 1, gap + 3)  # the two outermost points and their neighbours
            beads = trees.take(points, near)
            values, gradient = slopes(beads)
            string.grad_evals += len(near)
            across = norms(forces(beads, values, gradient, climbs=False).sideways)
            if level_of is not None:
                values = level_of(beads)
                string.loss_evals += len(near)
            settled = (values <= level.target) | (across <= self.force * norms(gradient))
            side = np.flatnonzero(np.asarray(settled)[1:3])[:missing]
            if not len(side):
                return None
            t = np.array([1, missing])[side] / (missing + 1)
            gaps = np.full(len(t), gap)
            grown = paths.insert(points, gaps, paths.on_segments(points, gaps, t))
            where = places[gap] + t * (places[gap + 1] - places[gap])
            return band_of(grown, np.insert(places, gap + 1, where))

        return grow
