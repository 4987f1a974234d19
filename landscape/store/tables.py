"""The order of a run's tables, and their rows as they are read back. No JAX here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import FiniteFloat, NonNegativeInt, TypeAdapter, ValidationError

from landscape.store.files import RunError, read_table
from landscape.store.records.base import FileName, OfModel, OfPair, Record, as_dict


def by_pair(row: OfPair) -> tuple[str, float, int, int]:
    """By set, level from high to low, and pair."""
    return row.set, -row.level, row.a, row.b


def by_model(row: OfModel) -> tuple[float, int]:
    return -row.level, row.model


@dataclass(frozen=True, kw_only=True)
class LostString:
    """A table's line of a string that has lost its file; cells: the texts, by column."""

    set: FileName
    level: FiniteFloat
    a: NonNegativeInt
    b: NonNegativeInt
    cells: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class LostModel:
    """The same of a model."""

    level: FiniteFloat
    model: NonNegativeInt
    cells: Mapping[str, str]


Lost = TypeVar("Lost", LostString, LostModel)


def lines_of(path: Path, kind: type[Lost]) -> Iterator[Lost]:
    """A table's lines, with what says which row each is as numbers. Raises RunError."""
    adapter = TypeAdapter(kind)
    for number, row in enumerate(read_table(path), 2):
        try:
            yield adapter.validate_python({**row, "cells": row})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise RunError(f"{path}:{number}: {first['loc'][0]}: {first['msg']}") from None


def cells_of(row: Record | LostString | LostModel) -> Mapping[str, Any]:
    """A row's cells, by column."""
    return as_dict(row) if isinstance(row, Record) else row.cells
