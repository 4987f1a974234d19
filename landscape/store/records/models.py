"""The records of models: what training made of them, and on which side of walls they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, NotRequired

from pydantic import AfterValidator, Field, Strict
from typing_extensions import TypedDict  # pydantic's, before Python 3.12

from landscape.store.records.base import GIVEN, OPTIONAL, Amount, Count, Number, Record


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
class Given(Record):
    """The levels' metric of a network trained elsewhere, by whom and with which state.

    Attributes:
        file: The network's.
        value: With the state that the run is about: recomputed, unless the config says otherwise.
        stored: With the state of its file; None where it has none.
        origin: The framework that it was written in, where that was asked.
        by_origin: `value` by that framework, with a state that it recomputed itself.
        stored_by_origin: `stored` by that framework.
    """

    file: str
    value: Number
    stored: Number | None
    origin: str | None
    by_origin: Number | None
    stored_by_origin: Number | None

    def said(self, metric: str) -> str:
        """In a sentence."""

        def both(ours: float, theirs: float | None) -> str:
            return f"{ours:.6g}" + (
                "" if theirs is None else f" by JAX and {theirs:.6g} by {self.origin}"
            )

        said = f"{self.file}: {metric} {both(self.value, self.by_origin)}"
        if self.stored is None:
            return said
        return f"{said}; with its own statistics {both(self.stored, self.stored_by_origin)}"


@dataclass(frozen=True, kw_only=True)
class ModelRecord(Record):
    """A model of models.json, and which levels it met; given: of one trained elsewhere, how it was
    compared."""

    model: Count
    status: Literal["TRAINED", "NON_FINITE"]
    steps: Count
    value: Number | None
    levels: list[Met]
    given: Annotated[Given | None, GIVEN] = field(default=None, metadata=OPTIONAL)


WIDER = "a smaller train.learning_rate, or wider types in the task, may help"


def why_missed(record: ModelRecord, file: str | None = None) -> str:
    """How a model that missed a level ended, and what may help; file: of one trained elsewhere."""
    steps, value = record.steps, record.value
    if file is not None:
        return f"{'non-finite' if value is None else f'{value:.6g}'} in {file}"
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
