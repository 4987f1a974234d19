"""The driver of every method: step until all strings have ended, then let the certificate judge."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from landscape.core import paths, trees
from landscape.core.certificate import Certificate, certify
from landscape.core.level import LevelSpec
from landscape.core.segments import SegmentEvaluator
from landscape.core.status import Status
from landscape.core.trees import Params
from landscape.search.state import Search, Stepper, String
from landscape.search.strings import known_losses

NAMED = 5  # beads that a reason names
COINCIDE = "the ends coincide, in what lengths are over: there is no normalised length"


@dataclass(frozen=True)
class Connection:
    """A string with its verdict. Lengths are over the same parameters as the chord; length_found:
    before it was drawn tight."""

    string: String
    status: Status
    reason: str
    certificate: Certificate
    length: float
    chord: float
    length_found: float

    @property
    def beads_found(self) -> int:
        """Both ends counted, before it was drawn tight."""
        tightening = self.string.tightening
        return int(tightening.history[0][2]) if tightening else self.beads

    @property
    def beads(self) -> int:
        """Both ends counted."""
        return trees.count(self.string.points)

    @property
    def normalized_length(self) -> float | None:
        """|γ| / ‖θA − θB‖; None when the ends are one point."""
        return self.length / self.chord if self.chord > 0 else None

    @property
    def upper(self) -> float:
        """The certificate's upper bound on the loss along the path."""
        return self.certificate.bound

    def record(self) -> dict[str, Any]:
        """What is known of the path as plain data; None for a number that is not finite."""
        certificate, string = self.certificate, self.string
        numbers = {
            "length": self.length,
            "chord": self.chord,
            "normalized_length": self.normalized_length,
            "max_loss": certificate.maximum,
            "barrier": certificate.barrier,
            "seconds": round(string.seconds, 3),
            "loss_a": float(certificate.profile[0, 1]),
            "loss_b": float(certificate.profile[-1, 1]),
            "max_at": certificate.max_at,
            "last_change": certificate.last_change,
            "resolution": certificate.resolution,
            "rounding": certificate.rounding,
            "curve_max": string.facts.get("curve_max"),
            "bound": string.facts.get("bound"),
        }
        finite = {k: v if v is not None and np.isfinite(v) else None for k, v in numbers.items()}
        return finite | {
            "status": self.status,
            "beads": self.beads,
            "rounds": string.rounds,
            "grad_evals": string.grad_evals,
            "grid": certificate.grid,
            "verified": None,
            "chained_from": string.chained_from,
            "restarts": string.restarts,
            "loss_evals": string.loss_evals,
            **self._tightening(),
            "reason": self.reason,
            **({"facts": dict(string.facts)} if string.facts else {}),
        }

    def _tightening(self) -> dict[str, float | int | None]:
        spent = self.string.tightening
        return {
            "length_found": self.length_found if spent else None,
            "beads_found": self.beads_found if spent else None,
            "tightening_grad_evals": spent.grad_evals if spent else None,
            "tightening_loss_evals": spent.loss_evals if spent else None,
        }


def start(name: str, a: Params, b: Params) -> String:
    """The straight string between two models, to begin a search from."""
    return String(name, paths.straight(a, b))


def chained(name: str, a: Params, b: Params, points: Params, level: float) -> String:
    """The string between two models that passes through one found at another level, to begin a
    search from: arrays [beads + 2, ...]."""
    beads = trees.concatenate([trees.stack([a]), points, trees.stack([b])])
    return String(name, beads, chained_from=level)


def steps(stepper: Stepper, search: Search) -> Iterator[Search]:
    """The search after each step until every string has ended.

    The wall time of a step is shared among the strings by the gradients it made for each, or
    evenly when it made none.
    """
    while search.unfinished:
        active = search.unfinished
        before = [_gradients(string) for string in active]
        began = time.perf_counter()
        stepper(search)
        seconds = time.perf_counter() - began
        made = np.array([_gradients(string) for string in active]) - before
        shares = made / made.sum() if made.any() else np.full(len(active), 1 / len(active))
        for string, share in zip(active, shares, strict=True):
            string.seconds += float(seconds * share)
        yield search


def _gradients(string: String) -> int:
    return string.grad_evals + (string.tightening.grad_evals if string.tightening else 0)


def finish(stepper: Stepper, search: Search) -> Search:
    """The search when every string has ended."""
    for _ in steps(stepper, search):
        pass
    return search


def warm_start(first: Stepper, then: Stepper) -> Stepper:
    """`then`, on the strings that `first` has made, and on those that have beads already."""

    def step(search: Search) -> None:
        fresh = [s for s in search.active if not s.facts and trees.count(s.points) == 2]
        if not fresh:
            then(search)
            return
        first(Search(fresh[:1]))
        if fresh[0].ended == Status.CONNECTED:
            fresh[0].ended, fresh[0].reason = None, ""

    return step


def restore_ends(string: String, a: Params, b: Params) -> None:
    """Give a string its ends back, whatever a method has made of them."""
    for place, end in ((0, a), (-1, b)):
        if any(not np.array_equal(leaf[place], end[k]) for k, leaf in string.points.items()):
            string.points = trees.copy(string.points)
            for name, leaf in string.points.items():
                leaf[place] = end[name]


def judge(
    string: String,
    evaluate: SegmentEvaluator,
    level: LevelSpec,
    length_over: str = "*",
) -> Connection:
    """The verdict on an ended string: the method's claim, the certificate's word.

    Beads that are not finite are left off the string, which is NON_FINITE then, whatever is left;
    its ends must be finite.
    """
    began = time.perf_counter()
    lost = _leave_off(string, ~paths.finite_beads(string.points))
    certificate = certify(string.points, evaluate, level.limit, known_losses(string))
    string.loss_evals += int(certificate.loss_evals[~_known(string, level)].sum())
    string.loss_evals += certificate.rounding is not None  # which took one in float64
    string.seconds += time.perf_counter() - began
    status, reason = Status(string.ended or Status.NOT_FOUND), string.reason
    chord = paths.chord(string.points, length_over)
    if lost:
        status, reason = Status.NON_FINITE, lost
    elif certificate.holds(level.limit):
        status, reason = Status.CONNECTED, "" if chord > 0 else COINCIDE
    elif not np.isfinite(certificate.maximum):
        status = Status.NON_FINITE
        reason = f"the loss is not finite on segment {certificate.segment + 1} of the string"
    elif status is Status.CONNECTED:
        status = Status.NOT_FOUND
    if status is not Status.CONNECTED and np.isfinite(certificate.maximum):
        segments = trees.count(string.points) - 1
        reason = (
            f"{reason}; worst {certificate.maximum:.6g} at {certificate.max_at:.4f} of the string "
            f"(segment {certificate.segment + 1} of {segments})"
        )
    length = paths.length(string.points, length_over)
    return Connection(
        string,
        status,
        reason,
        certificate,
        length,
        chord,
        length if string.length_found is None else string.length_found,
    )


def _known(string: String, level: LevelSpec) -> np.ndarray:
    """The segments whose losses the search has seen, and counted."""
    if string.segments is None:
        return np.zeros(trees.count(string.points) - 1, bool)
    return string.segments.upper <= level.limit


def _leave_off(string: String, beads: np.ndarray) -> str:
    """Leave beads [beads] off a string; what to say of it, nothing where there are none."""
    if not beads.any():
        return ""
    string.points, string.segments = trees.items(string.points, ~beads), None
    string.ids = string.ids[~beads]
    numbers = ", ".join(str(bead + 1) for bead in np.flatnonzero(beads)[:NAMED])
    more = ", …" if beads.sum() > NAMED else ""
    said = f"{string.reason}; " if string.reason else ""
    return (
        f"{said}{beads.sum()} of {len(beads)} beads are not finite, or too large to be squared: "
        f"left off (bead {numbers}{more})"
    )
