"""The records of a run as a whole, of a sweep of runs, and of any file of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict  # pydantic's, before Python 3.12

from landscape.core.state import Policy
from landscape.store.records.base import (
    GIVEN,
    Checksum,
    Count,
    FileName,
    Flag,
    Name,
    Number,
    OneOrMore,
    Record,
)


@dataclass(frozen=True, kw_only=True)
class Header(Record):
    """Beside the arrays of a safetensors file; record: the rest as JSON, sha256: of that text."""

    format: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")]
    record: str
    sha256: Checksum


@dataclass(frozen=True, kw_only=True)
class Contents(Record):
    """In every such record; arrays: the type and shape of each, as `float32[2, 3]`, by name;
    each_sha256: the checksum of each, for whoever reads some of them."""

    arrays: dict[str, str]
    arrays_sha256: Checksum
    each_sha256: dict[str, Checksum]


StageStatus = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True, kw_only=True)
class StateRecord(Record):
    """Where running statistics come from at a point, and of how many samples."""

    policy: Policy
    samples: OneOrMore


class KeptLevels(TypedDict):
    metric: Name
    split: Name
    values: list[Number]


class KeptTrain(TypedDict):
    models: Count


class KeptConfig(TypedDict):
    """Of a run's config, what is read without its task; the rest is beside it."""

    task: dict[str, Any]
    train: KeptTrain
    levels: KeptLevels


@dataclass(frozen=True, kw_only=True)
class Meta(Record):
    """What a run was made with, and how far it is; measures: the latest ones; changed: what a set
    or measures have other than the config, `section.key=value`, by its name; files: how many the
    last stage left, by their folder."""

    format: OneOrMore
    config_sha256: Checksum
    status: StageStatus
    stages: dict[str, StageStatus]
    stage: Annotated[str | None, GIVEN] = None
    measures: Annotated[FileName | None, GIVEN] = None
    changed: Annotated[dict[str, list[str]] | None, GIVEN] = None
    command: Annotated[str | None, GIVEN] = None
    versions: Annotated[dict[str, str] | None, GIVEN] = None
    device: Annotated[str | None, GIVEN] = None
    commit: str | None = None
    parameters: Annotated[Count | None, GIVEN] = None
    models: Annotated[Count | None, GIVEN] = None
    state: Annotated[StateRecord | None, GIVEN] = None
    files: Annotated[dict[str, Count] | None, GIVEN] = None


@dataclass(frozen=True, kw_only=True)
class Combination(Record):
    """A run of a sweep; directory: its name within the sweep's."""

    values: dict[str, Any]
    directory: FileName
    set: FileName


@dataclass(frozen=True, kw_only=True)
class SweepRecord(Record):
    """What a sweep is made of."""

    format: OneOrMore
    name: str
    over: dict[str, list[Any]]
    measures: list[str]
    chart: Literal["lines", "map"]
    rate: Flag
    theory: str | None
    runs: list[Combination]
