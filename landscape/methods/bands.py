"""What the methods have in common that lower a whole band of beads: their driver.

A band is lowered in rounds of a few steps. After each it is looked at as a path, and it is done
when the path is certified. Strings are searched one after the other, because bands of different
lengths are different programs.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from landscape.core import paths, trees
from landscape.core.keys import key_data
from landscape.core.level import LevelSpec
from landscape.core.segments import typical_losses
from landscape.core.status import Status
from landscape.core.trees import Params
from landscape.methods.base import Method
from landscape.search.bands import (
    PLACES,
    band_descent,
    band_landscape,
    band_of,
    looks,
    points_of,
)
from landscape.search.descend import Descender, DescentState
from landscape.search.shortening import GRADIENT
from landscape.search.state import Beads, Problem, Search, Stepper, String
from landscape.search.strings import (
    NOT_SEEN,
    evaluate_new_segments,
    points_along,
    record_round,
    replace_path,
)

CHECK = 10  # steps, after which a band is looked at
ROUND = 50  # steps at most, after which its path is
CYCLES = 10  # of a rate that falls
LEAST = 0.1  # of the rate, at the end
CYCLE, LEFT = "cycle", "left"  # of a band: the number of its cycle, and the steps left in it


class Cycle(NamedTuple):
    """So many steps at a rate."""

    steps: int
    rate: float


Grow = Callable[[String, Params, np.ndarray], Params | None]
"""A string, its points [beads, ...] and places [beads] after a cycle → the band of the next cycle,
or None where it stays the same. What it costs is counted on the string."""


class Band(Method):
    """Settings of a band of beads that is lowered as a whole."""

    points: Annotated[int, Field(ge=3)] = 9
    """Points of the band, its ends counted, or of the path that it begins from if that has more."""
    jitter: Annotated[float, Field(ge=0)] = 0.01
    """How far off the straight line its points start, in lengths of the line."""
    step: Literal["scaled", "sgd"] = "scaled"
    """`scaled`: a rate is in distances between points, whatever the unit of the loss; `sgd`: it is
    times the force, with momentum .9, as published."""

    @property
    @abstractmethod
    def schedule(self) -> Sequence[Cycle]:
        """The cycles, one after the other."""

    def grows(self, problem: Problem, level: LevelSpec) -> Grow | None:
        """What changes a band between cycles; None of one that stays as it began."""
        return None

    def first(self, line: Params) -> Params:
        """The band to begin with, from points along the path that it begins from."""
        return band_of(line, np.linspace(0, 1, trees.count(line)))

    def descent(self) -> Descent:
        """How its points move."""
        return Descent(self.step == "scaled")

    def bind(self, problem: Problem, level: LevelSpec) -> Stepper:
        return _Search(self, problem, level).step


class Descent(NamedTuple):
    """How the points of a band move (`search.bands.band_descent`)."""

    scaled: bool
    climbs: bool = False
    springs: float | None = None


def falling(steps: int, rate: float) -> tuple[Cycle, ...]:
    """Cycles of a rate that falls to LEAST of itself."""
    count = min(CYCLES, steps)
    ends = np.linspace(0, steps, count + 1).round().astype(int)
    rates = rate * LEAST ** (np.arange(count) / max(1, count - 1))
    return tuple(Cycle(int(n), float(r)) for n, r in zip(np.diff(ends), rates, strict=True))


class _Search:
    """The bands at one level."""

    def __init__(self, settings: Band, problem: Problem, level: LevelSpec) -> None:
        self.settings, self.problem, self.level = settings, problem, level
        self.schedule, self.grow = settings.schedule, settings.grows(problem, level)
        self.descender = functools.cache(self._descender)

    def _descender(self, beads: int) -> Descender:
        moves = self.settings.descent()
        optimizer = band_descent(moves.climbs, moves.springs, moves.scaled)
        return Descender(band_landscape(self.problem.landscape, beads), optimizer, CHECK, ROUND)

    def step(self, search: Search) -> None:
        """Begin the next string's band, or lower the one that is on its way."""
        if search.pending is None:
            self._begin(search)
            return
        string = search.strings[int(search.pending.owner[0])]
        before = search.pending.descent
        beads = len(before.params[PLACES][0])
        descender = self.descender(beads)
        after = descender.advance(before)
        made = int(after.step[0] - before.step[0])
        string.grad_evals += made * (beads - 2)
        string.loss_evals += made * 2 + looks(beads) * -(-made // CHECK)
        search.pending = replace(search.pending, descent=after)
        if not descender.going(after)[0]:
            descent = self._end_round(string, after.settled())
            going = descent is not None
            search.pending = replace(search.pending, descent=descent) if going else None

    def _begin(self, search: Search) -> None:
        number = next(n for n, string in enumerate(search.strings) if string.ended is None)
        string = search.strings[number]
        if self._is_certified(string):
            return
        count = max(self.settings.points, trees.count(string.points))
        if count > self.settings.max_beads:
            most = f"max_beads ({self.settings.max_beads})"
            string.terminate(Status.NOT_FOUND, f"{count} points are more than {most}")
            return
        line = points_along(string, count, self.settings.jitter, self._key(string))
        descent = self._start(string, self.settings.first(line), 0)
        mine = np.array([number])
        search.pending = Beads(mine, np.zeros_like(mine), np.ones(1, bool), descent)

    def _is_certified(self, string: String) -> bool:
        """Look at a string's path, and end it if that holds."""
        evaluate_new_segments([string], self.problem.evaluate, self.level.limit)
        record_round(string, self.level.level)
        holds = bool((string.seen.upper <= self.level.limit).all())
        if holds:
            string.terminate(Status.CONNECTED, NOT_SEEN)
        return holds

    def _start(self, string: String, band: Params, cycle: int) -> DescentState:
        """A band about to be lowered in a cycle."""
        beads = trees.count(band)
        string.loss_evals += looks(beads)
        descent = self.descender(beads).start(
            trees.stack([band]), self._key(string)[None], np.array([self.level.target]),
            np.array([self.schedule[cycle].rate]),
            {CYCLE: np.array([cycle], np.int32), LEFT: np.zeros(1, np.int32)},
        )  # fmt: skip
        descent.fixed[LEFT][0] = self._steps(string, beads, cycle)
        return self._next_round(string, descent)

    def _steps(self, string: String, beads: int, cycle: int) -> int:
        """Of a cycle: fewer where all that are left cost more than the budget allows."""
        steps = self.schedule[cycle].steps
        if self.problem.budget is None:
            return steps
        certificate = typical_losses(self.problem.evaluate.grid) * (beads - 1)
        a_step = GRADIENT * (beads - 2) + 2 + looks(beads) / CHECK + certificate / ROUND
        ahead = sum(one.steps for one in self.schedule[cycle:])
        part = (self.problem.budget - string.cost) / (a_step * ahead)
        return max(min(steps, CHECK), int(steps * min(part, 1)))

    def _next_round(self, string: String, descent: DescentState) -> DescentState:
        made = min(ROUND, int(descent.fixed[LEFT][0]))
        descent.fixed[LEFT][0] -= made
        descent.step[0], descent.key[0] = ROUND - made, self._key(string)
        if descent.value[0] <= self.level.target:  # a look has missed what the certificate found
            descent.value[0] = np.finfo(descent.value.dtype).max
        return descent

    def _end_round(self, string: String, descent: DescentState) -> DescentState | None:
        """Look at the path of a band; its descent in the next round, if there is one."""
        band = {name: leaf[0] for name, leaf in descent.params.items()}
        points = points_of(band)
        string.rounds += 1
        if not np.isfinite(descent.value[0]) or not paths.finite_beads(points).all():
            why = f"the band became non-finite in round {string.rounds}"
            string.terminate(Status.NON_FINITE, f"{why}; a smaller rate may help")
            return None
        replace_path(string, points)
        if self._is_certified(string):
            return None
        if descent.fixed[LEFT][0] > 0:
            return self._next_round(string, descent)
        cycle = int(descent.fixed[CYCLE][0]) + 1
        if cycle == len(self.schedule):
            steps = sum(one.steps for one in self.schedule)
            help = "more of them, or more connect.points, may help"
            string.terminate(Status.NOT_FOUND, f"all {steps} steps are spent; {help}")
            return None
        grown = self.grow and self.grow(string, points, band[PLACES])
        if grown:
            return self._start(string, grown, cycle)
        beads = trees.count(band)
        descent.fixed[CYCLE][0], descent.reach[0] = cycle, self.schedule[cycle].rate
        descent.fixed[LEFT][0] = self._steps(string, beads, cycle)
        return self._next_round(string, descent)

    def _key(self, string: String) -> np.ndarray:
        words = "band", string.name, self.level.level, string.rounds
        return key_data(self.problem.seed, *words)
