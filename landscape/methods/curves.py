"""What the methods that train a curve of a few control points have in common.

A curve is trained until it is below the level wherever it is looked at. Then a string of its points
is certified, and the curve is made shorter as long as such strings are.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from landscape.core import paths, trees
from landscape.core.devices import each
from landscape.core.keys import key_data
from landscape.core.landscape import Landscape
from landscape.core.level import LevelSpec
from landscape.core.segments import along, typical_losses
from landscape.core.settings import Count, Rate
from landscape.core.status import Status
from landscape.core.trees import Params
from landscape.methods.base import Method
from landscape.search.curves import (
    FUNCTIONS,
    LOOKS,
    TARGET,
    WEIGHT,
    Basis,
    adam_by_reach,
    curve_landscape,
    descends_level,
    in_chords,
    of_functions,
    sampled,
)
from landscape.search.descend import Descender, DescentState
from landscape.search.shortening import GRADIENT
from landscape.search.state import Beads, Problem, Search, Segments, Stepper, String
from landscape.search.strings import (
    NOT_SEEN,
    evaluate_new_segments,
    points_along,
    record_round,
    replace_path,
)

CHECK = 20  # steps, after which a curve is looked at
SHORTER = 4  # rounds of the second phase, each with shorter steps than the one before
STRONGER = 10.0  # times `length`: its weight when the second phase begins
EASED = 3.0  # by which the weight of the length is divided where a string is not certified
ALIKE = 1e-3  # of the length: a string of twice the segments that differs by less is the curve
TRAINED = "trained"  # steps until a curve was certified first
SHORTEST = "shortest"  # length of the shortest that was


class Curve(Method):
    """Settings of a curve between two models that is trained below the level."""

    points: Annotated[int, Field(ge=3)] = 3
    """Control points of the curve, its ends counted."""
    steps: Count = 4000
    """Of gradient descent at most, until the curve is below the level."""
    batch: Count = 1
    """Places on the curve that a step takes a gradient at, each drawn from its own part of it."""
    rate: Rate = 0.02
    """Of Adam: a step's length if all parameters move alike, in lengths of the straight line."""
    jitter: Annotated[float, Field(ge=0)] = 0.01
    """How far off the straight line the control points start, in lengths of the line."""
    length: Annotated[float, Field(ge=0)] = 0.3
    """The weight of the curve's length, in lengths of the straight line; it fades with the steps,
    and begins again, larger, when the curve is below the level. 0: it is not made shorter."""

    length_in: Literal["functions"] | None = None
    """Which length. `functions`: of what the curve's models compute, the sum of the distances of
    their outputs over at most 500 samples, which takes eight gradients a step more. Null: of the
    curve itself."""

    sampled: ClassVar[bool] = True
    """Whether a string of the curve is sampled; else it is the control points."""

    @model_validator(mode="after")
    def _held_by_its_string(self) -> Curve:
        if not self.sampled and self.points > self.max_beads:
            raise ValueError(
                f"points ({self.points}) are the beads of the path: at most max_beads "
                f"({self.max_beads})"
            )
        return self

    def check(self, landscape: Landscape) -> None:
        if self.length_in == "functions" and landscape.outputs is None:
            raise ValueError("length_in: functions needs a task that has outputs")

    @property
    def is_drawn_tight(self) -> bool:
        return self.length_in is None

    @property
    def gradients(self) -> int:
        """Of a step."""
        return self.batch + (FUNCTIONS if self.length_in else 0)

    def affordable_steps(self, problem: Problem) -> int:
        """The steps that the budget of a problem allows."""
        if problem.budget is None:
            return self.steps
        left = problem.budget - typical_losses(problem.evaluate.grid)
        allowed = CHECK * (left // (CHECK * GRADIENT * self.gradients + LOOKS))
        return max(1, min(self.steps, allowed))

    @property
    @abstractmethod
    def basis(self) -> Basis:
        """The weights of the control points along the curve."""

    def bind(self, problem: Problem, level: LevelSpec) -> Stepper:
        return _Search(self, problem, level).step


class _Search:
    """The training of curves at one level."""

    def __init__(self, settings: Curve, problem: Problem, level: LevelSpec) -> None:
        settings = settings.model_copy(update={"steps": settings.affordable_steps(problem)})
        self.settings, self.problem, self.level = settings, problem, level
        landscape, basis = problem.landscape, settings.basis
        self.names = tuple(landscape.shapes)
        self.shortens = settings.length > 0 and descends_level(landscape)
        length = of_functions(landscape, basis) if settings.length_in else in_chords(basis)
        self.length_of = each(length) if settings.length_in else None
        self.descender = Descender(
            curve_landscape(
                landscape, basis, settings.points, settings.batch, settings.steps, length
            ),
            adam_by_reach(settings.rate, trees.size(landscape.shapes), settings.steps),
            CHECK,
            settings.steps,
        )

    def step(self, search: Search) -> None:
        """Start all curves, or train them on, and judge those that have ended."""
        if search.pending is None:
            search.pending = self._begin(search.strings)
            return
        owners, before = search.pending.owner, search.pending.descent
        after = self.descender.advance(before)
        for owner, made in zip(owners, after.step - before.step, strict=True):
            search.strings[owner].grad_evals += int(made) * self.settings.gradients
            search.strings[owner].loss_evals += LOOKS * -(-int(made) // CHECK)
        ended = np.flatnonzero(~self.descender.going(after))
        search.pending = replace(search.pending, descent=after)
        if len(ended):
            self._end_rounds([search.strings[n] for n in owners[ended]], after.settled(), ended)
            left = [k for k, n in enumerate(owners) if search.strings[n].ended is None]
            search.pending = search.pending.take(np.array(left)) if left else None

    def _begin(self, strings: list[String]) -> Beads | None:
        """The curves of all strings that are not certified as they are."""
        active = [(number, s) for number, s in enumerate(strings) if s.ended is None]
        evaluate_new_segments([s for _, s in active], self.problem.evaluate, self.level.limit)
        owners, curves, keys, chords = [], [], [], []
        for number, string in active:
            record_round(string, self.level.level)
            if self.length_of is None and self._holds(string.seen):
                string.terminate(Status.CONNECTED, NOT_SEEN)
                continue
            owners.append(number)
            curves.append(self._control_points(string))
            keys.append(self._key(string))
            chords.append(paths.chord(string.points))
        if not owners:
            return None
        many = np.array(owners)
        limits = np.full(len(many), self.level.limit)
        descent = self.descender.start(
            trees.stack(curves), np.stack(keys), limits, np.array(chords),
            {TRAINED: np.zeros(len(many), np.int32), SHORTEST: np.zeros(len(many))},
        )  # fmt: skip
        return Beads(many, np.zeros_like(many), np.ones(len(many), bool), descent)

    def _control_points(self, string: String) -> Params:
        """A curve's parameters: control points along a string, the inner ones a little off it."""
        points, jitter = self.settings.points, self.settings.jitter
        control = points_along(string, points, jitter, self._key(string))
        dtype = next(iter(control.values())).dtype
        return control | {
            TARGET: np.array(self.level.target, dtype),
            WEIGHT: np.array(self.settings.length, dtype),
        }

    def _key(self, string: String) -> np.ndarray:
        words = "curve", string.name, self.level.level, string.rounds
        return key_data(self.problem.seed, *words)

    def _end_rounds(self, strings: list[String], descent: DescentState, ended: np.ndarray) -> None:
        """Judge curves, and set their descents to their next rounds, if there are any."""
        for string, index in zip(strings, ended, strict=True):
            if string.rounds:
                self._after_shortening(string, descent, index)
            else:
                self._after_training(string, descent, index)

    def _after_training(self, string: String, descent: DescentState, index: int) -> None:
        value, made, most = descent.value[index], int(descent.step[index]), self.settings.steps
        if not np.isfinite(value):
            why = f"the loss on the curve became non-finite within {made} steps"
            string.terminate(Status.NON_FINITE, f"{why}; a smaller connect.rate may help")
            return
        if value <= self.level.limit:
            points, seen = self._string_of(string, descent, index)
            if self._holds(seen):
                replace_path(string, points, seen)
                self._end_round(string)
                descent.fixed[TRAINED][index] = made
                descent.fixed[SHORTEST][index] = self._length(descent, index, points)
                self._shorten(string, descent, index)
                return
        if made < most and descent.moved[index]:
            # a look has missed what the certificate found: on to the next one
            descent.value[index] = np.finfo(descent.value.dtype).max
        else:
            *_, (curve, _) = self._strings_of(descent, index)
            replace_path(string, curve)
            string.rounds += 1
            if descent.moved[index]:
                help = "more of them, or more connect.points, may help"
                string.terminate(Status.NOT_FOUND, f"steps ({most}) spent; {help}")
            else:
                why = "the loss has no gradient where the curve begins"
                string.terminate(Status.STUCK, f"{why}; another connect.jitter may help")

    def _after_shortening(self, string: String, descent: DescentState, index: int) -> None:
        below = descent.value[index] <= self.level.limit
        if below:
            points, seen = self._string_of(string, descent, index)
            below = self._holds(seen)
            length = self._length(descent, index, points)
            if below and length < descent.fixed[SHORTEST][index]:
                replace_path(string, points, seen)
                descent.fixed[SHORTEST][index] = length
        if not below:
            descent.params[WEIGHT][index] /= EASED
        self._end_round(string)
        self._shorten(string, descent, index)

    def _shorten(self, string: String, descent: DescentState, index: int) -> None:
        """Set a curve's descent to its next round of shortening; end the string after the last."""
        trained = int(descent.fixed[TRAINED][index])
        if self.length_of is not None:  # a straight line, of no training, is no shortest one
            trained = max(trained, self.settings.steps // SHORTER)
        part = trained // SHORTER
        if not self.shortens or not part or string.rounds > SHORTER:
            string.terminate(Status.CONNECTED, NOT_SEEN)
            return
        if string.rounds == 1:
            descent.params[WEIGHT][index] = STRONGER * self.settings.length
        left = 1 - (string.rounds - 1) / SHORTER
        descent.reach[index] = left * paths.chord(string.points)
        descent.step[index] = self.settings.steps - part
        descent.target[index] = -np.inf
        descent.key[index] = self._key(string)

    def _string_of(
        self, string: String, descent: DescentState, index: int
    ) -> tuple[Params, Segments]:
        """The string of the fewest beads 2ᵏ + 1 that is certified, or of so many that it is the
        curve."""
        strings = self._strings_of(descent, index)
        while True:
            points, last = next(strings)
            if not last and self.length_of is not None:
                continue  # a string of few beads is another path to the functions
            found = along(points, self.problem.evaluate, self.level.limit, only_below=True)
            string.loss_evals += int(found.losses.sum())
            seen = Segments(found.maximum + found.change, found.place, found.ts, found.values)
            if last or self._holds(seen):
                return points, seen

    def _strings_of(self, descent: DescentState, index: int) -> Iterator[tuple[Params, bool]]:
        """Strings of a curve, of 3, 5, 9, … beads, and whether one is the last, which is the
        curve."""
        control = {name: descent.params[name][index] for name in self.names}
        if not self.settings.sampled:
            yield control, True
            return
        most, beads, before = self.settings.max_beads, 3, np.inf
        while True:
            points = sampled(control, self.settings.basis, min(beads, most))
            length = paths.length(points)
            last = beads >= most or abs(length - before) <= ALIKE * length
            yield points, last
            if last:
                return
            beads, before = 2 * beads - 1, length

    def _length(self, descent: DescentState, index: int, points: Params) -> float:
        """How long a curve is in what it is to be short in; its string where that is parameters."""
        if self.length_of is None:
            return paths.length(points)
        control = {name: descent.params[name][[index]] for name in self.names}
        return float(self.length_of(control)[0])

    def _holds(self, seen: Segments) -> bool:
        return bool((seen.upper <= self.level.limit).all())

    def _end_round(self, string: String) -> None:
        string.rounds += 1
        record_round(string, self.level.level)
