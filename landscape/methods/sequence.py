"""Several methods, one after the other: each begins from the path of the one before."""

from __future__ import annotations

from collections.abc import Sequence as Several
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, ValidationError, field_validator

from landscape.core.landscape import Landscape
from landscape.core.level import LevelSpec
from landscape.core.paths import finite_beads
from landscape.methods.base import Method
from landscape.methods.registry import load_method
from landscape.search.budget import within
from landscape.search.state import Problem, Search, Stepper, String
from landscape.search.strings import drop_beads, evaluate_new_segments


class Sequence(Method):
    """Several methods, one after the other, until one connects.

    Each begins from the path that the one before has left, and the last one says how a search
    ended. `connect.method: [bezier, dss]` is a sequence. With `connect.budget`, each of n methods
    may go on until as many n-ths of it are spent.
    """

    name: ClassVar[str] = "sequence"
    descends_level: ClassVar[bool] = True

    methods: Annotated[tuple[str | dict[str, Any], ...], Field(min_length=2)] = ("bezier", "dss")
    """Each by its name, or `method` and its settings."""

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str | dict[str, Any], ...]) -> tuple[str | dict[str, Any], ...]:
        for entry in methods:
            _finder(entry)
        return methods

    @property
    def finders(self) -> Several[Method]:
        """The methods with their settings."""
        return [_finder(entry, max_beads=self.max_beads) for entry in self.methods]

    @property
    def is_drawn_tight(self) -> bool:
        return all(finder.is_drawn_tight for finder in self.finders)

    def check(self, landscape: Landscape) -> None:
        for finder in self.finders:
            finder.check(landscape)

    def bind(self, problem: Problem, level: LevelSpec) -> Stepper:
        finders, budget, steppers = self.finders, problem.budget, []
        for number, finder in enumerate(finders, 1):
            if budget is None:
                steppers.append(finder.bind(problem, level))
            else:
                part = budget * number // len(finders)
                bound = finder.bind(replace(problem, budget=part), level)
                steppers.append(within(bound, part))

        def step(search: Search) -> None:
            turn = search.active[0].turn  # of all: they are handed on together
            steppers[turn](search)
            if search.active or turn + 1 == len(steppers):
                return
            mine = [string for string in search.strings if string.turn == turn]
            for string in mine:
                if len(lost := np.flatnonzero(~finite_beads(string.points))):
                    drop_beads(string, lost)
            evaluate_new_segments(mine, problem.evaluate, level.limit)
            for string in mine:
                if not (string.seen.upper <= level.limit).all():  # whatever the method claims
                    _hand_on(string)

        return step


def _finder(entry: str | dict[str, Any], max_beads: int | None = None) -> Method:
    """A method by its name, or by `method` and its settings; max_beads: where it gives none. Raises
    ValueError."""
    given: dict[str, Any] = {"method": entry} if isinstance(entry, str) else dict(entry)
    name = given.pop("method", None)
    if max_beads is not None:
        given.setdefault("max_beads", max_beads)
    if not isinstance(name, str) or name == Sequence.name:
        raise ValueError("an entry is the name of one method, or has `method` beside its settings")
    try:
        return load_method(name)(**given)
    except KeyError:
        raise ValueError(f"unknown method '{name}'") from None
    except ImportError as error:
        raise ValueError(str(error)) from None
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{name}: {said}") from None


def _hand_on(string: String) -> None:
    """Let the next method begin from a string as from one that was never searched."""
    string.turn += 1
    string.ended, string.reason = None, ""
    string.segments, string.level, string.rounds = None, None, 0
