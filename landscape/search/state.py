"""The state of a search: strings, and the beads that descend for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from landscape.core import trees
from landscape.core.task import Scalar
from landscape.core.trees import Params


@dataclass
class String:
    """A path on its way: plain data, so that it can be kept and taken up again.

    points: named arrays [beads, ...], NumPy; known: method's own arrays [segments, ...];
    level: where the string stands on its way down, for methods that lower it as a whole;
    frames: one a look, {facts [round, level, highest loss, its fraction of the length], beads
    [their ids], places [beads] as fractions of the length, profile [points, 2]}; ids [beads]: an
    id is a bead at one position; left, left_ids: positions that beads have left, for the frames;
    chained_from: the level of the string that it began from, None for a straight line;
    facts: what a construction says of its curve and of its bound;
    restarts: how many beads began anew, off the string, as they could not leave their start;
    ended: None while the search goes on, then the status that the method claims. Only the
    certificate turns a claim of CONNECTED into a verdict.
    """

    name: str
    points: Params
    known: dict[str, np.ndarray] = field(default_factory=dict)
    level: float | None = None
    frames: list[dict[str, np.ndarray]] = field(default_factory=list)
    ids: np.ndarray = field(default_factory=lambda: np.arange(0))
    left: Params = field(default_factory=dict)
    left_ids: np.ndarray = field(default_factory=lambda: np.arange(0))
    chained_from: float | None = None
    facts: dict[str, float] = field(default_factory=dict)
    ended: str | None = None
    reason: str = ""
    rounds: int = 0
    restarts: int = 0
    grad_evals: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not len(self.ids):
            self.ids = np.arange(trees.count(self.points))


@dataclass
class Search:
    """Strings searched together, and what is in the middle of being computed for them."""

    strings: list[String]
    pending: dict[str, Any] | None = None

    @property
    def active(self) -> list[String]:
        return [string for string in self.strings if string.ended is None]


class Constraint(Protocol):
    """What holds a model while it descends, besides the loss, given what is fixed for it."""

    def penalty(self, params: Params, fixed: Params) -> Scalar:
        """Added to the loss that is descended, not to the level that is looked at."""
        ...

    def project(self, update: Params, fixed: Params) -> Params:
        """The part of an update that the model may follow."""
        ...


class Method(Protocol):
    """A path finder, bound to a landscape, a level and its settings: state in, state out.

    It starts from any strings (the straight line has two beads); each step is short enough to
    be interrupted after, and must bring every string to an end within its budgets.
    """

    def __call__(self, search: Search) -> Search: ...
