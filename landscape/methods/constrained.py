"""The constrained, breadth-first string (Freeman & Bruna 2017, App. B).

All beads of a string stand at one instantaneous level, which falls from the straight segment's
maximum to the level asked for. A bead is held on the hyperplane equidistant from its neighbours,
which every path between them crosses: a bead that cannot come down on it hints at a barrier there
long before a budget is spent, though it may only be a poor minimum of the hyperplane.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from landscape.core import trees
from landscape.core.certificate import SegmentEvaluator
from landscape.core.keys import key_data
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.core.trees import Params
from landscape.search.descend import Descender, DescentState
from landscape.search.state import Method, Search, String
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
    terminate,
)

FALL = 0.5  # of what the instantaneous level still has to fall, each time
NEAR = 0.05  # of the level: from here on, the level itself
EPSILON = 1e-7
PERSISTENT = 2  # splits: one alone also happens where a path is found
ROUNDED = 0.05  # of the chord: where the cosine's 0/0 at the midpoint is rounded off


def _dot(a: Params, b: Params) -> jax.Array:
    return sum((jnp.vdot(a[name], b[name]) for name in a), jnp.zeros(()))


def _minus(a: Params, b: Params) -> Params:
    return jax.tree.map(lambda x, y: x - y, a, b)


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
        chord, total = _minus(right, left), jnp.zeros(())
        square = _dot(chord, chord) + EPSILON**2
        if self.zeta:
            for other in (left, right):
                away = _minus(params, other)
                total += self.zeta * jnp.sqrt(_dot(away, away) + EPSILON**2)
        if self.kappa != "project" and self.kappa > 0:
            away = _minus(params, trees.lerp(left, right, 0.5))
            norms = jnp.sqrt((_dot(away, away) + ROUNDED**2 * square) * square)
            total += self.kappa * abs(_dot(chord, away)) / norms
        return total

    def project(self, update: Params, fixed: Params) -> Params:
        if self.kappa != "project":
            return update
        left, right = _ends(fixed)
        chord = _minus(right, left)
        along = _dot(chord, update) / (_dot(chord, chord) + EPSILON**2)
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


def constrained(
    *,
    descend: Callable[[Springs], Descender],
    peaks: SegmentEvaluator,
    band: LevelSpec,
    seed: int,
    max_rounds: int = 10,
    max_beads: int = 257,
    jitter: float = 0.0,
    zeta: float = 0.0,
    kappa: float | Literal["project"] = "project",
    **_: Any,
) -> Method:
    """Bind the constrained string to a landscape and a level.

    A segment above the instantaneous level gets a bead in its middle; max_rounds is how often one
    segment may be split, again and again. A new bead that could not leave its start is begun anew
    off its segment (landscape/search/strings.py). zeta, kappa: see `Springs`. Ends NOT_FOUND when
    max_rounds or max_beads is spent, STUCK when a bead cannot come down to the instantaneous level,
    NON_FINITE when a bead's loss does not stay finite; the reason tells what persisted.
    """
    springs = Springs(zeta, kappa)
    descender = descend(springs)

    def begin(search: Search) -> None:
        evaluate_new_segments(search.active, peaks, band.limit)
        batch: list[tuple[int, int, bool, Params, Params, Params]] = []
        for number, string in enumerate(search.strings):
            if string.ended is None:
                batch += [(number, *item) for item in _next(string)]
        if not batch:
            return
        owners, beads, fresh, starts, lefts, rights = zip(*batch, strict=True)
        strings = [search.strings[number] for number in owners]
        keys = [
            key_data(seed, "constrained", s.name, band.level, len(s.frames), new, bead)
            for s, bead, new in zip(strings, beads, fresh, strict=True)
        ]
        targets = np.array([band.at(s.level or 0.0).target for s in strings])
        fixed = _neighbours(trees.stack(lefts), trees.stack(rights))
        apart = [
            np.sqrt(sum(np.sum(np.square(right[k] - left[k])) for k in left))
            for left, right in zip(lefts, rights, strict=True)
        ]
        descent = descender.start(
            trees.stack(starts), np.stack(keys), targets, np.array(apart), fixed
        )
        search.pending = {
            "owner": list(owners),
            "bead": list(beads),
            "fresh": list(fresh),
            "descent": descent,
        }

    def _next(string: String) -> list[tuple[int, bool, Params, Params, Params]]:
        """The beads to let down now: of segments above the instantaneous level, or, when there
        are none, the beads above the next one. Nothing when the string has come to an end."""
        upper = string.known["upper"]
        if string.level is None:
            values = np.append(upper, string.known["values"])
            string.level = float(values[np.isfinite(values)].max(initial=band.level))
            string.known |= {name: np.zeros(len(upper)) for name in ("depth", "persisted", "tries")}
            string.known["parent"] = np.full(len(upper), np.inf)
        record_round(string, string.level)
        while not (upper > band.at(string.level).limit).any():
            if string.level <= band.level:
                string.frames[-1]["facts"][1] = string.level
                why = "the certificate found more than the search had seen"
                terminate(string, Status.CONNECTED, why)
                return []
            ahead = (string.level - band.level) * FALL
            near = ahead <= max(NEAR * abs(band.level), EPSILON)
            string.level = band.level if near else band.level + ahead
            beads = _above(string, band.at(string.level).target)
            if len(beads):
                return [_bead(string, int(bead)) for bead in beads]
        return _insertions(string)

    def _above(string: String, target: float) -> np.ndarray:
        values = string.known["values"]
        return 1 + np.flatnonzero(values[1:, 0] > target)

    def _bead(string: String, bead: int) -> tuple[int, bool, Params, Params, Params]:
        here, left, right = (trees.take(string.points, bead + step) for step in (0, -1, 1))
        return bead, False, _held(here, left, right), left, right

    def _held(here: Params, left: Params, right: Params) -> Params:
        """The bead on its hyperplane, if it has to be there."""
        if kappa != "project":
            return here
        middle = trees.lerp(left, right, 0.5)
        offset = springs.project(_minus(here, middle), _neighbours(left, right))
        return jax.tree.map(lambda m, o, h: np.asarray(m + o, h.dtype), middle, offset, here)

    def _insertions(string: String) -> list[tuple[int, bool, Params, Params, Params]]:
        assert string.level is not None
        known, limit = string.known, band.at(string.level).limit
        failing = np.flatnonzero(known["upper"] > limit)
        new = failing[known["tries"][failing] == 0]
        if trees.count(string.points) + len(failing) > max_beads:
            terminate(string, Status.NOT_FOUND, f"max_beads ({max_beads}) would be exceeded")
        elif known["depth"][new].max(initial=0) >= max_rounds:
            terminate(string, Status.NOT_FOUND, f"max_rounds ({max_rounds}) spent on one segment")
        if string.ended is not None:
            string.reason += f" at the instantaneous level {string.level:.6g}" + _persistent(string)
            return []
        excess, before = (known[name][new] - limit for name in ("upper", "parent"))
        known["persisted"][new] = np.where(excess > before / 2, known["persisted"][new] + 1, 0)
        known["parent"][new] = known["upper"][new]
        known["depth"][new] += 1
        items = []
        for segment in map(int, failing):
            left, right = (trees.take(string.points, segment + step) for step in (0, 1))
            key = key_data(seed, "jitter", string.name, band.level, len(string.frames), segment)
            off = off_segment(jitter, int(known["tries"][segment]))
            start = new_bead(left, right, 0.5, off, key)
            items.append((segment, True, _held(start, left, right), left, right))
        return items

    def _persistent(string: String) -> str:
        """The early sign: a segment whose splits, one within the other, do not lower it."""
        above = string.known["upper"] > band.at(string.level or 0.0).limit
        persisted = np.where(above, string.known["persisted"], 0)
        worst = int(persisted.argmax())
        times = int(persisted[worst])
        if times < PERSISTENT:
            return ""
        return (
            f"; segment {worst + 1} of {len(string.known['upper'])} persists: {times} splits "
            "running, one within the other, did not halve its excess "
            f"({string.known['upper'][worst]:.6g} at {highest_at(string, worst):.4f} of the string)"
        )

    def absorb(search: Search, descent: DescentState) -> None:
        assert search.pending is not None
        owner, bead, fresh = (np.array(search.pending[name]) for name in ("owner", "bead", "fresh"))
        for number in np.unique(owner):
            string, mine = search.strings[number], np.flatnonzero(owner == number)
            values, beads = descent.value[mine], trees.take(descent.params, mine)
            sign = _persistent(string)
            high = ~(values <= string.level)
            stayed, again = high & descent.stayed[mine], np.zeros(len(mine), bool)
            if fresh[mine[0]]:
                segments, tries = bead[mine], string.known["tries"]
                again = stayed & (tries[segments] < RESTARTS)
                tries[segments] = np.where(again, tries[segments] + 1, 0)
                insert_beads(string, segments[~again], trees.take(beads, ~again))
                string.rounds = int(string.known["depth"].max())
                string.restarts += int(again.sum())
            else:
                replace_beads(string, bead[mine], beads)
            failed = high & ~again
            bad = failed & ~np.isfinite(values)
            if bad.any():
                why = f"{bad.sum()} of {len(mine)} beads became non-finite"
                terminate(string, Status.NON_FINITE, why + failure_hint(stayed[bad], BAD_HELP))
            elif failed.any():
                terminate(
                    string,
                    Status.STUCK,
                    f"{failed.sum()} of {len(mine)} beads did not come down to the instantaneous "
                    f"level {string.level:.6g} in {descender.max_steps} steps (worst "
                    f"{values[failed].max():.6g}){sign}{failure_hint(stayed[failed], HIGH_HELP)}",
                )

    return in_rounds(descender, begin, absorb)
