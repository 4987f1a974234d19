"""Dynamic String Sampling (Freeman & Bruna 2017, Sec. 3.1), breadth first.

Wherever a segment of a string rises above the limit a bead is put and trained below the level;
the beads that all strings need in a round are trained together.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from landscape.core import trees
from landscape.core.keys import key_data
from landscape.core.level import LevelSpec
from landscape.core.paths import on_cubic, segment_lengths
from landscape.core.status import Status
from landscape.core.trees import Params
from landscape.methods.base import Method
from landscape.search.descend import Descender, DescentState
from landscape.search.state import Beads, Problem, Stepper, String
from landscape.search.strings import (
    BAD_HELP,
    HIGH_HELP,
    RESTARTS,
    drop_beads,
    evaluate_new_segments,
    failure_hint,
    in_rounds,
    insert_beads,
    new_bead,
    off_segment,
    record_round,
    replace_beads,
)


class DSS(Method):
    """Dynamic String Sampling: add beads where the path is too high, and let them descend.

    If the path that it starts from has beads above the level, these descend first, from where they
    are (a round of its own, not counted). It ends NOT_FOUND when max_rounds or max_beads is spent,
    STUCK when a bead ends above the level, and NON_FINITE when the loss of a bead does not stay
    finite. A bead that cannot leave its place always starts again off its segment.

    References:
        Freeman & Bruna 2017, Sec. 3.1 and Algorithm 1.
    """

    name: ClassVar[str] = "dss"
    chains: ClassVar[bool] = True
    descends_level: ClassVar[bool] = True

    insert: Literal["max", "midpoint"] = "max"
    """Where a new bead starts: at the segment's highest point, or beside it on the cubic through
    the nearest beads where the loss is lower; or in the segment's middle."""
    first_midpoint: bool = False
    """Begin every path of two beads with a trained midpoint, failing or not, as the publication
    does; a round of its own, not counted."""
    max_rounds: Annotated[int, Field(ge=0)] = 10
    """Rounds of new beads."""
    jitter: Annotated[float, Field(ge=0)] = 0.0
    """How far off the segment a bead starts, in lengths of the segment."""
    retries: Annotated[int, Field(ge=0)] = 0
    """How often a bead that did not reach the level starts again in the next round, twice as far
    off the segment. Needs `jitter`."""

    @field_validator("retries")
    @classmethod
    def _elsewhere(cls, retries: int, info: ValidationInfo) -> int:
        if retries and not info.data.get("jitter"):
            raise ValueError("goes with a jitter above 0, or a bead would start again where it was")
        return retries

    def bind(self, problem: Problem, level: LevelSpec) -> Stepper:
        search = _Search(self, problem, level, problem.descend(None))
        return in_rounds(search.descender, search.begin, search.absorb)


class _New(NamedTuple):
    """A bead that is to descend.

    owner: the number of its string; place: the segment that it starts on, or which bead of the
    string it is; at: where on the segment; off: how far off it, in lengths of it; bends: whether it
    may start beside it, on the cubic; fresh: whether it is no bead of the string yet.
    """

    owner: int
    place: int
    key: np.ndarray
    reach: float
    at: float = 0.0
    off: float = 0.0
    bends: bool = False
    fresh: bool = True

    def start(self, points: Params) -> Params:
        if not self.fresh:
            return trees.take(points, self.place)
        left, right = (trees.take(points, self.place + step) for step in (0, 1))
        return new_bead(left, right, self.at, self.off, self.key)


class _Search:
    """DSS at one level."""

    def __init__(
        self, settings: DSS, problem: Problem, level: LevelSpec, descender: Descender
    ) -> None:
        self.settings, self.problem, self.level = settings, problem, level
        self.descender = descender

    def begin(self, strings: list[String]) -> Beads | None:
        """Start the next beads on their way down, wherever a segment fails."""
        level, seed = self.level, self.problem.seed
        evaluate_new_segments(strings, self.problem.evaluate, level.limit)
        for string in strings:
            string.seen.own.setdefault("tries", np.zeros(len(string.seen.upper)))
            record_round(string, level.level)
        new: list[_New] = []
        for number, string in enumerate(strings):
            lengths = segment_lengths(string.points)
            high = self._too_high(string)
            for bead in map(int, high):
                key = key_data(seed, "connect", string.name, level.level, "first", bead)
                reach = max(lengths[bead - 1], lengths[bead])
                new.append(_New(number, bead, key, reach, fresh=False))
            if len(high):
                continue
            chosen = self._plan(string)
            compulsory = self._is_compulsory(string)
            for segment in map(int, chosen):
                middle = compulsory or self.settings.insert == "midpoint"
                tries = int(string.seen.own["tries"][segment])
                key = key_data(
                    seed, "connect", string.name, level.level, string.rounds, compulsory, segment,
                    tries,
                )  # fmt: skip
                at = 0.5 if middle else float(string.seen.place[segment])
                off = off_segment(self.settings.jitter, tries)
                bends = not off and not middle
                new.append(_New(number, segment, key, lengths[segment], at, off, bends))
        if not new:
            return None
        points, bent = self._points(strings, new)
        descent = self._started(points, new)
        higher = [
            number
            for number in bent
            if not descent.value[number] < strings[new[number].owner].seen.upper[new[number].place]
        ]
        if higher:
            others = [new[number]._replace(bends=False) for number in higher]
            again = self._started(self._points(strings, others)[0], others)
            chosen = np.arange(len(new))
            chosen[higher] = len(new) + np.arange(len(higher))
            descent = (descent + again).take(chosen)
            for bead in others:
                strings[bead.owner].loss_evals += 1
        return Beads(
            np.array([bead.owner for bead in new]),
            np.array([bead.place for bead in new]),
            np.array([bead.fresh for bead in new]),
            descent,
        )

    def _started(self, points: Params, new: list[_New]) -> DescentState:
        keys, reaches = np.stack([bead.key for bead in new]), [bead.reach for bead in new]
        targets = np.full(len(new), self.level.target)
        return self.descender.start(points, keys, targets, np.array(reaches))

    def _points(self, strings: list[String], new: list[_New]) -> tuple[Params, list[int]]:
        """Where beads start, and the numbers of those that do so beside their segment."""
        points, bent = trees.empty(strings[0].points, len(new)), []
        for number, bead in enumerate(new):
            on = strings[bead.owner].points
            beside = on_cubic(on, bead.place, bead.at) if bead.bends else None
            bent += [number] if beside else []
            trees.put(points, number, beside or bead.start(on))
        return points, bent

    def absorb(self, string: String, beads: Beads) -> None:
        """Put the trained beads on their string."""
        descent, places, settings = beads.descent, beads.place, self.settings
        compulsory = self._is_compulsory(string)
        high = ~((descent.value <= self.level.level) & np.isfinite(descent.value))  # -inf is lost
        stayed = high & descent.stayed
        if not beads.fresh.all():
            tries, again = np.ones(len(beads), int), stayed
            replace_beads(string, places[~again], trees.items(descent.params, ~again))
            drop_beads(string, places[again])
        else:
            own = string.seen.own
            tries = np.where(high, own["tries"][places] + 1, 0)
            own["tries"][places] = tries
            string.rounds += not compulsory
            most = np.where(stayed, max(settings.retries, RESTARTS), settings.retries)
            again = high & (tries <= most) & (np.isfinite(descent.value) | stayed)
            insert_beads(string, places[~again], trees.items(descent.params, ~again))
        string.restarts += int((again & stayed).sum())
        failed = high & ~again
        bad = failed & ~np.isfinite(descent.value)
        if bad.any():
            why = f"{bad.sum()} of {len(beads)} beads became non-finite"
            string.terminate(Status.NON_FINITE, why + failure_hint(stayed[bad], BAD_HELP))
        elif failed.any():
            often = int(tries[failed].max())
            tried = f", tried {often} times," if often > 1 else ""
            string.terminate(
                Status.STUCK,
                f"{failed.sum()} of {len(beads)} beads of round {string.rounds}{tried} did not "
                f"reach the level in {self.descender.max_steps} steps (worst "
                f"{descent.value[failed].max():.6g}){failure_hint(stayed[failed], HIGH_HELP)}",
            )

    def _is_compulsory(self, string: String) -> bool:
        """Whether the string's next bead is its first midpoint."""
        return self.settings.first_midpoint and trees.count(string.points) == 2

    def _too_high(self, string: String) -> np.ndarray:
        """The beads above the level that the string began with, but for its ends."""
        if string.rounds:
            return np.array([], int)
        return np.flatnonzero(~(string.seen.values[1:, 0] <= self.level.level)) + 1

    def _plan(self, string: String) -> np.ndarray:
        """The segments that get a bead now; none when the string has come to an end."""
        max_rounds, max_beads = self.settings.max_rounds, self.settings.max_beads
        failing = string.seen.upper > self.level.limit
        if self._is_compulsory(string):
            return np.array([0])
        if not failing.any():
            string.terminate(
                Status.CONNECTED, "the certificate found more than the search had seen"
            )
        elif string.rounds >= max_rounds:
            string.terminate(Status.NOT_FOUND, f"max_rounds ({max_rounds}) spent")
        elif trees.count(string.points) + failing.sum() > max_beads:
            string.terminate(Status.NOT_FOUND, f"max_beads ({max_beads}) would be exceeded")
        if string.ended == Status.NOT_FOUND:
            string.reason += _unsuccessful(string.seen.own["tries"])
        return np.flatnonzero(failing) if string.ended is None else np.array([], int)


def _unsuccessful(tries: np.ndarray) -> str:
    often, count = int(tries.max()), int((tries > 0).sum())
    said = f"; {count} of the last round's beads did not reach the level, tried up to {often} times"
    return said if count else ""
