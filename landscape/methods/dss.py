"""Dynamic String Sampling (Freeman & Bruna 2017, Sec. 3.1), breadth first.

Wherever a segment of a string rises above the limit a bead is put and trained below the level;
the beads that all strings need in a round are trained together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from landscape.core import trees
from landscape.core.certificate import SegmentEvaluator
from landscape.core.keys import key_data
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.search.descend import Descender, DescentState
from landscape.search.state import Method, Search, String
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
    segment_lengths,
    terminate,
)


def dss(
    *,
    descend: Callable[[], Descender],
    peaks: SegmentEvaluator,
    band: LevelSpec,
    seed: int,
    insert: str = "max",
    first_midpoint: bool = False,
    max_rounds: int = 10,
    max_beads: int = 257,
    jitter: float = 0.0,
    retries: int = 0,
    **_: Any,
) -> Method:
    """Bind Dynamic String Sampling to a landscape and a level.

    Beads that a string begins with and that are above the level come down first, from where they
    are (a round of its own, not counted).

    insert: where a new bead goes, the segment's `max` or its `midpoint`; first_midpoint: begin
    every string of two beads with a trained midpoint, failing or not, as the publication does
    (a round of its own, not counted); jitter: how far off the segment it starts, in lengths of the
    segment; retries: how often a bead that did not reach the level is left off and begun anew in
    the next round, twice as far off; one that could not leave its start is begun anew in any case
    (landscape/search/strings.py). Ends NOT_FOUND when max_rounds or max_beads is
    spent, STUCK when a bead ends above the level, NON_FINITE when a bead's loss does.
    """
    descender = descend()

    def is_compulsory(string: String) -> bool:
        """Whether the string's next bead is its first midpoint."""
        return first_midpoint and trees.count(string.points) == 2

    def too_high(string: String) -> np.ndarray:
        """The beads above the level that the string began with, but for its ends."""
        if len(string.frames) > 1:
            return np.array([], int)
        return np.flatnonzero(~(string.known["values"][1:, 0] <= band.level)) + 1

    def plan(string: String) -> np.ndarray:
        """The segments that get a bead now; none when the string has come to an end."""
        failing = string.known["upper"] > band.limit
        if is_compulsory(string):
            return np.array([0])
        if not failing.any():
            terminate(
                string, Status.CONNECTED, "the certificate found more than the search had seen"
            )
        elif string.rounds >= max_rounds:
            terminate(string, Status.NOT_FOUND, f"max_rounds ({max_rounds}) spent")
        elif trees.count(string.points) + failing.sum() > max_beads:
            terminate(string, Status.NOT_FOUND, f"max_beads ({max_beads}) would be exceeded")
        if string.ended == Status.NOT_FOUND:
            string.reason += unsuccessful(string.known["tries"])
        return np.flatnonzero(failing) if string.ended is None else np.array([], int)

    def unsuccessful(tries: np.ndarray) -> str:
        often, count = int(tries.max()), int((tries > 0).sum())
        said = f"; {count} of the last round's beads did not come down, tried up to {often} times"
        return said if count else ""

    def begin(search: Search) -> None:
        """Start the next beads on their way down, wherever a segment fails."""
        evaluate_new_segments(search.active, peaks, band.limit)
        for string in search.active:
            string.known.setdefault("tries", np.zeros(len(string.known["upper"])))
            record_round(string, band.level)
        owners, places, starts, keys, reach = [], [], [], [], []
        for number, string in enumerate(search.strings):
            if string.ended is not None:
                continue
            lengths = segment_lengths(string)
            high = too_high(string)
            for bead in high:
                starts.append(trees.take(string.points, bead))
                keys.append(key_data(seed, "connect", string.name, band.level, "first", bead))
                reach.append(max(lengths[bead - 1], lengths[bead]))
                owners.append(number)
                places.append(int(bead))
            if len(high):
                continue
            chosen = plan(string)
            begins = is_compulsory(string)
            for segment in chosen:
                middle = begins or insert == "midpoint"
                place = 0.5 if middle else float(string.known["place"][segment])
                left, right = (trees.take(string.points, segment + step) for step in (0, 1))
                tries = int(string.known["tries"][segment])
                key = key_data(
                    seed, "connect", string.name, band.level, string.rounds, begins, segment, tries
                )
                starts.append(new_bead(left, right, place, off_segment(jitter, tries), key))
                keys.append(key)
                reach.append(lengths[segment])
                owners.append(number)
                places.append(int(segment))
        if owners:
            targets = np.full(len(owners), band.target)
            descent = descender.start(trees.stack(starts), np.stack(keys), targets, np.array(reach))
            search.pending = {"owner": owners, "place": places, "descent": descent}

    def absorb(search: Search, descent: DescentState) -> None:
        """Put the trained beads on their strings."""
        assert search.pending is not None
        owner, place = np.array(search.pending["owner"]), np.array(search.pending["place"])
        for number in np.unique(owner):
            string, mine = search.strings[number], np.flatnonzero(owner == number)
            begins = is_compulsory(string)
            values, places = descent.value[mine], place[mine]
            high = ~(values <= band.level)
            stayed = high & descent.stayed[mine]
            if len(too_high(string)):
                tries, again = np.ones(len(mine), int), stayed
                replace_beads(string, places[~again], trees.take(descent.params, mine[~again]))
                drop_beads(string, places[again])
            else:
                tries = np.where(high, string.known["tries"][places] + 1, 0)
                string.known["tries"][places] = tries
                string.rounds += not begins
                most = np.where(stayed, max(retries, RESTARTS), retries)
                again = high & (tries <= most) & (np.isfinite(values) | stayed)
                insert_beads(string, places[~again], trees.take(descent.params, mine[~again]))
            string.restarts += int((again & stayed).sum())
            failed = high & ~again
            bad = failed & ~np.isfinite(values)
            if bad.any():
                why = f"{bad.sum()} of {len(mine)} beads became non-finite"
                terminate(string, Status.NON_FINITE, why + failure_hint(stayed[bad], BAD_HELP))
            elif failed.any():
                often = int(tries[failed].max())
                tried = f", tried {often} times," if often > 1 else ""
                terminate(
                    string,
                    Status.STUCK,
                    f"{failed.sum()} of {len(mine)} beads of round {string.rounds}{tried} did not "
                    f"reach the level in {descender.max_steps} steps (worst "
                    f"{values[failed].max():.6g}){failure_hint(stayed[failed], HIGH_HELP)}",
                )

    return in_rounds(descender, begin, absorb)
