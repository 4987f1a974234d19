"""Connected strings are drawn tight before they are judged: a search leaves them as it found them.

Beads that a string can do without go, and the others are drawn towards straight lines as far as the
level lets them (landscape/search/shorten.py). That costs no more than the search has cost, nor than
is left of its budget: in losses along segments, a gradient as three. The string stays below the
limit: only what is certified is taken.
"""

from __future__ import annotations

from landscape.core import paths, trees
from landscape.core.level import LevelSpec
from landscape.core.segments import SegmentEvaluator
from landscape.core.status import Status
from landscape.search.prune import Pruning, prune
from landscape.search.shorten import Shortener
from landscape.search.state import Search, Stepper, String
from landscape.search.strings import (
    evaluate_new_segments,
    known_losses,
    record_round,
    replace_path,
)

TOLERANCE = 3e-3  # of the length: where it moves by less, it is tight


def tightened(
    stepper: Stepper,
    shortener: Shortener,
    level: LevelSpec,
    length_over: str = "*",
    budget: int | None = None,
) -> Stepper:
    """The stepper that draws the strings tight that `stepper` has connected. A constructed curve
    stays as it is."""
    evaluate = shortener.peaks

    def begin(strings: list[String]) -> None:
        evaluate_new_segments(strings, evaluate, level.limit)
        strings = [string for string in strings if (string.seen.upper <= level.limit).all()]
        costs = [
            max(0, string.cost if budget is None else min(string.cost, budget - string.cost))
            for string in strings
        ]
        pruned = [
            Pruning(string.points, known_losses(string), cost / 4)
            for string, cost in zip(strings, costs, strict=True)
        ]
        prune(pruned, evaluate, level.limit)
        for string, own, cost in zip(strings, pruned, costs, strict=True):
            string.length_found = paths.length(string.points, length_over)
            string.tightening = shortener.tighten(
                string.name, string.points, own, level.limit, cost
            )
        _use_tight(strings, evaluate, level)

    def step(search: Search) -> None:
        if search.active:
            stepper(search)
            if not search.active:
                begin([s for s in search.strings if _can_be_tightened(s)])
            return
        going = [s for s in search.strings if s.is_tightened]
        shortener.sweep([s.tightening for s in going if s.tightening])
        _use_tight(going, evaluate, level)

    return step


def _can_be_tightened(string: String) -> bool:
    connected = string.ended == Status.CONNECTED and not string.facts
    return connected and trees.count(string.points) > 2


def _use_tight(strings: list[String], evaluate: SegmentEvaluator, level: LevelSpec) -> None:
    """Make what was kept of ended tightenings the strings."""
    ended = [string for string in strings if not string.is_tightened]
    counted = [string.loss_evals for string in ended]
    for string in ended:
        assert string.tightening is not None
        replace_path(string, string.tightening.kept)
    evaluate_new_segments(ended, evaluate, level.limit)
    for string, losses in zip(ended, counted, strict=True):
        string.loss_evals = losses  # what is kept was certified, and counted, with the tightening
        record_round(string, level.level)
