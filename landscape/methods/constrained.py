"""The constrained, breadth-first string (Freeman & Bruna 2017, App. B).

All beads of a string stand at one instantaneous level, which falls from the straight segment's
maximum to the level asked for. A bead is held on the hyperplane equidistant from its neighbours,
which every path between them crosses: a bead that cannot descend on it hints at a barrier there
long before a budget is spent, though it may only be a poor minimum of the hyperplane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic import Field

from landscape.core import trees
from landscape.core.keys import key_data
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.core.trees import Params
from landscape.methods.base import Method
from landscape.search.state import Beads, Problem, Stepper, String
from landscape.search.strings import (
    BAD_HELP,
    HIGH_HELP,
    RESTARTS,
    evaluate_new_segments,
    failure_hint,
    highest_at,
    in_rounds,
    insert_beads,
    new_bead,
    off_segment,
    record_round,
    replace_beads,
)

FALL = 0.5  # of what the instantaneous level still has to fall, each time
LAST_FALL = 0.05  # of the level: from here on, the level itself
EPSILON = 1e-7
PERSISTENT = 2  # splits: one alone also happens where a path is found
ROUNDED = 0.05  # of the chord: where the cosine's 0/0 at the midpoint is rounded off


@dataclass(frozen=True)
class Springs:
    """ζ(‖θ − θ₋‖ + ‖θ₊ − θ‖) + κ|cos(θ₊ − θ₋, θ − (θ₋ + θ₊)/2)|; κ = `project` is its limit, a
    projection on the hyperplane. θ₋ and θ₊ are the neighbours when the bead begins to move.

    The publication prints the midpoint with a minus sign, a slip; and at the midpoint, where beads
    start, its cosine jumps, so here ‖θ − (θ₋ + θ₊)/2‖² is increased by (ROUNDED·‖θ₊ − θ₋‖)².
    """

    zeta: float
    kappa: float | Literal["project"]

    def penalty(self, params: Params, fixed: Params) -> jax.Array:
        left, right = _ends(fixed)
        chord, total = optax.tree.sub(right, left), jnp.zeros(())
        square = optax.tree.vdot(chord, chord) + EPSILON**2
        if self.zeta:
            for other in (left, right):
                away = optax.tree.sub(params, other)
                total += self.zeta * jnp.sqrt(optax.tree.vdot(away, away) + EPSILON**2)
        if self.kappa != "project" and self.kappa > 0:
            away = optax.tree.sub(params, trees.lerp(left, right, 0.5))
            norms = jnp.sqrt((optax.tree.vdot(away, away) + ROUNDED**2 * square) * square)
            total += self.kappa * abs(optax.tree.vdot(chord, away)) / norms
        return total

    def project(self, update: Params, fixed: Params) -> Params:
        if self.kappa != "project":
            return update
        left, right = _ends(fixed)
        chord = optax.tree.sub(right, left)
        along = optax.tree.vdot(chord, update) / (optax.tree.vdot(chord, chord) + EPSILON**2)
        return jax.tree.map(lambda u, c: u - along * c, update, chord)


def _neighbours(left: Params, right: Params) -> Params:
    both = {"left": left, "right": right}
    return {f"{side}.{name}": leaf for side in both for name, leaf in both[side].items()}


def _ends(fixed: Params) -> tuple[Params, Params]:
    left, right = (
        {name[len(side) :]: leaf for name, leaf in fixed.items() if name.startswith(side)}
        for side in ("left.", "right.")
    )
    return left, right


class Constrained(Method):
    """The constrained string: all beads of a string at one instantaneous level, which falls.

    A segment above the instantaneous level gets a bead in its middle. A bead that cannot leave its
    place starts again off its segment. It ends NOT_FOUND when max_rounds or max_beads is spent,
    STUCK when a bead cannot reach the instantaneous level, and NON_FINITE when the loss of a bead
    does not stay finite. The reason tells what persisted.

    References:
        Freeman & Bruna 2017, App. B.
    """

    name: ClassVar[str] = "constrained"

    max_rounds: Annotated[int, Field(ge=0)] = 10
    """How often one segment may be split, again and again."""
    jitter: Annotated[float, Field(ge=0)] = 0.0
    """How far off the segment a bead starts, in lengths of the segment."""
    zeta: Annotated[float, Field(ge=0)] = 0.0
    """The strength of the springs between a bead and its neighbours."""
    kappa: Annotated[float, Field(ge=0)] | Literal["project"] = "project"
    """The weight of the publication's cosine; `project`: a bead is held on the hyperplane
    between its neighbours."""

    def bind(self, problem: Problem, level: LevelSpec) -> Stepper:
        search = _Search(self, problem, level)
        return in_rounds(search.descender, search.begin, search.absorb)


class _Bead(NamedTuple):
    """A bead to let down: on segment `place` where it is fresh, or bead `place` of its string;
    where it starts, and its neighbours."""

    place: int
    fresh: bool
    start: Params
    left: Params
    right: Params


class _Search:
    """The constrained string at one level."""

    def __init__(self, settings: Constrained, problem: Problem, level: LevelSpec) -> None:
        self.settings, self.problem, self.level = settings, problem, level
        self.springs = Springs(settings.zeta, settings.kappa)
        self.descender = problem.descend(self.springs)

    def begin(self, strings: list[String]) -> Beads | None:
        evaluate_new_segments(strings, self.problem.evaluate, self.level.limit)
        batch = [(number, bead) for number, s in enumerate(strings) for bead in self._next(s)]
        if not batch:
            return None
        owners, beads = zip(*batch, strict=True)
        own = [strings[number] for number in owners]
        keys = [
            key_data(
                self.problem.seed, "constrained", s.name, self.level.level, len(s.history),
                bead.fresh, bead.place,
            )
            for s, bead in zip(own, beads, strict=True)
        ]  # fmt: skip
        targets = np.array([self.level.at(s.level or 0.0).target for s in own])
        fixed = _neighbours(
            trees.stack([bead.left for bead in beads]), trees.stack([bead.right for bead in beads])
        )
        apart = [
            np.sqrt(sum(np.sum(np.square(bead.right[k] - bead.left[k])) for k in bead.left))
            for bead in beads
        ]
        starts = trees.stack([bead.start for bead in beads])
        descent = self.descender.start(starts, np.stack(keys), targets, np.array(apart), fixed)
        places, fresh = ([getattr(bead, name) for bead in beads] for name in ("place", "fresh"))
        return Beads(np.array(owners), np.array(places), np.array(fresh), descent)

    def absorb(self, string: String, beads: Beads) -> None:
        descent, places = beads.descent, beads.place
        sign = self._persistent(string)
        high = ~(descent.value <= string.level)
        stayed, again = high & descent.stayed, np.zeros(len(beads), bool)
        if beads.fresh[0]:
            tries = string.seen.own["tries"]
            again = stayed & (tries[places] < RESTARTS)
            tries[places] = np.where(again, tries[places] + 1, 0)
            insert_beads(string, places[~again], trees.items(descent.params, ~again))
            string.rounds = int(string.seen.own["depth"].max())
            string.restarts += int(again.sum())
        else:
            replace_beads(string, places, descent.params)
        failed = high & ~again
        bad = failed & ~np.isfinite(descent.value)
        if bad.any():
            why = f"{bad.sum()} of {len(beads)} beads became non-finite"
            string.terminate(Status.NON_FINITE, why + failure_hint(stayed[bad], BAD_HELP))
        elif failed.any():
            string.terminate(
                Status.STUCK,
                f"{failed.sum()} of {len(beads)} beads did not reach the instantaneous "
                f"level {string.level:.6g} in {self.descender.max_steps} steps (worst "
                f"{descent.value[failed].max():.6g}){sign}"
                f"{failure_hint(stayed[failed], HIGH_HELP)}",
            )

    def _next(self, string: String) -> list[_Bead]:
        """The beads to let down now: of segments above the instantaneous level, or, when there
        are none, the beads above the next one. Nothing when the string has come to an end."""
        known, lowest = string.seen, self.level.level
        if string.level is None:
            values = np.append(known.upper, known.values)
            string.level = float(values[np.isfinite(values)].max(initial=lowest))
            zeros = ("depth", "persisted", "tries")
            known.own |= {name: np.zeros(len(known.upper)) for name in zeros}
            known.own["parent"] = np.full(len(known.upper), np.inf)
        record_round(string, string.level)
        while not (known.upper > self.level.at(string.level).limit).any():
            if string.level <= lowest:
                string.history[-1].level = string.level
                why = "the certificate found more than the search had seen"
                string.terminate(Status.CONNECTED, why)
                return []
            ahead = (string.level - lowest) * FALL
            near = ahead <= max(LAST_FALL * abs(lowest), EPSILON)
            string.level = lowest if near else lowest + ahead
            target = self.level.at(string.level).target
            above = 1 + np.flatnonzero(known.values[1:, 0] > target)
            if len(above):
                return [self._bead(string, int(bead)) for bead in above]
        return self._insertions(string)

    def _bead(self, string: String, bead: int) -> _Bead:
        here, left, right = (trees.take(string.points, bead + step) for step in (0, -1, 1))
        return _Bead(bead, False, self._held(here, left, right), left, right)

    def _held(self, here: Params, left: Params, right: Params) -> Params:
        """The bead on its hyperplane, if it has to be there."""
        if self.settings.kappa != "project":
            return here
        middle = trees.lerp(left, right, 0.5)
        offset = self.springs.project(optax.tree.sub(here, middle), _neighbours(left, right))
        return jax.tree.map(lambda m, o, h: np.asarray(m + o, h.dtype), middle, offset, here)

    def _insertions(self, string: String) -> list[_Bead]:
        assert string.level is not None
        known, limit = string.seen, self.level.at(string.level).limit
        own, max_beads, max_rounds = known.own, self.settings.max_beads, self.settings.max_rounds
        failing = np.flatnonzero(known.upper > limit)
        new = failing[own["tries"][failing] == 0]
        if trees.count(string.points) + len(failing) > max_beads:
            string.terminate(Status.NOT_FOUND, f"max_beads ({max_beads}) would be exceeded")
        elif own["depth"][new].max(initial=0) >= max_rounds:
            string.terminate(Status.NOT_FOUND, f"max_rounds ({max_rounds}) spent on one segment")
        if string.ended is not None:
            string.reason += f" at the instantaneous level {string.level:.6g}"
            string.reason += self._persistent(string)
            return []
        excess, before = known.upper[new] - limit, own["parent"][new] - limit
        own["persisted"][new] = np.where(excess > before / 2, own["persisted"][new] + 1, 0)
        own["parent"][new] = known.upper[new]
        own["depth"][new] += 1
        beads = []
        for segment in map(int, failing):
            left, right = (trees.take(string.points, segment + step) for step in (0, 1))
            key = key_data(
                self.problem.seed, "jitter", string.name, self.level.level, len(string.history),
                segment,
            )  # fmt: skip
            off = off_segment(self.settings.jitter, int(own["tries"][segment]))
            start = new_bead(left, right, 0.5, off, key)
            beads.append(_Bead(segment, True, self._held(start, left, right), left, right))
        return beads

    def _persistent(self, string: String) -> str:
        """The early sign: a segment whose splits, one within the other, do not lower it."""
        known = string.seen
        above = known.upper > self.level.at(string.level or 0.0).limit
        persisted = np.where(above, known.own["persisted"], 0)
        worst = int(persisted.argmax())
        times = int(persisted[worst])
        if times < PERSISTENT:
            return ""
        return (
            f"; segment {worst + 1} of {len(known.upper)} persists: {times} splits "
            "running, one within the other, did not halve its excess "
            f"({known.upper[worst]:.6g} at {highest_at(string, worst):.4f} of the string)"
        )
