"""What all records have: types of fields, and how a record becomes JSON and a line of a table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import BeforeValidator, Field, Strict

ROUNDING = 1e-9


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("null is not allowed, though the key may be left out")
    return value


# strict, as JSON has its types: whole numbers are numbers, true and false are not
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Amount = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
Part = Annotated[float, Strict(), Field(ge=-ROUNDING, le=1 + ROUNDING)]
Count = Annotated[int, Strict(), Field(ge=0)]
OneOrMore = Annotated[int, Strict(), Field(gt=0)]
Flag = Annotated[bool, Strict()]
Checksum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# of a name that figures and terminals show: without what these obey
Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]

# of a field: its key may be left out, and is where it is None; it is no column of a table
OPTIONAL = {"optional": True}
GIVEN = BeforeValidator(_given)  # what may be left out is not null where it is there


class OfPair(Protocol):
    """What is of a pair of models at a level, in a set of searches."""

    @property
    def set(self) -> str: ...
    @property
    def level(self) -> float: ...
    @property
    def a(self) -> int: ...
    @property
    def b(self) -> int: ...


class OfModel(Protocol):
    """What is of a model at a level."""

    @property
    def level(self) -> float: ...
    @property
    def model(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Record:
    """What all records are. A field without a default is there in every file, be it null."""


Kind = TypeVar("Kind", bound=Record)


def columns(kind: type[Record]) -> tuple[str, ...]:
    """The fields of a kind of records that its tables have."""
    return tuple(field.name for field in fields(kind) if not field.metadata.get("optional"))


def names(kind: type[Record]) -> tuple[str, ...]:
    """All fields of a kind of records."""
    return tuple(field.name for field in fields(kind))


def made(kind: type[Kind], /, **known: Any) -> Kind:
    """A record of what is known of it; all else is None."""
    return kind(**dict.fromkeys(names(kind)) | known)


def as_dict(record: Any) -> dict[str, Any]:
    """A record as JSON has it; records inside of it are left to the next call, as json.dumps makes
    them by `default`. Raises TypeError for what is no record."""
    if not isinstance(record, Record):
        raise TypeError(f"{type(record).__name__} is not JSON")
    return {
        field.name: value
        for field in fields(record)
        if (value := getattr(record, field.name)) is not None or not field.metadata.get("optional")
    }
