"""What every search does with its strings: evaluate new segments, insert beads, record rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from landscape.core import paths, trees
from landscape.core.certificate import profile_of
from landscape.core.segments import SegmentEvaluator
from landscape.core.trees import Params
from landscape.search.descend import Descender
from landscape.search.state import Beads, Round, Search, Segments, Stepper, String

LEFT_BYTES = 2**26  # of the positions that a string's beads have left

# A bead that cannot leave its start (DescentState.stayed) starts again off its segment:
RESTARTS = 3  # times at most, and
OFF = 0.05  # of the segment, doubled each time, where there is no jitter
FARTHEST = 1.0  # lengths of the segment

NOT_SEEN = "the certificate found more than the search had seen"
HIGH_HELP = "connect.jitter with connect.retries, or more connect.max_steps_per_bead,"
BAD_HELP = "connect.jitter, or a smaller connect.learning_rate,"


def evaluate_new_segments(strings: list[String], evaluate: SegmentEvaluator, limit: float) -> None:
    """Evaluate the segments that are new since the last time, of all strings at once."""
    news = [
        np.arange(trees.count(s.points) - 1)
        if s.segments is None
        else np.flatnonzero(np.isnan(s.segments.upper))
        for s in strings
    ]
    pairs = [(string, new) for string, new in zip(strings, news, strict=True) if len(new)]
    if not pairs:
        return
    beads = _bead_losses([string for string, _ in pairs], evaluate)
    each = list(zip(pairs, beads, strict=True))
    found = evaluate(
        trees.joined([trees.seen(string.points, new) for string, new in pairs]),
        trees.joined([trees.seen(string.points, new + 1) for string, new in pairs]),
        limit,
        only_below=True,
        ends=np.concatenate([np.stack([at[new], at[new + 1]], 1) for (_, new), at in each]),
    )
    cuts = np.cumsum([len(new) for _, new in pairs])[:-1]
    upper = found.maximum + found.change
    parts = upper, found.place, found.ts, found.values, found.losses
    split = (np.split(part, cuts) for part in parts)
    for (string, new), upper, place, ts, values, losses in zip(pairs, *split, strict=True):
        string.loss_evals += int(losses.sum())
        if string.segments is None:
            string.segments = Segments(upper, place, ts, values)
        else:
            known = string.segments
            known.upper[new], known.place[new] = upper, place
            known.ts[new], known.values[new] = ts, values


def known_losses(string: String) -> np.ndarray:
    """The losses at a string's beads [beads], NaN where they have to be found."""
    if string.segments is None:
        return np.full(trees.count(string.points), np.nan)
    values = string.segments.values
    left, right = np.append(values[:, 0], np.nan), np.append(np.nan, values[:, -1])
    return np.where(np.isnan(left), right, left)


def _bead_losses(strings: list[String], evaluate: SegmentEvaluator) -> list[np.ndarray]:
    """The losses at the beads of strings [beads] each; those that are new are evaluated."""
    losses = [known_losses(string) for string in strings]
    news = [np.flatnonzero(np.isnan(known)) for known in losses]
    if not any(map(len, news)):
        return losses
    beads = [trees.seen(string.points, new) for string, new in zip(strings, news, strict=True)]
    found = np.split(evaluate.at(trees.joined(beads)), np.cumsum(list(map(len, news)))[:-1])
    for string, known, new, at in zip(strings, losses, news, found, strict=True):
        known[new] = at
        string.loss_evals += int((~np.isnan(at)).sum())
    return losses


def highest_at(string: String, segment: int) -> float:
    """Where a segment is highest, as a fraction of the string."""
    place = string.seen.place[:, None]
    return float(paths.fractions(paths.segment_lengths(string.points), place)[segment, 0])


def record_round(string: String, level: float) -> None:
    """Keep a round, once its segments are evaluated, for the history."""
    known = string.seen
    worst = int(known.upper.argmax())
    where = paths.fractions(paths.segment_lengths(string.points), known.ts)
    string.history.append(
        Round(
            number=string.rounds,
            level=level,
            highest=float(known.upper[worst]),
            at=highest_at(string, worst),
            beads=string.ids.copy(),
            places=paths.bead_places(string.points),
            profile=profile_of(where, known.values).astype(np.float32),
            cost=string.cost,
        )
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


def points_along(string: String, count: int, jitter: float, key: np.ndarray) -> Params:
    """So many points [count, ...] at even distances along a string, the inner ones moved off it
    together, by `jitter` lengths of its chord each, in a direction that the key draws."""
    points = paths.at(string.points, np.linspace(0, 1, count))
    if jitter:
        inner = {name: leaf[1:-1] for name, leaf in points.items()}
        off = jitter * paths.chord(string.points) * np.sqrt(count - 2)
        for name, away in trees.random_move(inner, off, key).items():
            points[name][1:-1] += away.astype(points[name].dtype)
    for name, leaf in points.items():
        leaf[[0, -1]] = string.points[name][[0, -1]]
    return points


def _fresh(string: String, count: int) -> np.ndarray:
    used = max(string.ids.max(), string.left_ids.max(initial=-1))
    return used + 1 + np.arange(count)


def insert_beads(string: String, segments: np.ndarray, beads: Params) -> None:
    """Put bead i (named arrays [n, ...]) on segment `segments[i]`.

    Both halves inherit what is known of the segment, but for what has to be looked at again.
    """
    string.ids = np.insert(string.ids, segments + 1, _fresh(string, len(segments)))
    string.points = paths.insert(string.points, segments, beads)
    first = segments + np.arange(len(segments))

    def split(known: np.ndarray) -> np.ndarray:
        return np.insert(known, segments + 1, known[segments], axis=0)

    def unknown(known: np.ndarray) -> np.ndarray:
        known = split(known)
        known[first] = known[first + 1] = np.nan
        return known

    known = string.seen
    values = unknown(known.values)
    values[first, 0], values[first + 1, -1] = known.values[segments][:, [0, -1]].T
    string.segments = Segments(
        unknown(known.upper),
        unknown(known.place),
        unknown(known.ts),
        values,
        {name: split(numbers) for name, numbers in known.own.items()},
    )


def replace_beads(string: String, beads: np.ndarray, to: Params) -> None:
    """Move the beads of these numbers; where they were is kept for the history, the latest while
    that is small."""
    _keep_left(string, beads)
    string.ids = string.ids.copy()
    string.ids[beads] = _fresh(string, len(beads))
    string.points = trees.copy(string.points)
    for number, bead in enumerate(beads):
        trees.put(string.points, bead, {name: to[name][number] for name in string.points})
    known, changed = string.seen, np.concatenate([beads - 1, beads])
    at = known_losses(string)
    at[beads] = np.nan
    for measured in (known.upper, known.place, known.ts, known.values):
        measured[changed] = np.nan
    known.values[:, 0], known.values[:, -1] = at[:-1], at[1:]


def replace_path(string: String, points: Params, seen: Segments | None = None) -> None:
    """Put other beads between the same ends [beads, ...], and what is known of them; where the old
    ones were is kept for the history."""
    _keep_left(string, np.arange(1, len(string.ids) - 1))
    inner = _fresh(string, trees.count(points) - 2)
    string.ids = np.concatenate([string.ids[:1], inner, string.ids[-1:]])
    string.points, string.segments = points, seen


def _keep_left(string: String, beads: np.ndarray) -> None:
    if not len(beads):
        return
    most = LEFT_BYTES // sum(leaf[0].nbytes for leaf in string.points.values())
    beads = beads[max(0, len(beads) - most) :]
    kept = slice(max(0, len(string.left_ids) - (most - len(beads))), None)
    left = trees.items(string.points, beads)
    before = [trees.take(string.left, kept)] if string.left else []
    string.left = trees.concatenate([*before, left])
    string.left_ids = np.concatenate([string.left_ids[kept], string.ids[beads]])


def drop_beads(string: String, beads: np.ndarray) -> None:
    """Leave the beads of these numbers off; all that is left has to be looked at again."""
    kept = ~np.isin(np.arange(len(string.ids)), beads)
    string.points = trees.items(string.points, kept)
    string.ids = string.ids[kept]
    string.segments = None


def failure_hint(stayed: np.ndarray, help: str) -> str:
    """How a reason ends: which of the beads [n] that failed could not leave where they began, and
    what may help."""
    held = (
        f", {stayed.sum()} of them with no way down from where they began" if stayed.any() else ""
    )
    return f"{held}; {help} may help"


def in_rounds(
    descender: Descender,
    begin: Callable[[list[String]], Beads | None],
    absorb: Callable[[String, Beads], None],
) -> Stepper:
    """The stepper that lets beads down together, each string in its own rounds: while one waits for
    a slow bead the others go on.

    begin: of strings without pending beads, end some, and give the beads that shall descend for
    the others; absorb: take the beads of one string up, all of which have come to an end.
    """

    def step(search: Search) -> None:
        busy = set(search.pending.owner.tolist()) if search.pending else set()
        idle = [n for n, s in enumerate(search.strings) if s.ended is None and n not in busy]
        if idle:
            fresh = begin([search.strings[number] for number in idle])
            if fresh is not None:
                fresh = replace(fresh, owner=np.array(idle)[fresh.owner])
                search.pending = search.pending + fresh if search.pending else fresh
            return
        assert search.pending is not None
        before = search.pending.descent
        after = descender.advance(before)
        owner, going = search.pending.owner, descender.going(after)
        for number, made in zip(owner, after.step - before.step, strict=True):
            search.strings[number].grad_evals += int(made)
        search.pending = replace(search.pending, descent=after)
        for number in np.unique(owner):
            mine = owner == number
            if not going[mine].any():
                absorb(search.strings[number], search.pending.take(np.flatnonzero(mine)))
        left = np.isin(owner, owner[going])
        if not left.all():
            search.pending = search.pending.take(np.flatnonzero(left)) if left.any() else None

    return step
