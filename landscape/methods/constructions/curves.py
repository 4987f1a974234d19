"""Curves of parameters, as the theory constructs them: certified as curves, kept as strings.

A curve is its pieces, one after the other, each a function of t in 0 … 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from landscape.core import paths, trees
from landscape.core.certificate import curve_evaluator
from landscape.core.landscape import Landscape
from landscape.core.level import LevelSpec
from landscape.core.segments import SegmentEvaluator
from landscape.core.status import Status
from landscape.core.task import Form
from landscape.core.trees import Params
from landscape.search.state import Problem, Search, Stepper, String

SAMPLING = 1e-4  # of the curve's maximum: how far above it the string may rise


class Piece(NamedTuple):
    """A named part of a curve: t in 0 … 1 → parameters, or a list of layers."""

    name: str
    at: Callable[[float], Any]


@dataclass(frozen=True)
class Curve:
    """Pieces that meet, and what the construction says of them: `bound`, below which the theorem
    puts the loss, and the bound's terms."""

    pieces: Sequence[Piece]
    facts: Mapping[str, float]

    def at(self, numbers: np.ndarray, places: np.ndarray) -> Params:
        """Piece `numbers[i]` at t = `places[i]`, as named arrays [n, ...]."""
        chosen = zip(numbers, places, strict=True)
        return trees.stack([self.pieces[number].at(float(place)) for number, place in chosen])


def form_of(landscape: Landscape, method: str) -> Form:
    """What network and loss a landscape is. Raises ValueError where it does not say."""
    if landscape.form is None:
        raise ValueError(
            f"{method} needs dense layers without biases and the squared loss: a task that says "
            "its form, such as regression, and metric: loss"
        )
    return landscape.form


def line(name: str, a: Any, b: Any) -> Piece:
    return Piece(name, lambda t: trees.lerp(a, b, t))


def reverse(pieces: Sequence[Piece]) -> list[Piece]:
    return [Piece(name, lambda t, at=at: at(1 - t)) for name, at in reversed(pieces)]


def certified(
    curve: Curve, landscape: Landscape, grid: int, limit: float
) -> tuple[dict[str, float], int]:
    """The curve's facts, and how many losses they took.

    Its maximum is `curve_max` and `curve_change`, by the rules of every certificate on `grid`
    points a piece and more; those of the pieces are `piece 1 (name)`, ….
    """
    found = curve_evaluator(landscape, grid)(curve.at, len(curve.pieces), limit)
    highest = float(found.maximum.max())
    facts = {**curve.facts, "curve_max": highest}
    facts["curve_change"] = float((found.maximum + found.change).max()) - highest
    for number, (piece, maximum) in enumerate(zip(curve.pieces, found.maximum, strict=True), 1):
        facts[f"piece {number} ({piece.name})"] = float(maximum)
    return facts, int(found.losses.sum())


def sampled(
    curve: Curve, evaluate: SegmentEvaluator, limit: float, most: int
) -> tuple[Params, float, int]:
    """A string [beads, ...] of points of the curve, its highest loss, and how many it took.

    Begun with the ends of the pieces; what rises above the limit between two beads is halved,
    until nothing does, or the string would have more than `most` beads.
    """
    pieces = len(curve.pieces)
    places = np.arange(pieces + 1.0)

    def at(places: np.ndarray) -> Params:
        numbers = np.minimum(places.astype(int), pieces - 1)
        return curve.at(numbers, places - numbers)

    points = at(places)
    new, upper, losses = np.arange(pieces), np.zeros(pieces), 0
    known = evaluate.at(points)
    while True:
        lefts, rights = (trees.take(points, new + step) for step in (0, 1))
        ends = np.stack([known[new], known[new + 1]], axis=1)
        found = evaluate(lefts, rights, limit, only_below=True, ends=ends)
        upper[new] = found.maximum + found.change
        losses += int(found.losses.sum())
        failing = np.flatnonzero(upper > limit)
        if not len(failing) or len(places) + len(failing) > most:
            return points, float(upper.max()), losses + int((~np.isnan(known)).sum())
        middles = (places[failing] + places[failing + 1]) / 2
        beads = at(middles)
        points = paths.insert(points, failing, beads)
        known = np.insert(known, failing + 1, evaluate.at(beads))
        places = np.insert(places, failing + 1, middles)
        upper = np.insert(upper, failing + 1, 0.0)
        first = failing + np.arange(len(failing))
        new = np.concatenate([first, first + 1])


def constructed(
    construct: Callable[[Params, Params], Curve], problem: Problem, level: LevelSpec, max_beads: int
) -> Stepper:
    """The stepper that gives each string the curve that is constructed between its ends.

    The string is nowhere more than SAMPLING of the curve's maximum above it, nor more than half of
    what the curve leaves below the limit, unless max_beads are too few for that; `sampling` is
    what it is, `allowed` what it may be.
    """

    def step(search: Search) -> None:
        string = search.active[0]
        a, b = (trees.take(string.points, place) for place in (0, -1))
        curve = construct(_float64(a), _float64(b))
        facts, string.loss_evals = certified(
            _typed(curve, a), problem.landscape, problem.evaluate.grid, level.limit
        )
        string.facts = facts
        highest = facts["curve_max"] + facts["curve_change"]
        if not np.isfinite(highest):
            string.terminate(Status.NON_FINITE, "the loss is not finite on the constructed curve")
            return
        room = level.limit - highest
        facts["allowed"] = min(SAMPLING * abs(highest), room / 2 if room > 0 else np.inf)
        limit = highest + facts["allowed"]
        points, maximum, losses = sampled(_typed(curve, a), problem.evaluate, limit, max_beads)
        for name, leaf in points.items():
            leaf[0], leaf[-1] = a[name], b[name]
        string.loss_evals += losses
        facts["sampling"] = maximum - facts["curve_max"]
        string.points, string.ids = points, np.arange(trees.count(points))
        string.terminate(Status.CONNECTED, _why_not(string, level))

    return step


def _why_not(string: String, level: LevelSpec) -> str:
    """Why the string may not hold, for the certificate to say if it does not."""
    facts, beads = string.facts, trees.count(string.points)
    if facts["curve_max"] + facts["curve_change"] > level.limit:
        return f"the constructed curve rises to {facts['curve_max']:.6g}, above the limit"
    return (
        f"the constructed curve holds, with a maximum of {facts['curve_max']:.6g}; its string of "
        f"{beads} beads is higher by {facts['sampling']:.2g}: raise connect.max_beads"
    )


def _float64(params: Params) -> Params:
    return {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}


def _typed(curve: Curve, like: Params) -> Curve:
    """The curve in the parameters' own types."""

    def typed(piece: Piece) -> Piece:
        def at(t: float) -> Params:
            return {name: np.asarray(leaf, like[name].dtype) for name, leaf in piece.at(t).items()}

        return Piece(piece.name, at)

    return Curve([typed(piece) for piece in curve.pieces], curve.facts)
