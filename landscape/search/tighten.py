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
        for string in strings:
            known = string.seen
            if (known.upper <= level.limit).all():
                string.length_found = paths.length(string.points, length_over)
                most = string.cost if budget is None else min(string.cost, budget - string.cost)
                string.tightening = shortener.tighten(
                    string.name, string.points, level.limit, known_losses(string), max(0, most)
                )
                _use_tight(string, evaluate, level)

    def step(search: Search) -> None:
        if search.active:
            stepper(search)
            if not search.active:
                begin([s for s in search.strings if _can_be_tightened(s)])
            return
        going = [s for s in search.strings if s.is_tightened]
        shortener.sweep([s.tightening for s in going if s.tightening])
        for string in going:
            _use_tight(string, evaluate, level)

    return step


def _can_be_tightened(string: String) -> bool:
    connected = string.ended == Status.CONNECTED and not string.facts
    return connected and trees.count(string.points) > 2


def _use_tight(string: String, evaluate: SegmentEvaluator, level: LevelSpec) -> None:
    """Make what was kept of an ended tightening the string."""
    ended = string.tightening
    if ended is None or ended.ended is None:
        return
    counted = string.loss_evals  # what is kept was certified, and counted, with the tightening
    replace_path(string, ended.kept)
    evaluate_new_segments([string], evaluate, level.limit)
    string.loss_evals = counted
    record_round(string, level.level)
