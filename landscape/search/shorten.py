"""Shorten a string inside its level set until its length stops moving.

First the beads go that a path below the limit can do without. Then the string is drawn taut, step
by step (landscape/search/shorten_qp.py). A step is as long as the landscape lets it be: ρ adapts to
the exact ℓ1 merit, and no step is taken that rises far above what is allowed (TUBE), so that the
string does not jump across what surrounds the level set. It begins with few beads: a sweep is cheap
then, and moves the string far. When its length hardly moves any more it lands: it comes below the
limit, and does nothing else. Where the level's metric has no gradient there are no constraints, and
ρ grows at the beads beside a piece that rises too high, until they hardly move and the others do: a
slower way, which leaves more of the excess length.

Then the string is certified, its beads are doubled, and it is shortened again, until its certified
length moves by less than the tolerance. Only a certified string is kept.
"""

from __future__ import annotations

import copy

import numpy as np

from landscape.core import large, paths, trees
from landscape.core.landscape import Landscape
from landscape.core.segments import SegmentEvaluator, typical_losses
from landscape.core.trees import Params
from landscape.search.prune import Pruning, prune
from landscape.search.shorten_qp import (
    LinearConstraints,
    Places,
    first_places,
    linearise_constraints,
    moved,
    next_places,
    qp_step,
    renewed,
    stacked,
)
from landscape.search.shortening import (
    GRADIENT,
    MARGIN,
    TUBE,
    Ended,
    Shortening,
    doubled,
    subdivided,
)

HELD = 0.8  # of the margin: how far above its aim a string may be to be certified
FAILURES = 6  # to be certified before more beads are tried
PENALTY = 1.5  # times the largest multiplier: the weight of what is too high, in the merit
FORGIVEN = 4  # steps back that the merit may be compared with
SHORTEST = 1 / 64  # nearest to a segment's ends that it is looked at
BLIND = np.append((np.arange(6) + 0.5) / 6, 0.5)  # where, each time, if there is no gradient
SEGMENTS = 4  # of the first string, at least: few are cheap, and move far
BLIND_SEGMENTS = 8  # the same, if there is no gradient
STIFF = 1.0  # ρ at first; the Laplacian's eigenvalues lie between π²/n² and 4
SOFTER, STIFFER = 0.4, 4.0  # after a step that is taken, after one that is not
STIFFEST = 2.0**20
WIDE = 4.0  # margins below the limit a string aims first, and a tightening, to save certificates
NARROW = 0.1  # its tube: it has no time to come back from afar
FEWEST = 6  # sweeps of a tightening, or it moves nothing
LAST = 16  # sweeps of the budget, a third of it at most, that bring a string below its aim
STILL = 1e3  # ρ of a string that only comes below its aim
AGAIN = 1.25  # times the margin, after a certificate that failed
CUTS = 6  # rows a segment that are kept of steps before, at most
WINDOW = 10  # steps in which the length must move by less than
CALM = 0.2  # of the tolerance, before beads are doubled
MOST_PROMISED = 1.0  # of the tolerance: what the linearised level may promise of a converged string


class Shortener:
    """Shortens strings of one landscape together, a sweep at a time.

    tolerance: relative, of the certified length when the beads are doubled.
    """

    def __init__(
        self,
        landscape: Landscape,
        peaks: SegmentEvaluator,
        tolerance: float,
    ) -> None:
        self.peaks, self.tolerance = peaks, tolerance
        self.losses = typical_losses(peaks.grid)
        self.differentiable = landscape.differentiable_level is not None
        self.looks = linearise_constraints(landscape)

    def evaluated_by(self, peaks: SegmentEvaluator) -> Shortener:
        """The same programs, with another evaluator of the same grid."""
        other = copy.copy(self)
        other.peaks = peaks
        return other

    def start(
        self,
        name: str,
        points: Params,
        limit: float,
        ends: list[float],
        max_beads: int,
        max_sweeps: int,
    ) -> Shortening:
        """points: a string that is certified below the limit; ends: the loss at its ends."""
        known = self.peaks.at(points)
        pruning = Pruning(points, known)
        prune([pruning], self.peaks, limit)
        fewer = pruning.points
        # a step that can only be refused takes beads that stand close
        cut = (
            subdivided(fewer, SEGMENTS)
            if self.differentiable
            else subdivided(points, BLIND_SEGMENTS)
        )
        started = self._started(name, points, fewer, cut, limit, ends, max_beads, max_sweeps)
        started.loss_evals = pruning.losses + int((~np.isnan(known)).sum())
        started.margin = WIDE * MARGIN
        return started

    def tighten(
        self, name: str, points: Params, pruning: Pruning, limit: float, max_cost: int
    ) -> Shortening:
        """The same with no more beads than pruning has left, at most at that cost in losses, with
        the pruning. Where the level has no gradient, or memory no room for gradients along the
        string, nothing else is done."""
        fewer, losses = pruning.points, pruning.losses
        ends = [float(pruning.known[0]), float(pruning.known[-1])]
        segments = trees.count(fewer) - 1
        left = max_cost - losses - 2 * self.losses * segments
        moves = self.differentiable and not large.is_large(trees.nbytes(fewer))
        sweeps = max(0, left // (GRADIENT * segments)) if moves else 0
        started = self._started(name, points, fewer, fewer, limit, ends, trees.count(fewer), sweeps)
        started.loss_evals, started.max_cost = losses, max_cost
        started.margin, started.tube = WIDE * MARGIN, NARROW
        if sweeps < FEWEST and started.ended is None:
            started.lengths, started.ended = [paths.length(fewer)], Ended.BUDGET
        return started

    def _started(
        self,
        name: str,
        points: Params,
        fewer: Params,
        cut: Params,
        limit: float,
        ends: list[float],
        max_beads: int,
        max_sweeps: int,
    ) -> Shortening:
        """points: as found; fewer: without the beads that it can do without; cut: in the segments
        that are to move."""
        length, beads = paths.length(points), trees.count(cut)
        shortening = Shortening(
            name, limit, cut, cut, fewer, ends, np.full(beads - 1, np.nan), max_beads, max_sweeps,
            stiffness=np.full(beads, STIFF), held=np.zeros(beads, bool),
            history=[[0.0, 0.0, float(trees.count(points)), length, 1.0]],
        )  # fmt: skip
        if trees.count(fewer) == 2 or length == 0:  # nothing is shorter than a straight segment
            shortening.lengths, shortening.ended = [paths.length(fewer)] * 2, Ended.CONVERGED
        return shortening

    def sweep(self, strings: list[Shortening]) -> None:
        """A step of every string that has not ended, taken where it does not rise too high."""
        new = [s for s in strings if s.ended is None and not s.fresh]
        places = [self._places(s, s.points, s.seen) for s in new]
        looked = self._look(new, [s.points for s in new], places)
        for string, seen in zip(new, looked, strict=True):
            string.seen = renewed(seen, string.seen) if string.seen else seen
            string.fresh = len(seen["place"])
        going = [s for s in strings if s.ended is None]
        for string in filter(self._lands, going):
            string.stiffness = np.maximum(string.stiffness, STILL)
        rows = [stacked(s.seen, s.cuts) for s in going]
        steps = [
            qp_step(s.points, own, s.stiffness, s.held) for s, own in zip(going, rows, strict=True)
        ]
        places = [
            self._places(s, points, moved(s.seen, s.points, points))
            for s, (points, _) in zip(going, steps, strict=True)
        ]
        looked = self._look(going, [points for points, _ in steps], places)
        for string, own, (points, multipliers), seen in zip(
            going, rows, steps, looked, strict=True
        ):
            string.penalty = max(PENALTY * multipliers.max(), string.penalty)
            active = trees.take(own, np.flatnonzero(multipliers > 0))
            string.sweeps += 1
            self._judge(string, points, seen, active)
            settled = self._settled(string)
            if settled or string.sweeps >= string.max_sweeps:
                self._certify(string)
            if string.ended is None and string.sweeps >= string.max_sweeps:
                self._spend(string)

    def _places(self, string: Shortening, points: Params, seen: LinearConstraints) -> Places:
        """Where the segments are looked at; `seen`: what is known of them, where they stand now."""
        segments = trees.count(points) - 1
        asked = np.isfinite(string.extra)
        if not self.differentiable:
            places = np.tile(BLIND, (segments, 1))
            places[asked, -1] = string.extra[asked]
            return np.repeat(np.arange(segments), len(BLIND)), places.ravel()
        if not seen:
            return first_places(segments)
        oldest = string.sweeps % 2 == 1 and not self._lands(string)
        segment, place = next_places(points, seen, self._allowed(string, points), oldest)
        place[asked] = string.extra[asked]
        string.extra = np.full(segments, np.nan)
        moving = self._moving(string)
        return segment[moving], place[moving]

    def _settled(self, string: Shortening) -> bool:
        """Whether nothing more is to be gained with this number of beads."""
        if string.stiffness.min() > STIFFEST:
            return True
        if self._lands(string):
            return self._holds(string)
        energies = np.array([energy for energy, _ in string.recent])
        if len(energies) <= WINDOW:
            return False
        moved_by = abs(energies[:-WINDOW].min() - energies[-WINDOW:].min())
        calm = moved_by < 2 * CALM * self.tolerance * energies[-1]  # energy goes as length²
        string.landing = bool(calm and self.differentiable)
        return bool(calm and self._holds(string))

    def _spend(self, string: Shortening) -> None:
        string.ended, string.reason = Ended.BUDGET, f"max_sweeps ({string.max_sweeps}) spent"

    def _is_last(self, string: Shortening) -> bool:
        last = min(LAST, string.max_sweeps // 3)
        return self.differentiable and string.sweeps >= string.max_sweeps - last

    def _lands(self, string: Shortening) -> bool:
        return string.landing or self._is_last(string)

    def _merits(self, string: Shortening) -> np.ndarray:
        """Energy and penalised excess after the latest steps (the exact ℓ1 merit function)."""
        recent = np.array(string.recent)
        return recent[:, 0] + string.penalty * recent[:, 1] if len(recent) else np.array([])

    def _moving(self, string: Shortening) -> np.ndarray:
        """Which segments [segments] may move: the others hold, by the last certificate."""
        return ~(string.held[1:] & string.held[:-1])

    def _holds(self, string: Shortening) -> bool:
        """Whether it is low enough to be certified, as far as it was seen."""
        held = HELD * string.margin * abs(string.limit) if self.differentiable else 0.0
        above = string.seen["above"][self._moving(string)[string.seen["segment"]]]
        return bool(above.max() <= held)

    def _look(
        self, strings: list[Shortening], points: list[Params], places: list[Places]
    ) -> list[LinearConstraints]:
        if not strings:
            return []
        for string, (segment, _) in zip(strings, places, strict=True):
            string.grad_evals += len(segment) if self.differentiable else 0
        allowed = [self._allowed(s, tried) for s, tried in zip(strings, points, strict=True)]
        return self.looks(list(zip(points, places, allowed, strict=True)))

    def _allowed(self, string: Shortening, points: Params) -> np.ndarray:
        """Where an end is above the aim, the first segment comes down from it."""
        aim = string.limit - string.margin * abs(string.limit)
        allowed = np.full(trees.count(points), aim)
        allowed[[0, -1]] = np.maximum(aim, string.ends)
        return allowed

    def _judge(
        self, string: Shortening, points: Params, seen: LinearConstraints, active: LinearConstraints
    ) -> None:
        """Take the step, or make the next one stiffer and, where it was too high, turn it."""
        here, there, segments = string.seen, seen, trees.count(points) - 1
        if self.differentiable:
            there = renewed(seen, moved(here, string.points, points))
        # where it stands is judged by what is known now, as where it goes is
        string.recent = [*string.recent[:-1], _merit(string.points, here), _merit(points, there)]
        merits = self._merits(string)
        if self.differentiable:
            tube = max(string.tube * abs(string.limit), here["above"].max())
            taken = merits[-1] < merits[-1 - FORGIVEN : -1].max() and seen["above"].max() <= tube
        else:
            taken = seen["above"].max() <= 0
        most = slice(CUTS * segments)
        if taken:
            string.cuts = trees.take(moved(active, string.points, points), most)
            string.seen = there
            string.points, string.fresh = points, len(seen["place"])
            slowest = (np.pi / segments) ** 2  # eigenvalue of the Laplacian
            string.stiffness = np.maximum(string.stiffness * SOFTER, slowest / 100)
            string.recent = string.recent[-2 * WINDOW :]
            length = paths.length(points)
            string.history.append([string.sweeps, string.grad_evals, segments + 1, length, 0])
            return
        string.recent.pop()
        high = (seen["excess"] > 0) & np.isfinite(seen["excess"])
        beside: slice | np.ndarray = slice(None)
        if self.differentiable:
            new = moved(trees.take(seen, np.flatnonzero(high)), points, string.points)
            string.cuts = trees.take(stacked(new, string.cuts), most)
        else:
            segment = seen["segment"][seen["above"] > 0]
            beside = np.concatenate([segment, segment + 1])
        string.stiffness = string.stiffness.copy()
        string.stiffness[beside] = np.minimum(string.stiffness[beside] * STIFFER, 2 * STIFFEST)

    def _certify(self, string: Shortening) -> None:
        """Keep the string if it holds, and double its beads or end; otherwise aim lower, and look
        where it was too high."""
        new, losses = np.flatnonzero(~string.held), np.full(len(string.held), np.nan)
        losses[new] = self.peaks.at(trees.take(string.points, new))
        lefts, rights = (trees.take(string.points, part) for part in (slice(-1), slice(1, None)))
        ends = np.stack([losses[:-1], losses[1:]], axis=1)
        found = self.peaks(lefts, rights, string.limit, ends=ends)
        upper = found.maximum + found.change
        string.loss_evals += int(found.losses[self._moving(string)].sum())
        string.loss_evals += int((~np.isnan(losses)).sum())
        beads, length = trees.count(string.points), paths.length(string.points)
        stuck = not self._holds(string)
        string.recent, string.penalty = [], 0.0
        if not self.differentiable:
            string.stiffness = np.minimum(string.stiffness, STIFF)
        string.held = np.zeros(beads, bool)
        if upper.max() <= string.limit:
            string.history.append([string.sweeps, string.grad_evals, beads, length, 1])
            string.safe = string.points
            string.lengths.append(length)
            if length < paths.length(string.kept):
                string.kept = string.points
            if self._is_last(string):
                self._spend(string)
            elif length == 0 or (string.change is not None and string.change < self.tolerance):
                self._stop(string)
            else:
                self._double(string, "max_beads ({}) spent")
            return
        string.failures += 1
        high = np.flatnonzero(upper > string.limit)
        again = self.losses * min(beads - 1, 3 * len(high))  # looked at once more
        left = string.affordable_sweeps(again) - 1
        string.max_sweeps = min(string.max_sweeps, string.sweeps + max(left, 0))
        if string.failures > FAILURES or left < 1:
            self._double(string, "not certified with max_beads ({})")
            return
        place = np.clip(found.place[high], SHORTEST, 1 - SHORTEST)
        string.extra[high], string.fresh = place, 0  # looked at once more where it stands
        if stuck or not self.differentiable:  # nothing would bring it down
            string.points, string.tube = string.safe, string.tube / 4
            string.landing = False
            if self.differentiable:
                string.stiffness = np.full(beads, STIFF)
            string.seen, string.cuts = {}, {}
        else:
            string.margin *= AGAIN
            string.landing = True
            string.held[:] = True
            string.held[np.concatenate([high, high + 1])] = False

    def _stop(self, string: Shortening) -> None:
        """End where the length has stopped moving."""
        near = paths.length(string.kept) <= (1 + self.tolerance) * paths.chord(string.kept)
        sure = self.differentiable and self._promised(string) < MOST_PROMISED * self.tolerance
        string.ended = Ended.CONVERGED if near or sure else Ended.STALLED
        if string.ended == Ended.STALLED:
            why = "steps are refused" if self.differentiable else "the metric has no gradient"
            string.reason = f"{why}: a much shorter string may be there"

    def _promised(self, string: Shortening) -> float:
        """By which part the length would fall if the constraints were the level, at the least ρ
        at which the slowest mode still moves freely."""
        slowest = np.full(trees.count(string.points), (np.pi / trees.count(string.points)) ** 2)
        rows = stacked(string.seen, string.cuts)
        points, _ = qp_step(string.points, rows, slowest, string.held)
        after, now = (
            float(np.sum(paths.segment_lengths(at) ** 2)) for at in (points, string.points)
        )
        return (1 - after / now) / 2 if now > 0 else 0.0

    def _double(self, string: Shortening, otherwise: str) -> None:
        """Go on with twice the segments, or end with this reason."""
        beads = 2 * trees.count(string.points) - 1
        if beads > string.max_beads:
            string.ended, string.reason = Ended.BUDGET, otherwise.format(string.max_beads)
            return
        string.points, string.safe = doubled(string.points), doubled(string.safe)
        if not self.differentiable:
            string.points = string.safe
        string.extra, string.fresh = np.full(beads - 1, np.nan), 0
        string.seen, string.cuts = {}, {}
        string.stiffness = np.full(beads, STIFF if self.differentiable else string.stiffness.max())
        string.held, string.landing = np.zeros(beads, bool), False
        string.tube, string.margin, string.failures = TUBE, MARGIN, 0


def _merit(points: Params, seen: LinearConstraints) -> list[float]:
    """The energy ½ Σ ‖θ_{i+1} − θ_i‖², and the excess of all segments, each where it is worst."""
    worst = np.zeros(trees.count(points) - 1)
    np.maximum.at(worst, seen["segment"], np.asarray(seen["excess"], float))
    return [0.5 * float(np.sum(paths.segment_lengths(points) ** 2)), float(worst.sum())]


def finish(shortener: Shortener, strings: list[Shortening]) -> list[Shortening]:
    """Sweep until every string has ended."""
    while any(string.ended is None for string in strings):
        shortener.sweep(strings)
    return strings
