"""The shortest certified path that is known for a pair at a level, from whatever search it is.

No single search is to be believed: its lengths are of the paths that it happens to find. So paths
of all searches of a run compete, as their searches left them and as they were shortened. Sublevel
sets are nested: a path at a lower level, with the models' own paths from level to level at both
ends, is a path at every higher one, certified already. A path competes where its certified bound
is below the limit, whatever limit it was searched for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from landscape.analysis.topology import upper_bound
from landscape.store.records.measures import OFF, StringMeasure
from landscape.store.records.strings import SnapshotRecord, StringRecord

CONNECTED = "CONNECTED"
ALIKE = 0.02  # of the length: two methods agree where they differ by no more
STRAIGHT = 1e-9  # of the chord, by which rounding alone makes a length differ

Place = tuple[int, int, float]  # a pair at a level


@dataclass(frozen=True)
class BestKnown:
    """The shortest certified path known between models a and b at a level, an upper bound.

    Attributes:
        a: A model.
        b: Another one.
        level: The level.
        chord: The distance of the ends.
        least: What no path is shorter than: the chord, or more where the landscape knows it.
        length: Of the path.
        method: What found it.
        form: `found` by the search, `shortened`, or `extended` from a lower level.
        below: The level that it was extended from.
        methods: Each method's shortest, by its name, as it was at this level.
        found: The shortest that a search of this level left, before shortening.
        nested: The length of the shortest path known at a lower level, with the models' own paths.
        shortened: Each method's shortest shortened path of this level, by its name.
    """

    a: int
    b: int
    level: float
    chord: float
    least: float
    length: float
    method: str
    form: str
    below: float | None
    methods: Mapping[str, float]
    found: float | None
    nested: float | None
    shortened: Mapping[str, StringMeasure]

    @property
    def normalized(self) -> float:
        """The length over the chord."""
        return self.length / self.chord

    @property
    def method_error(self) -> float | None:
        """By which part of the length the next method's shortest path is longer; None where one
        method alone has found a path at this level."""
        others = sorted(length for name, length in self.methods.items() if name != self.method)
        return others[0] / self.length - 1 if others else None

    @property
    def error(self) -> float | None:
        """The method error in units of the normalised length; 0 of a straight path, which is the
        shortest there can be."""
        if self.is_straight:
            return 0.0
        part = self.method_error
        return None if part is None else part * self.normalized

    def error_of(self, length: float) -> float | None:
        """The method error of the normalised length of any path of the pair at this level: by how
        much it is longer than the shortest known; of that one itself, its own."""
        longer = length - self.length
        return longer / self.chord if longer > STRAIGHT * self.length else self.error

    def other(self, method: str) -> StringMeasure | None:
        """The shortest shortened path of any other method; None where there is none."""
        others = [
            (one.length, one)
            for name, one in self.shortened.items()
            if name != method and one.length is not None
        ]
        return min(others, key=lambda pair: pair[0])[1] if others else None

    @property
    def is_straight(self) -> bool:
        """Whether it is the chord itself: then it is the shortest there can be."""
        return self.is_chord(self.length)

    def is_chord(self, length: float) -> bool:
        """Whether a path of this length is the straight line."""
        return length <= (1 + STRAIGHT) * self.chord

    @property
    def missed(self) -> dict[str, float]:
        """The methods whose shortest path is longer, by more than 2 %, than the one that a lower
        level has: their searches of this level missed what there is."""
        most = math.inf if self.nested is None else (1 + ALIKE) * self.nested
        return {name: length for name, length in self.methods.items() if length > most}

    def of_shortened(self, key: str) -> tuple[float, float | None] | None:
        """A number of the shortest shortened path of this level, and by how much that of another
        method's shortest differs, None where there is none; None where none was shortened."""
        lengths = sorted(
            (one.length, getattr(one, key))
            for one in self.shortened.values()
            if one.length is not None and getattr(one, key) is not None
        )
        if not lengths:
            return None
        values = [value for _, value in lengths]
        return values[0], abs(values[1] - values[0]) if len(values) > 1 else None

    @property
    def agrees(self) -> bool | None:
        """Whether two methods agree on the length, within 2 %; None where there is one."""
        error = self.method_error
        return None if error is None else error <= ALIKE


@dataclass(frozen=True)
class _Path:
    length: float
    method: str
    form: str
    below: float | None = None


@dataclass(frozen=True)
class Question:
    """What sets of searches ask for alike: paths below these limits, lengths over the same.

    Attributes:
        sets: Those that ask it.
        over: The parameters that lengths and chords are over, as globs.
        limits: Of each level.
    """

    sets: tuple[str, ...]
    over: str
    limits: Mapping[float, float]


def questions(rows: Iterable[StringRecord], over: Mapping[str, str]) -> list[Question]:
    """What the rows' sets ask for; over: the parameters of each set's lengths."""
    limits: dict[str, dict[float, float]] = {}
    for row in rows:
        own = limits.setdefault(row.set, {})
        if row.limit is not None:
            own[row.level] = row.limit
    found: list[Question] = []
    for name, own in limits.items():
        for number, other in enumerate(found):
            common = own.keys() & other.limits.keys()
            if other.over == over[name] and all(own[at] == other.limits[at] for at in common):
                joined = {**other.limits, **own}
                found[number] = Question((*other.sets, name), other.over, joined)
                break
        else:
            found.append(Question((name,), over[name], own))
    return found


def best_known(
    rows: Sequence[StringRecord],
    limits: Mapping[float, float],
    measures: Iterable[StringMeasure] = (),
    snapshots: Iterable[SnapshotRecord] = (),
) -> list[BestKnown]:
    """The shortest certified paths of a run, by level from high to low and by pair.

    All lengths must be over the same parameters; the models' own paths are over all of them. Pairs
    whose ends coincide are left out.

    Args:
        rows: Of any sets, whatever their limits.
        limits: What a path must be below at each level asked about.
        measures: The measured strings of these sets.
        snapshots: The models' own paths.
    """
    chords = {(r.a, r.b, r.level): r.chord for r in rows if r.chord and r.level in limits}
    least = dict(chords)
    for row in rows:
        place = row.a, row.b, row.level
        if place in least and row.geodesic is not None:
            least[place] = max(least[place], row.geodesic)
    own: dict[Place, list[_Path]] = {}
    for row in rows:
        if (
            row.status == CONNECTED
            and row.length is not None
            and _holds(row, limits.get(row.level))
        ):
            place = row.a, row.b, row.level
            own.setdefault(place, []).append(_Path(row.length, row.method, "found"))
    shortened: dict[Place, dict[str, StringMeasure]] = {}
    for one in measures:
        if one.length is None or one.shortening == OFF or not _holds(one, limits.get(one.level)):
            continue
        place = one.a, one.b, one.level
        own.setdefault(place, []).append(_Path(one.length, one.method, "shortened"))
        before = shortened.setdefault(place, {}).get(one.method)
        if before is None or before.length is None or one.length < before.length:
            shortened[place][one.method] = one
    steps = {
        (one.model, one.level): one
        for one in snapshots
        if one.status == CONNECTED and one.length is not None
    }
    known: dict[Place, BestKnown] = {}
    deepest: dict[tuple[int, int], float] = {}  # the highest level so far, as they are ascending
    for place in sorted(chords, key=lambda place: (place[2], place[:2])):
        a, b, level = place
        candidates = own.get(place, [])
        below = deepest.get((a, b))
        extended = None
        if below is not None:
            extended = _extended(known[a, b, below], steps, level, limits[level])
        every = candidates if extended is None else [*candidates, extended]
        if not every:
            continue
        best = min(every, key=lambda path: path.length)
        lengths = {
            name: min(path.length for path in candidates if path.method == name)
            for name in sorted({path.method for path in candidates})
        }
        left = [path.length for path in candidates if path.form == "found"]
        deepest[a, b] = level
        known[place] = BestKnown(
            a, b, level, chords[place], least[place], best.length, best.method, best.form,
            best.below, lengths, min(left, default=None),
            None if extended is None else extended.length, shortened.get(place, {}),
        )  # fmt: skip
    return sorted(known.values(), key=lambda one: (-one.level, one.a, one.b))


def _holds(record: StringRecord | StringMeasure | SnapshotRecord, limit: float | None) -> bool:
    """Whether a path's certified bound, or the limit that it was found below, is low enough."""
    bounds = [] if record.limit is None else [record.limit]
    bounds.append(upper_bound(record))
    return limit is not None and min(bounds, default=math.inf) <= limit


def _extended(
    lower: BestKnown,
    steps: Mapping[tuple[int, float], SnapshotRecord],
    level: float,
    limit: float,
) -> _Path | None:
    """The path of a lower level with the models' own paths at its ends, where these are known and
    below the limit."""
    length = lower.length
    for model in (lower.a, lower.b):
        at = level
        while at > lower.level:
            step = steps.get((model, at))
            if step is None or step.length is None or not _holds(step, limit):
                return None
            length, at = length + step.length, step.lower
        if at < lower.level:  # the model met no snapshot there
            return None
    below = lower.level if lower.below is None else lower.below
    return _Path(length, lower.method, "extended", below)
