"""The records of planes, and of what is drawn on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from landscape.store.records.base import (
    GIVEN,
    OPTIONAL,
    Amount,
    Count,
    FileName,
    Name,
    Number,
    OneOrMore,
    Part,
    Positive,
    Record,
)
from landscape.store.records.strings import SearchStatus


@dataclass(frozen=True, kw_only=True)
class Drawn(Record):
    """A string on a plane; distance: how far it leaves the plane, at a fraction of its length."""

    a: Count
    b: Count
    set: FileName
    status: SearchStatus
    distance: Amount
    distance_at: Part
    chord: Positive


@dataclass(frozen=True, kw_only=True)
class Trajectory(Record):
    """A model of a run on its way; learning_rate: a number, or a schedule in words; distance: how
    far it leaves the plane, at which step; chord: from its first snapshot to its last."""

    run: Name
    model: Count
    optimizer: Name
    learning_rate: Positive | str
    snapshots: OneOrMore
    distance: Amount
    distance_at: Count
    chord: Amount


PlaneKind = Literal["models", "pair", "random", "trajectory"]
Span = Annotated[list[Number], Field(min_length=4, max_length=4)]


@dataclass(frozen=True, kw_only=True)
class PlaneRecord(Record):
    """span: from and to along x, then y, None where everything on the plane is in it; filters: of
    random directions, the axes that number each array's filters, None for one that is held still;
    trajectories and shares, of the variance of their snapshots along x and y: of their plane, whose
    models are those that were asked for, [] for all."""

    kind: PlaneKind
    models: list[Count]
    level: Number
    grid: OneOrMore
    span: Span | None = None
    metric: Name
    filters: Annotated[dict[str, list[Count] | None] | None, GIVEN] = field(
        default=None, metadata=OPTIONAL
    )
    strings: list[Drawn]
    trajectories: Annotated[Annotated[list[Trajectory], Field(min_length=1)] | None, GIVEN] = field(
        default=None, metadata=OPTIONAL
    )
    shares: Annotated[Annotated[list[Part], Field(min_length=2, max_length=2)] | None, GIVEN] = (
        field(default=None, metadata=OPTIONAL)
    )

    def __post_init__(self) -> None:
        known = self.trajectories is not None, self.shares is not None
        if known != (self.kind == "trajectory",) * 2:
            raise ValueError("a plane has trajectories and shares where its kind is trajectory")
