"""What every search does with its strings: look at new segments, put beads on, remember rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from landscape.core import paths, trees
from landscape.core.certificate import SegmentEvaluator
from landscape.core.status import Status
from landscape.core.trees import Params
from landscape.search.descend import Descender, DescentState
from landscape.search.state import Method, Search, String

MEASURED = ("upper", "place", "values")
LEFT_BYTES = 2**26  # of the positions that a string's beads have left

# A bead that cannot leave its start (DescentState.stayed) begins anew off its segment:
RESTARTS = 3  # times at most, and
OFF = 0.05  # of the segment, doubled each time, where there is no jitter
FARTHEST = 1.0  # lengths of the segment

HIGH_HELP = "connect.jitter with connect.retries, or more connect.max_steps_per_bead,"
BAD_HELP = "connect.jitter, or a smaller connect.learning_rate,"


def terminate(string: String, status: Status, reason: str) -> None:
    string.ended, string.reason = status, reason


def evaluate_new_segments(strings: list[String], peaks: SegmentEvaluator, limit: float) -> None:
    """Evaluate the segments that are new since the last look, of all strings at once.

    known: `upper`, a segment's maximum with its last change, or on the grid alone where that is
    above the limit, so that the path cannot stay as it is; `place`, the maximum's t; `values`, the
    loss on the grid. What has not been looked at is NaN.
    """
    for string in strings:
        if not string.known:
            unknown = np.full(trees.count(string.points) - 1, np.nan)
            string.known = {"upper": unknown, "place": unknown.copy()}
    news = [np.flatnonzero(np.isnan(string.known["upper"])) for string in strings]
    pairs = [(string, new) for string, new in zip(strings, news, strict=True) if len(new)]
    if not pairs:
        return
    found = peaks(
        trees.concatenate([trees.take(string.points, new) for string, new in pairs]),
        trees.concatenate([trees.take(string.points, new + 1) for string, new in pairs]),
        limit,
        only_below=True,
    )
    cuts = np.cumsum([len(new) for _, new in pairs])[:-1]
    split = (np.split(x, cuts) for x in (found.maximum + found.change, found.place, found.values))
    for (string, new), upper, place, values in zip(pairs, *split, strict=True):
        string.known["upper"][new], string.known["place"][new] = upper, place
        if "values" not in string.known:
            string.known["values"] = np.full((len(string.known["upper"]), values.shape[1]), np.nan)
        string.known["values"][new] = values


def segment_lengths(string: String) -> np.ndarray:
    return paths.segment_lengths(string.points)


def highest_at(string: String, segment: int) -> float:
    """Where a segment is highest, as a fraction of the string."""
    place = string.known["place"][[segment]]
    return float(paths.fractions(paths.segment_lengths(string.points), place)[segment, 0])


def record_round(string: String, level: float) -> None:
    """Keep a round, after a look: the beads, the loss between them, and where it is highest."""
    upper, values = string.known["upper"], string.known["values"]
    lengths = paths.segment_lengths(string.points)
    worst = int(upper.argmax())
    at = highest_at(string, worst)
    where = paths.fractions(lengths, np.linspace(0, 1, values.shape[1]))
    string.frames.append(
        {
            "facts": np.array([string.rounds, level, upper[worst], at]),
            "beads": string.ids.copy(),
            "places": paths.bead_places(string.points),
            "profile": np.stack([where.ravel(), values.ravel()], 1).astype(np.float32),
        }
    )


def off_segment(jitter: float, tries: int) -> float:
    """How far off its segment, in lengths of it, a bead begins that was tried so often before."""
    first = jitter or (OFF if tries else 0.0)
    return min(first * 2**tries, max(first, FARTHEST))


def new_bead(left: Params, right: Params, place: float, off: float, key: np.ndarray) -> Params:
    """A new bead on a segment, moved off it by `off` times its length in a direction that the
    key draws: the middle of a pair that a symmetry swaps has no gradient away from the symmetry."""
    bead = trees.lerp(left, right, place)
    if off:
        chord = np.sqrt(sum(np.sum(np.square(right[name] - left[name])) for name in left))
        away = trees.random_move(bead, off * chord, key)
        bead = {name: leaf + away[name] for name, leaf in bead.items()}
    return {name: np.asarray(leaf, left[name].dtype) for name, leaf in bead.items()}


def _fresh(string: String, count: int) -> np.ndarray:
    used = max(string.ids.max(), string.left_ids.max(initial=-1))
    return used + 1 + np.arange(count)


def insert_beads(string: String, segments: np.ndarray, beads: Params) -> None:
    """Put bead i (named arrays [n, ...]) on segment `segments[i]`.

    Both halves inherit what is known of the segment, but for what has to be looked at anew.
    """
    string.ids = np.insert(string.ids, segments + 1, _fresh(string, len(segments)))
    string.points = paths.insert(string.points, segments, beads)
    for name, known in string.known.items():
        known = np.insert(known, segments + 1, known[segments], axis=0)
        if name in MEASURED:
            first = segments + np.arange(len(segments))
            known[first] = known[first + 1] = np.nan
        string.known[name] = known


def replace_beads(string: String, beads: np.ndarray, to: Params) -> None:
    """Move the beads of these numbers; where they were is kept for the frames, the latest while
    that is small."""
    left = trees.take(string.points, beads)
    string.left = trees.concatenate([string.left, left]) if string.left else left
    string.left_ids = np.concatenate([string.left_ids, string.ids[beads]])
    string.ids = string.ids.copy()
    string.ids[beads] = _fresh(string, len(beads))
    string.points = {name: np.array(leaf) for name, leaf in string.points.items()}
    for name, leaf in string.points.items():
        leaf[beads] = to[name]
    for name in MEASURED:
        string.known[name][np.concatenate([beads - 1, beads])] = np.nan
    most = LEFT_BYTES // sum(leaf[0].nbytes for leaf in string.points.values())
    kept = slice(max(0, len(string.left_ids) - most), None)
    string.left, string.left_ids = trees.take(string.left, kept), string.left_ids[kept]


def drop_beads(string: String, beads: np.ndarray) -> None:
    """Leave the beads of these numbers off; all that is left has to be looked at anew."""
    kept = ~np.isin(np.arange(len(string.ids)), beads)
    string.points, string.ids = trees.take(string.points, kept), string.ids[kept]
    string.known = {}


def failure_hint(stayed: np.ndarray, help: str) -> str:
    """How a reason ends: which of the beads [n] that failed could not leave where they began, and
    what may help."""
    held = (
        f", {stayed.sum()} of them with no way down from where they began" if stayed.any() else ""
    )
    return f"{held}; {help} may help"


def in_rounds(
    descender: Descender,
    begin: Callable[[Search], None],
    absorb: Callable[[Search, DescentState], None],
) -> Method:
    """The method that lets beads down together, each string in its own rounds: while one waits for
    a slow bead the others go on.

    begin: of a search without pending beads, end strings, or leave in `pending` {owner, ...,
    descent: a DescentState}, the beads that shall descend and the number of each one's string;
    absorb: take the beads up when all of the search's have come to an end.
    """

    def step(search: Search) -> Search:
        busy = set(search.pending["owner"]) if search.pending else set()
        idle = [n for n, s in enumerate(search.strings) if s.ended is None and n not in busy]
        if idle:
            fresh = Search([search.strings[number] for number in idle])
            begin(fresh)
            if fresh.pending:
                owners = [idle[number] for number in fresh.pending["owner"]]
                search.pending = _joined(search.pending, {**fresh.pending, "owner": owners})
            return search
        assert search.pending is not None
        before = search.pending["descent"]
        after = descender.advance(before)
        for number, made in zip(search.pending["owner"], after.step - before.step, strict=True):
            search.strings[number].grad_evals += int(made)
        search.pending["descent"] = after
        owner, going = np.array(search.pending["owner"]), descender.going(after)
        for number in np.unique(owner):
            mine = owner == number
            if not going[mine].any():
                own = _chosen(search.pending, mine) | {"owner": [0] * int(mine.sum())}
                absorb(Search([search.strings[number]], own), after.take(np.flatnonzero(mine)))
        left = np.isin(owner, owner[going])
        if not left.all():
            search.pending = _chosen(search.pending, left) if left.any() else None
        return search

    return step


def _chosen(pending: dict[str, Any], mask: np.ndarray) -> dict[str, Any]:
    """Some of the pending beads."""
    index = np.flatnonzero(mask)
    return {
        name: part.take(index) if isinstance(part, DescentState) else [part[i] for i in index]
        for name, part in pending.items()
    }


def _joined(first: dict[str, Any] | None, then: dict[str, Any]) -> dict[str, Any]:
    return then if first is None else {name: first[name] + then[name] for name in then}
