"""The highest error rate on segments from few points, by the margins of the samples.

An error rate goes in steps, which no cubic follows. What it counts does not: a sample is an error
where its margin, the logit of its label less the highest other one, is below zero, and margins are
continuous. Cubics through them, with their errors, say which samples may be errors between points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from landscape.core.adaptive import (
    FIRST,
    HALVES,
    LASTING,
    MOST_POINTS,
    NARROWEST,
)
from landscape.core.segments import SegmentMaxima

PLACES = np.linspace(0, 1, 17)  # where cubics are looked at, on their interval
SHAPE = 4 * PLACES * (1 - PLACES)  # of their error, which is 0 at both ends
NEAR_END = 1 / 8  # of an interval: where most may be errors so near to an end, it is halved instead
CLOSE = 0.01  # of the larger of |limit| and |maximum|: how far above it a bound may be
GROUP = 16  # segments whose margins are held together

Margins = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Segments [m], t [m] on them → margins [m, samples]."""


@dataclass
class _Seen:
    """A segment at `t` [points], ascending.

    rates [points]: the error rate there; margins [points, samples] and error [points − 1, samples],
    how far they may be from the cubic on the interval that begins there: of the samples `kept`,
    those that may be errors at some places and not at others; always: how many are at all places;
    bound, place, next_t: as `_judge` finds them.
    """

    t: np.ndarray
    rates: np.ndarray
    margins: np.ndarray
    error: np.ndarray
    always: int = 0
    kept: np.ndarray | None = None
    bound: float = np.inf
    place: float = 0.0
    next_t: float = 0.5


def margin_maxima(
    evaluate: Margins, n: int, limit: float, unit: float, only_below: bool = False
) -> SegmentMaxima:
    """The highest error rate on each of n segments: unit times the share of samples whose margin is
    below zero.

    A segment is evaluated at 5 points, and, unless it is above the limit there and `only_below`, at
    9. Then the interval on which most samples may be errors gets a point where that is, until no
    bound is above the limit, or above the highest rate by more than `CLOSE`. The errors of the
    cubics are those of `adaptive.sampled`, for each sample.
    """
    found = []
    for start in range(0, n, GROUP):
        rows = np.arange(start, min(start + GROUP, n))
        found += _group(evaluate, rows, limit, unit, only_below)
    width = np.arange(MOST_POINTS)
    own = [np.minimum(width, len(one.t) - 1) for one in found]
    maximum = np.array([one.rates.max() for one in found])
    return SegmentMaxima(
        np.stack([one.t[at] for one, at in zip(found, own, strict=True)]),
        np.stack([one.rates[at] for one, at in zip(found, own, strict=True)]),
        maximum,
        np.array([one.place for one in found]),
        np.maximum([one.bound for one in found], maximum) - maximum,
        np.array([len(one.t) for one in found]),
    )


def _group(
    evaluate: Margins, rows: np.ndarray, limit: float, unit: float, only_below: bool
) -> list[_Seen]:
    def asked(places: list[tuple[int, np.ndarray]]) -> list[np.ndarray]:
        """Margins [points, samples] at the places of each segment, in one call."""
        if not places:
            return []
        owner = np.concatenate([np.full(len(t), row) for row, t in places])
        margins = evaluate(owner, np.concatenate([t for _, t in places]))
        return np.split(margins, np.cumsum([len(t) for _, t in places])[:-1])

    def rates(margins: np.ndarray) -> np.ndarray:
        return unit * _wrong(margins).mean(1, dtype=margins.dtype)

    def is_open(one: _Seen) -> bool:
        return not (only_below and one.rates.max() > limit)

    found = [
        _Seen(FIRST, rates(m), m, np.zeros((len(FIRST) - 1, 1)))
        for m in asked([(row, FIRST) for row in rows])
    ]
    for one in found:
        one.bound, one.place = one.rates.max(), one.t[one.rates.argmax()]
    going = [(row, one) for row, one in zip(rows, found, strict=True) if is_open(one)]
    samples = found[0].margins.shape[1]
    halves = asked([(row, HALVES) for row, _ in going])
    for (_, one), new in zip(going, halves, strict=True):
        _halve(one, new, rates(new))
        _keep_unsure(one)
        _judge(one, unit / samples)
    scale = abs(limit) if np.isfinite(limit) else 0.0
    while True:
        going = [
            (row, one)
            for row, one in going
            if is_open(one)
            and one.bound > min(limit, one.rates.max() + CLOSE * max(scale, one.rates.max()))
            and len(one.t) < MOST_POINTS
            and np.isfinite(one.next_t)
        ]
        if not going:
            return found
        news = asked([(row, np.array([one.next_t])) for row, one in going])
        for (_, one), new in zip(going, news, strict=True):
            _divide(one, new, rates(new))
            _judge(one, unit / samples)


def _wrong(margins: np.ndarray) -> np.ndarray:
    return ~(margins >= 0)  # what is not a number is an error


def _cubic(t: np.ndarray, interval: int, u: np.ndarray) -> np.ndarray:
    """The weights [u, points] of the values at t in the cubic through the four points nearest to an
    interval, at shares u of it (Lagrange)."""
    nodes = min(max(interval - 1, 0), len(t) - 4) + np.arange(4)
    at = t[interval] + u * (t[interval + 1] - t[interval])
    weights = np.zeros((len(u), len(t)))
    for node in nodes:
        others = t[nodes[nodes != node]]
        weights[:, node] = ((at[:, None] - others) / (t[node] - others)).prod(1)
    return weights


def _predicted(one: _Seen, interval: int, u: np.ndarray) -> np.ndarray:
    """Margins [u, samples] by the cubic on an interval."""
    return _cubic(one.t, interval, u).astype(one.margins.dtype) @ one.margins


def _halve(one: _Seen, new: np.ndarray, rates: np.ndarray) -> None:
    """Put points between the first ones, and take the cubics' errors from them."""
    middle = np.full(1, 0.5)
    predicted = np.concatenate([_predicted(one, k, middle) for k in range(len(HALVES))])
    error = np.pad(np.abs(new - predicted), ((1, 1), (0, 0)))
    beside = LASTING * np.maximum(error[:-2], error[2:])
    one.error = np.repeat(np.maximum(error[1:-1], beside), 2, axis=0)
    one.t, one.rates, one.margins = (
        np.insert(old, np.arange(1, len(FIRST)), more, axis=0)
        for old, more in ((one.t, HALVES), (one.rates, rates), (one.margins, new))
    )


def _keep_unsure(one: _Seen) -> None:
    """Leave out the samples that are errors everywhere, or nowhere, by the cubics and their errors:
    nearly all."""
    lowest = highest = one.margins
    for interval, error in enumerate(one.error):
        margins = _predicted(one, interval, PLACES)
        lowest = np.minimum(lowest.min(0), (margins - error).min(0))[None]
        highest = np.maximum(highest.max(0), (margins + error).max(0))[None]
    always, never = _wrong(highest)[0], ~_wrong(lowest)[0]
    one.always, one.kept = int(always.sum()), np.flatnonzero(~always & ~never)
    one.margins, one.error = one.margins[:, one.kept], one.error[:, one.kept]


def _divide(one: _Seen, new: np.ndarray, rates: np.ndarray) -> None:
    """Put a point at next_t."""
    at = int((one.t <= one.next_t).sum()) - 1
    u = (one.next_t - one.t[at]) / (one.t[at + 1] - one.t[at])
    new = new[:, one.kept]
    missed = np.abs(new - _predicted(one, at, np.full(1, u)))[0]
    error = np.maximum(missed, LASTING * one.error[at])
    one.error = np.insert(one.error, at, error, axis=0)
    one.error[at + 1] = error
    one.t, one.rates, one.margins = (
        np.insert(old, at + 1, more, axis=0)
        for old, more in ((one.t, one.next_t), (one.rates, rates[0]), (one.margins, new[0]))
    )


def _judge(one: _Seen, unit: float) -> None:
    """Where most samples are errors by the cubics, where most may be, and how many: at one of two
    neighbouring places at least."""
    best, worst = (one.rates.max(), one.t[one.rates.argmax()]), (-np.inf, np.nan)
    bound = one.rates.max()
    for interval, width in enumerate(np.diff(one.t)):
        margins = _predicted(one, interval, PLACES)
        likely = unit * (one.always + _wrong(margins).sum(1))
        wrong = _wrong(margins - one.error[interval] * SHAPE[:, None])
        may = unit * (one.always + (wrong[1:] | wrong[:-1]).sum(1))  # from place to place
        top, highest = int(may.argmax()), int(likely.argmax())
        bound = max(bound, may[top])
        if likely[highest] > best[0]:
            best = likely[highest], one.t[interval] + width * PLACES[highest]
        if width > NARROWEST and may[top] > worst[0]:
            u = (PLACES[top] + PLACES[top + 1]) / 2
            worst = may[top], one.t[interval] + width * (u if NEAR_END < u < 1 - NEAR_END else 0.5)
    one.bound, one.place, one.next_t = bound, best[1], worst[1]
