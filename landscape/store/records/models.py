"""The records of models: what training made of them, and on which side of walls they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NotRequired

from pydantic import AfterValidator, Field, Strict
from typing_extensions import TypedDict  # pydantic's, before Python 3.12

from landscape.store.records.base import Amount, Count, Number, Record


@dataclass(frozen=True, kw_only=True)
class EndPoint(Record):
    """Beside a model's parameters where it first met a level."""

    model: Count
    level: Number
    step: Count
    value: Number


@dataclass(frozen=True, kw_only=True)
class Line(Record):
    """Of history.jsonl."""

    model: Count
    step: Count
    value: Number


@dataclass(frozen=True, kw_only=True)
class Met(Record):
    level: Number
    status: Literal["REACHED", "LEVEL_NOT_REACHED"]
    step: Count | None
    value: Number | None

    def __post_init__(self) -> None:
        if {self.step is None, self.value is None} != {self.status != "REACHED"}:
            raise ValueError("a level has a step and a value where it is REACHED, and only there")


@dataclass(frozen=True, kw_only=True)
class ModelRecord(Record):
    """A model of models.json, and which levels it met."""

    model: Count
    status: Literal["TRAINED", "NON_FINITE"]
    steps: Count
    value: Number | None
    levels: list[Met]


WIDER = "a smaller train.learning_rate, or wider types in the task, may help"


def why_missed(steps: int, value: float | None) -> str:
    """How a model that missed a level ended, and what may help; a value of None is not finite."""
    if value is None:
        return f"non-finite by step {steps}; {WIDER}" if steps else "non-finite before any training"
    if not steps:
        return f"{value:.6g} without any training"
    return f"{value:.6g} after {steps} steps; more train.max_steps, or another rate, may help"


def _numbered(models: list[ModelRecord]) -> list[ModelRecord]:
    if [record.model for record in models] != [*range(len(models))]:
        raise ValueError(f"models are numbered from 0 to {len(models) - 1}")
    return models


Models = Annotated[list[ModelRecord], AfterValidator(_numbered)]


@dataclass(frozen=True, kw_only=True)
class FinalStateRecord(Record):
    """Where training ended: the loss, ‖θ‖, the gradient's norm, what the loss would fall by, by
    gradient and Hessian, and the Hessian's extremes."""

    model: Count
    value: Number
    size: Amount
    gradient: Amount
    gain: Number
    smallest: Number
    smallest_error: Amount
    largest: Number


@dataclass(frozen=True, kw_only=True)
class Side(Record):
    model: Count
    level: Number
    side: Annotated[int, Strict(), Field(ge=-1, le=1)]


AroundZero = TypedDict(
    "AroundZero",
    {
        "F(0)": Number, "sigma": Number, "mu": Number, "s*": Number,
        "f(s*)": Number,
    },
)  # fmt: skip
RankOne = TypedDict(
    "RankOne",
    {"angles": list[Number], "scan": list[Number], "pass": NotRequired[Number]},
)


@dataclass(frozen=True, kw_only=True)
class BoundAroundZero(Record):
    name: Literal["around zero"] = "around zero"
    height: Number
    facts: AroundZero
    sides: list[Side]


@dataclass(frozen=True, kw_only=True)
class BoundRankOne(Record):
    name: Literal["rank one"] = "rank one"
    height: Number
    facts: RankOne
    sides: list[Side]


# no path from one side to the other stays below the height, by proof
LowerBoundRecord = Annotated[BoundAroundZero | BoundRankOne, Field(discriminator="name")]
