"""What interrupted work has kept, checked before it goes on: by kinds, as in records.py."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import AfterValidator, Field, FiniteFloat, InstanceOf, NonNegativeInt
from typing_extensions import TypedDict

from landscape.search.descend import DescentState
from landscape.search.state import Beads, Round, Search, Segments, String
from landscape.store.files import Arrays, RunError, checked, load_arrays, read_record, save_arrays
from landscape.store.records import Amount, Checksum, SearchStatus

Array = InstanceOf[np.ndarray]
Named = dict[str, Array]
# what is kept, before it is packed and after: JSON, with arrays beside it
Plain: TypeAlias = (
    "Mapping[str, Plain] | Sequence[Plain] | np.ndarray | np.generic | str | float | bool | None"
)
Packed = dict[str, Any]


class Checkpoints:
    """Keeps plain data (dicts, lists, numbers, texts, arrays) in a file every few seconds.

    Less often where writing takes long, so that it never takes more than a part in SHARE of the
    time; `every=0` keeps it each time.
    """

    SHARE = 20

    def __init__(self, path: Path, every: float = 15.0) -> None:
        self.path = path
        self.every = float(os.environ.get("LSCAPE_CHECKPOINT_SECONDS", every))
        self._due = time.monotonic() + self.every

    def load(self) -> Any | None:
        """What was kept last, or None. Raises RunError for a damaged file."""
        if not self.path.exists():
            return None
        arrays, record = load_arrays(self.path)
        return _unpack(record["data"], arrays)

    def keep(self, make: Callable[[], Plain], now: bool = False) -> None:
        began = time.monotonic()
        if now or began >= self._due:
            arrays: Arrays = {}
            data = _pack(make(), arrays)
            save_arrays(self.path, arrays, {"data": data})
            ended = time.monotonic()
            self._due = ended + max(self.every, self.SHARE * (ended - began)) * (self.every > 0)

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


def _unpack(packed: Packed, arrays: Arrays) -> Any:
    ((kind, value),) = packed.items()
    if kind == "array":
        return arrays[value]
    if kind == "dict":
        return {key: _unpack(item, arrays) for key, item in value.items()}
    if kind == "list":
        return [_unpack(item, arrays) for item in value]
    return value


class KeptDescent(TypedDict):
    params: Named
    memory: list[Array]
    key: Array
    step: Array
    value: Array
    target: Array
    reach: Array
    moved: Array
    fixed: Named


def _alike(descent: KeptDescent) -> KeptDescent:
    """All arrays are of the same models."""
    step = descent["step"]
    numbers = descent["value"], descent["target"], descent["reach"]
    if step.ndim != 1 or step.dtype.kind not in "iu" or (step < 0).any():
        raise ValueError("step is a whole number of 0 or more a model")
    if any(part.shape != step.shape or part.dtype.kind != "f" for part in numbers):
        raise ValueError("value, target and reach are a number a model")
    if descent["moved"].shape != step.shape or descent["moved"].dtype != bool:
        raise ValueError("moved is true or false a model")
    if descent["key"].shape != (len(step), 2):
        raise ValueError("key is two numbers a model")
    many = [*descent["params"].values(), *descent["memory"], *descent["fixed"].values()]
    if not descent["params"] or any(part.shape[:1] != step.shape for part in many):
        raise ValueError("params, memory and fixed have an item a model")
    return descent


Descending = Annotated[KeptDescent, AfterValidator(_alike)]


class KeptTraining(TypedDict):
    """met: of every model (level, step, value) of the levels that it has met."""

    descent: Descending
    met: list[list[Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]]]


def _of_each(kept: KeptTraining) -> KeptTraining:
    if len(kept["met"]) != len(kept["descent"]["step"]):
        raise ValueError("met has an item a model")
    return kept


Training = Annotated[KeptTraining, AfterValidator(_of_each)]


class KeptRound(TypedDict):
    """facts [4]: number, level, highest, at, of which any may be infinite or NaN."""

    facts: Array
    beads: Array
    places: Array
    profile: Array


def _with_four(one: KeptRound) -> KeptRound:
    if one["facts"].shape != (4,):
        raise ValueError("facts are four numbers")
    return one


class KeptSegments(TypedDict):
    upper: Array
    place: Array
    values: Array
    own: Named


class KeptString(TypedDict):
    name: Annotated[str, Field(pattern=r"^\d+-\d+$")]
    points: Named
    segments: KeptSegments | None
    level: FiniteFloat | None
    history: list[Annotated[KeptRound, AfterValidator(_with_four)]]
    ids: Array
    left: Named
    left_ids: Array
    chained_from: FiniteFloat | None
    facts: dict[str, FiniteFloat]
    ended: SearchStatus | None
    reason: str
    rounds: NonNegativeInt
    restarts: NonNegativeInt
    grad_evals: NonNegativeInt
    seconds: Amount


def _of_beads(string: KeptString) -> KeptString:
    beads = {leaf.shape[:1] for leaf in string["points"].values()}
    if beads != {string["ids"].shape} or len(string["ids"]) < 2:
        raise ValueError("points and ids have an item a bead, of two or more")
    if segments := string["segments"]:
        known = [segments["upper"], segments["place"], segments["values"]]
        if any(
            part.shape[:1] != (len(string["ids"]) - 1,)
            for part in (*known, *segments["own"].values())
        ):
            raise ValueError("segments has an item a segment")
    return string


class KeptBeads(TypedDict):
    """On their way down, for the strings `owner`."""

    owner: Array
    place: Array
    fresh: Array
    descent: Descending


class KeptSearch(TypedDict):
    strings: Annotated[list[Annotated[KeptString, AfterValidator(_of_beads)]], Field(min_length=1)]
    pending: KeptBeads | None


def _owned(search: KeptSearch) -> KeptSearch:
    """Every bead on its way belongs to a string, and to a place on it."""
    if (pending := search["pending"]) is None:
        return search
    strings, numbers = search["strings"], (pending["owner"], pending["place"])
    shape = pending["descent"]["step"].shape
    if any(part.shape != shape or part.dtype.kind not in "iu" for part in numbers):
        raise ValueError("pending: owner and place are a whole number a bead")
    if pending["fresh"].shape != shape or pending["fresh"].dtype != bool:
        raise ValueError("pending: fresh is true or false a bead")
    for owner, place in zip(*numbers, strict=True):
        if not 0 <= owner < len(strings) or not 0 <= place < len(strings[owner]["ids"]):
            raise ValueError("pending: owner and place are of a string and a bead of it")
    return search


Searching = Annotated[KeptSearch, AfterValidator(_owned)]


def packed(search: Search) -> dict[str, Any]:
    """A search as plain data; its beads may stay on the devices."""
    pending = search.pending
    return {
        "strings": [
            {
                **vars(string),
                "segments": string.segments and vars(string.segments),
                "history": [_packed_round(one) for one in string.history],
            }
            for string in search.strings
        ],
        "pending": pending and {**vars(pending), "descent": pending.descent.settled().arrays()},
    }


def unpacked(before: KeptSearch) -> Search:
    """The search of `Searching` data."""
    strings = [
        String(
            **{
                **string,
                "segments": string["segments"] and Segments(**string["segments"]),
                "history": [_round(one) for one in string["history"]],
            }
        )
        for string in before["strings"]
    ]
    pending = before["pending"]
    if pending is None:
        return Search(strings)
    return Search(strings, Beads(**{**pending, "descent": DescentState(**pending["descent"])}))


def _packed_round(one: Round) -> KeptRound:
    facts = np.array([one.number, one.level, one.highest, one.at])
    return {"facts": facts, "beads": one.beads, "places": one.places, "profile": one.profile}


def _round(kept: KeptRound) -> Round:
    number, level, highest, at = map(float, kept["facts"])
    return Round(number, level, highest, at, kept["beads"], kept["places"], kept["profile"])


class KeptShortening(TypedDict):
    name: str
    limit: FiniteFloat
    points: Named
    safe: Named
    kept: Named
    ends: Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]
    extra: Array
    lengths: list[Amount]
    seen: Named
    fresh: int
    cuts: Named
    tube: FiniteFloat
    margin: FiniteFloat
    stiffness: Array
    penalty: FiniteFloat
    recent: list[list[FiniteFloat]]
    failures: NonNegativeInt
    sweeps: NonNegativeInt
    grad_evals: NonNegativeInt
    history: list[Annotated[list[FiniteFloat], Field(min_length=5, max_length=5)]]
    ended: Literal["CONVERGED", "STALLED", "BUDGET", "OFF"] | None
    reason: str
    seconds: Amount


class KeptPlane(TypedDict):
    """of: the checksum of the plane and its grid."""

    rows: list[Array]
    of: Checksum


def kept(checkpoints: Checkpoints, kind: object) -> Any | None:
    """What a checkpoint has kept last, if it is of a kind, or None. Raises RunError."""
    path = checkpoints.path
    if not path.exists():
        return None
    record = read_record(path)
    _packed(record.get("data"), record["arrays"], f"{path}: data")
    return checked(kind, checkpoints.load(), path)


def _packed(value: object, arrays: dict[str, str], place: str) -> None:
    """Raises RunError for what is not packed as checkpoints are."""
    if isinstance(value, dict) and len(value) == 1:
        ((kind, inner),) = value.items()
        if kind == "array" and isinstance(inner, str) and inner in arrays:
            return
        if kind == "value" and not isinstance(inner, dict | list):
            return
        if kind == "dict" and isinstance(inner, dict):
            for key, item in inner.items():
                _packed(item, arrays, f"{place}.{key}")
            return
        if kind == "list" and isinstance(inner, list):
            for number, item in enumerate(inner):
                _packed(item, arrays, f"{place}.{number}")
            return
    raise RunError(f"{place}: neither an array of the file, a value, a dict nor a list")
