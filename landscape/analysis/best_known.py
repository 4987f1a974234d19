"""The shortest certified path that is known for a pair at a level, from whatever search it is.

No single search is to be believed: its lengths are of the paths that it happens to find. So paths
of all searches of a run compete, as their searches left them and as they were shortened. Sublevel
sets are nested: a path at a lower level, with the models' own paths from level to level at both
ends, is a path at every higher one, certified already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from landscape.store.records.measures import StringMeasure
from landscape.store.records.strings import SnapshotRecord, StringRecord

CONNECTED = "CONNECTED"
ALIKE = 0.02  # of the length: two methods agree where they differ by no more

Place = tuple[int, int, float]  # a pair at a level


@dataclass(frozen=True)
class BestKnown:
    """The shortest certified path known between models a and b at a level, an upper bound.

    Attributes:
        a: A model.
        b: Another one.
        level: The level.
        chord: The distance of the ends: no path is shorter.
        length: Of the path.
        method: What found it.
        form: `found` by the search, `shortened`, or `extended` from a lower level.
        below: The level that it was extended from.
        methods: Each method's shortest, by its name, as it was at this level.
    """

    a: int
    b: int
    level: float
    chord: float
    length: float
    method: str
    form: str
    below: float | None
    methods: Mapping[str, float]

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


def best_known(
    rows: Sequence[StringRecord],
    measures: Iterable[StringMeasure] = (),
    snapshots: Iterable[SnapshotRecord] = (),
) -> list[BestKnown]:
    """The shortest certified paths of a run, by level from high to low and by pair.

    All lengths must be over the same parameters; the models' own paths are over all of them.
    Pairs whose ends coincide are left out.
    """
    chords = {(r.a, r.b, r.level): r.chord for r in rows if r.chord}
    own: dict[Place, list[_Path]] = {}
    for row in rows:
        if row.status == CONNECTED and row.length is not None:
            place = row.a, row.b, row.level
            own.setdefault(place, []).append(_Path(row.length, row.method, "found"))
    for one in measures:
        if one.length is not None and one.shortening != "OFF":
            place = one.a, one.b, one.level
            own.setdefault(place, []).append(_Path(one.length, one.method, "shortened"))
    steps = {
        (one.model, one.level): one
        for one in snapshots
        if one.status == CONNECTED and one.length is not None
    }
    found: dict[Place, BestKnown] = {}
    for a, b, level in sorted(chords, key=lambda place: (place[2], place[:2])):
        candidates = own.get((a, b, level), [])
        shortest = {
            name: min(path.length for path in candidates if path.method == name)
            for name in sorted({path.method for path in candidates})
        }
        below = max((at for x, y, at in found if (x, y) == (a, b)), default=None)
        extended = [] if below is None else _extended(found[a, b, below], steps, level)
        if candidates or extended:
            best = min([*candidates, *extended], key=lambda path: path.length)
            found[a, b, level] = BestKnown(
                a, b, level, chords[a, b, level], best.length, best.method, best.form, best.below,
                shortest,
            )  # fmt: skip
    return sorted(found.values(), key=lambda one: (-one.level, one.a, one.b))


def _extended(
    lower: BestKnown, steps: Mapping[tuple[int, float], SnapshotRecord], level: float
) -> list[_Path]:
    """The path of a lower level with the models' own paths at its ends, where these are known."""
    length = lower.length
    for model in (lower.a, lower.b):
        at = level
        while at > lower.level:
            step = steps.get((model, at))
            if step is None or step.length is None:
                return []
            length, at = length + step.length, step.lower
        if at < lower.level:  # the model met no snapshot there
            return []
    below = lower.level if lower.below is None else lower.below
    return [_Path(length, lower.method, "extended", below)]
