"""What interrupted work has kept, checked before it goes on: by kinds, as records are."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import numpy as np
from pydantic import Field, InstanceOf

from landscape.search.descend import DescentState
from landscape.search.shortening import Shortening
from landscape.search.state import Beads, Round, Search, Segments, String
from landscape.store.files import (
    Arrays,
    RunError,
    checked,
    load_arrays,
    read_contents,
    read_record,
    save_arrays,
)
from landscape.store.records.base import Amount, Checksum, Count, Number
from landscape.store.records.strings import SearchStatus

Array = InstanceOf[np.ndarray]
Named = dict[str, Array]
# what is kept, before it is packed and after: JSON, with arrays beside it
Plain: TypeAlias = (
    "Mapping[str, Plain] | Sequence[Plain] | np.ndarray | np.generic | str | float | bool | None"
)
Packed = dict[str, Any]


class Due:
    """When to keep unfinished work again: every few seconds.

    Less often where writing takes long, so that it never takes more than a part in SHARE of the
    time; with `every=0`, each time.
    """

    SHARE = 20

    def __init__(self, every: float = 15.0) -> None:
        self.every = float(os.environ.get("LSCAPE_CHECKPOINT_SECONDS", every))
        self._at = time.monotonic() + self.every

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._at

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        ended = time.monotonic()
        self._at = ended + max(self.every, self.SHARE * (ended - began)) * (self.every > 0)


class Checkpoints:
    """Keeps plain data (dicts, lists, numbers, texts, arrays) in a file whenever it is due."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._due = Due()

    def load(self) -> object:
        """What was kept last, or None. Raises RunError for a damaged file."""
        if not self.path.exists():
            return None
        arrays, record = load_arrays(self.path)
        return _unpack(record["data"], arrays)

    def keep(self, make: Callable[[], Plain], now: bool = False) -> None:
        if now or self._due.passed:
            with self._due.writing():
                arrays: Arrays = {}
                data = _pack(make(), arrays)
                save_arrays(self.path, arrays, {"data": data})

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)


def _pack(value: Plain, arrays: Arrays) -> Packed:
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = value
        return {"array": name}
    if isinstance(value, dict):
        return {"dict": {key: _pack(item, arrays) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        return {"list": [_pack(item, arrays) for item in value]}
    if isinstance(value, np.generic):
        return {"value": value.item()}
    return {"value": value}


def _unpack(packed: Packed, arrays: Arrays) -> object:
    ((kind, value),) = packed.items()
    if kind == "array":
        return arrays[value]
    if kind == "dict":
        return {key: _unpack(item, arrays) for key, item in value.items()}
    if kind == "list":
        return [_unpack(item, arrays) for item in value]
    return value


@dataclass(frozen=True, kw_only=True)
class KeptDescent:
    params: Named
    memory: list[Array]
    key: Array
    step: Array
    value: Array
    target: Array
    reach: Array
    moved: Array
    fixed: Named

    def __post_init__(self) -> None:
        """All arrays are of the same models."""
        step = self.step
        if step.ndim != 1 or step.dtype.kind not in "iu" or (step < 0).any():
            raise ValueError("step is a whole number of 0 or more a model")
        numbers = self.value, self.target, self.reach
        if any(part.shape != step.shape or part.dtype.kind != "f" for part in numbers):
            raise ValueError("value, target and reach are a number a model")
        if self.moved.shape != step.shape or self.moved.dtype != bool:
            raise ValueError("moved is true or false a model")
        if self.key.shape != (len(step), 2):
            raise ValueError("key is two numbers a model")
        many = [*self.params.values(), *self.memory, *self.fixed.values()]
        if not self.params or any(part.shape[:1] != step.shape for part in many):
            raise ValueError("params, memory and fixed have an item a model")


@dataclass(frozen=True, kw_only=True)
class KeptTraining:
    """A model; met: (level, step, value) of the levels that it has met."""

    descent: KeptDescent
    met: list[tuple[Number, Count, Number]]

    def __post_init__(self) -> None:
        if len(self.descent.step) != 1:
            raise ValueError("descent is of one model")


@dataclass(frozen=True, kw_only=True)
class KeptRound:
    """facts [5]: number, level, highest, at, cost, of which any may be infinite or NaN."""

    facts: Array
    beads: Array
    places: Array
    profile: Array

    def __post_init__(self) -> None:
        if self.facts.shape != (5,):
            raise ValueError("facts are five numbers")


@dataclass(frozen=True, kw_only=True)
class KeptSegments:
    upper: Array
    place: Array
    ts: Array
    values: Array
    own: Named


@dataclass(frozen=True, kw_only=True)
class KeptShortening:
    name: str
    limit: Number
    points: Named
    safe: Named
    kept: Named
    ends: Annotated[list[Number], Field(min_length=2, max_length=2)]
    extra: Array
    max_beads: Count
    max_sweeps: Count
    max_cost: Count | None
    lengths: list[Amount]
    seen: Named
    fresh: Count
    cuts: Named
    tube: Number
    margin: Number
    stiffness: Array
    held: Array
    penalty: Number
    recent: list[list[Number]]
    failures: Count
    landing: bool
    sweeps: Count
    grad_evals: Count
    loss_evals: Count
    history: list[Annotated[list[Number], Field(min_length=5, max_length=5)]]
    ended: Literal["CONVERGED", "STALLED", "BUDGET", "OFF"] | None
    reason: str
    seconds: Amount


@dataclass(frozen=True, kw_only=True)
class KeptString:
    name: Annotated[str, Field(pattern=r"^\d+-\d+$")]
    points: Named
    segments: KeptSegments | None
    level: Number | None
    history: list[KeptRound]
    ids: Array
    left: Named
    left_ids: Array
    chained_from: Number | None
    facts: dict[str, Number]
    ended: SearchStatus | None
    reason: str
    rounds: Count
    turn: Count
    restarts: Count
    grad_evals: Count
    loss_evals: Count
    tightening: KeptShortening | None
    length_found: Amount | None
    seconds: Amount

    def __post_init__(self) -> None:
        beads = {leaf.shape[:1] for leaf in self.points.values()}
        if beads != {self.ids.shape} or len(self.ids) < 2:
            raise ValueError("points and ids have an item a bead, of two or more")
        if segments := self.segments:
            known = [segments.upper, segments.place, segments.ts, segments.values]
            known += segments.own.values()
            if any(part.shape[:1] != (len(self.ids) - 1,) for part in known):
                raise ValueError("segments has an item a segment")


@dataclass(frozen=True, kw_only=True)
class KeptBeads:
    """On their way down, for the strings `owner`."""

    owner: Array
    place: Array
    fresh: Array
    descent: KeptDescent


@dataclass(frozen=True, kw_only=True)
class KeptSearch:
    strings: Annotated[list[KeptString], Field(min_length=1)]
    pending: KeptBeads | None

    def __post_init__(self) -> None:
        """Every bead on its way belongs to a string, and to a place on it."""
        if (pending := self.pending) is None:
            return
        numbers = pending.owner, pending.place
        shape = pending.descent.step.shape
        if any(part.shape != shape or part.dtype.kind not in "iu" for part in numbers):
            raise ValueError("pending: owner and place are a whole number a bead")
        if pending.fresh.shape != shape or pending.fresh.dtype != bool:
            raise ValueError("pending: fresh is true or false a bead")
        for owner, place in zip(*numbers, strict=True):
            if not 0 <= owner < len(self.strings) or not 0 <= place < len(self.strings[owner].ids):
                raise ValueError("pending: owner and place are of a string and a bead of it")


def packed(search: Search) -> dict[str, Plain]:
    """A search as plain data; its beads may stay on the devices."""
    pending = search.pending
    return {
        "strings": [
            {
                **vars(string),
                "segments": string.segments and vars(string.segments),
                "tightening": string.tightening and vars(string.tightening),
                "history": [_packed_round(one) for one in string.history],
            }
            for string in search.strings
        ],
        "pending": None
        if pending is None
        else {**vars(pending), "descent": pending.descent.settled().arrays()},
    }


def unpacked(before: KeptSearch) -> Search:
    """The search that was kept."""
    strings = [
        String(
            **{
                **vars(string),
                "segments": string.segments and Segments(**vars(string.segments)),
                "tightening": string.tightening and Shortening(**vars(string.tightening)),
                "history": [_round(one) for one in string.history],
            }
        )
        for string in before.strings
    ]
    pending = before.pending
    if pending is None:
        return Search(strings)
    return Search(strings, Beads(**{**vars(pending), "descent": descent_of(pending.descent)}))


def descent_of(before: KeptDescent) -> DescentState:
    """The descent that was kept."""
    return DescentState(**vars(before))


def _packed_round(one: Round) -> dict[str, Plain]:
    facts = np.array([one.number, one.level, one.highest, one.at, one.cost])
    return {"facts": facts, "beads": one.beads, "places": one.places, "profile": one.profile}


def _round(kept: KeptRound) -> Round:
    number, level, highest, at, cost = map(float, kept.facts)
    return Round(number, level, highest, at, kept.beads, kept.places, kept.profile, int(cost))


@dataclass(frozen=True, kw_only=True)
class KeptPlane:
    """of: the checksum of the plane and its grid."""

    rows: list[Array]
    of: Checksum


Kind = TypeVar("Kind")


def kept(checkpoints: Checkpoints, kind: type[Kind]) -> Kind | None:
    """What a checkpoint has kept last, if it is of a kind, or None. Raises RunError."""
    path = checkpoints.path
    if not path.exists():
        return None
    _check_packed(read_record(path).get("data"), read_contents(path).arrays, f"{path}: data")
    return checked(kind, checkpoints.load(), path)


def _check_packed(value: object, arrays: dict[str, str], place: str) -> None:
    """Raises RunError for what is not packed as checkpoints are."""
    if isinstance(value, dict) and len(value) == 1:
        ((kind, inner),) = value.items()
        if kind == "array" and isinstance(inner, str) and inner in arrays:
            return
        if kind == "value" and not isinstance(inner, dict | list):
            return
        if kind == "dict" and isinstance(inner, dict):
            for key, item in inner.items():
                _check_packed(item, arrays, f"{place}.{key}")
            return
        if kind == "list" and isinstance(inner, list):
            for number, item in enumerate(inner):
                _check_packed(item, arrays, f"{place}.{number}")
            return
    raise RunError(f"{place}: neither an array of the file, a value, a dict nor a list")
