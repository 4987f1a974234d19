"""The state of a search: strings, what is known of their segments, and beads on their way down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from landscape.core import trees
from landscape.core.landscape import Landscape
from landscape.core.segments import SegmentEvaluator
from landscape.core.status import Status
from landscape.core.trees import Params
from landscape.search.descend import Constraint, Descender, DescentState
from landscape.search.shortening import GRADIENT, Shortening


@dataclass
class Segments:
    """What is known of a string's segments, arrays [segments, ...]; NaN where it has to be found.

    upper: how high a segment may be; place: the maximum's t; ts, values [segments, points]: where
    it was looked at, and the loss there, which may be known of one end alone; own: the method's own
    numbers, by name.
    """

    upper: np.ndarray
    place: np.ndarray
    ts: np.ndarray
    values: np.ndarray
    own: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class Round:
    """A string as it was after one round: for the history of a search.

    number: of the round; level: the one that the string stood at; highest: its loss, at a fraction
    `at` of the length; beads: their ids; places [beads]: as fractions of the length; profile
    [points, 2]; cost: of the search until then, as `String.cost`.
    """

    number: float
    level: float
    highest: float
    at: float
    beads: np.ndarray
    places: np.ndarray
    profile: np.ndarray
    cost: int


@dataclass
class String:
    """A path in a search: plain data, so that it can be kept, and resumed.

    Attributes:
        name: Of the string; randomness is drawn by it.
        points: Named NumPy arrays [beads, ...].
        segments: What is known of them; None before they are first evaluated.
        level: Where the string stands on its way down, for methods that lower it as a whole.
        history: Its rounds.
        ids: An id for each bead at one position, [beads].
        left: Positions that beads have left, for the history.
        left_ids: Their ids.
        chained_from: The level of the string that it began from; None for a straight line.
        facts: What a construction says of its curve and of its bound.
        ended: None while the search goes on; then the status that the method claims. Only the
            certificate turns a claim of CONNECTED into a verdict.
        reason: Why it ended so.
        rounds: How many there were.
        turn: Which of several methods searches it, where they take turns.
        restarts: How many beads started again, off the string, because they could not leave their
            place.
        grad_evals: Gradients that its beads took.
        loss_evals: Losses that were evaluated along its segments.
        tightening: Once it is connected: how it is drawn tight, which is counted apart.
        length_found: Its length before that, over what lengths are over.
        seconds: Of wall time.
    """

    name: str
    points: Params
    segments: Segments | None = None
    level: float | None = None
    history: list[Round] = field(default_factory=list)
    ids: np.ndarray = field(default_factory=lambda: np.arange(0))
    left: Params = field(default_factory=dict)
    left_ids: np.ndarray = field(default_factory=lambda: np.arange(0))
    chained_from: float | None = None
    facts: dict[str, float] = field(default_factory=dict)
    ended: str | None = None
    reason: str = ""
    rounds: int = 0
    turn: int = 0
    restarts: int = 0
    grad_evals: int = 0
    loss_evals: int = 0
    tightening: Shortening | None = None
    length_found: float | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not len(self.ids):
            self.ids = np.arange(trees.count(self.points))

    @property
    def seen(self) -> Segments:
        """What is known of the segments, of a string that was evaluated."""
        assert self.segments is not None, "its segments have not been evaluated"
        return self.segments

    @property
    def cost(self) -> int:
        """What the search has taken, in losses, before it is drawn tight."""
        return GRADIENT * self.grad_evals + self.loss_evals

    @property
    def is_tightened(self) -> bool:
        """Whether it is being drawn tight."""
        return self.tightening is not None and self.tightening.ended is None

    def terminate(self, status: Status, reason: str) -> None:
        """End the search of this string."""
        self.ended, self.reason = status, reason


@dataclass
class Beads:
    """n beads on their way down, for strings that are searched together.

    owner [n]: the number of each one's string; place [n]: the segment that it was put on, or,
    where it is not fresh, which bead of the string it was; fresh [n].
    """

    owner: np.ndarray
    place: np.ndarray
    fresh: np.ndarray
    descent: DescentState

    def __len__(self) -> int:
        return len(self.owner)

    def take(self, index: np.ndarray) -> Beads:
        """Some of the beads."""
        owner, place, fresh = (part[index] for part in (self.owner, self.place, self.fresh))
        return Beads(owner, place, fresh, self.descent.take(index))

    def __add__(self, other: Beads) -> Beads:
        """These beads, then the other ones."""
        return Beads(
            np.concatenate([self.owner, other.owner]),
            np.concatenate([self.place, other.place]),
            np.concatenate([self.fresh, other.fresh]),
            self.descent + other.descent,
        )


@dataclass
class Search:
    """Strings that are searched together, and the beads that descend for them at the moment.

    Attributes:
        strings: All strings, ended or not.
        pending: The beads on their way down; None between rounds.
    """

    strings: list[String]
    pending: Beads | None = None

    @property
    def active(self) -> list[String]:
        """Those that a method has still to search."""
        return [string for string in self.strings if string.ended is None]

    @property
    def unfinished(self) -> list[String]:
        """Those, and the ones that are being drawn tight."""
        return [string for string in self.strings if string.ended is None or string.is_tightened]


@dataclass(frozen=True)
class Problem:
    """What a method is bound to.

    Attributes:
        landscape: The function, and what is known of it.
        evaluate: The loss along straight segments; each is evaluated once.
        descend: Makes the descender of beads, under a constraint or None.
        seed: All randomness comes from it and the strings' names.
        budget: What the search of a string may cost, in losses; None: no more than the method's
            own settings let it.
    """

    landscape: Landscape
    evaluate: SegmentEvaluator
    descend: Callable[[Constraint | None], Descender]
    seed: int = 0
    budget: int | None = None


class Stepper(Protocol):
    """One step of a bound method. It changes the search and its strings in place.

    It starts from any strings (the straight line has two beads); each step is short enough to
    be interrupted after, and must bring every string to an end within its budgets.
    """

    def __call__(self, search: Search) -> None: ...
