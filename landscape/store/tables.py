"""The order of a run's tables, and their rows as they are read back. No JAX here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, FiniteFloat, NonNegativeInt, ValidationError

from landscape.store.files import Row, RunError, read_table
from landscape.store.records import FileName


def by_pair(row: Row) -> tuple[str, float, int, int]:
    """By set, level from high to low, and pair."""
    return row["set"], -row["level"], row["a"], row["b"]


def by_model(row: Row) -> tuple[float, int]:
    return -row["level"], row["model"]


class StringKey(BaseModel):
    set: FileName
    level: FiniteFloat
    a: NonNegativeInt
    b: NonNegativeInt


class ModelKey(BaseModel):
    level: FiniteFloat
    model: NonNegativeInt


def rows_of(path: Path, key: type[StringKey | ModelKey]) -> Iterator[Row]:
    """A table's rows, with what says which row it is as numbers. Raises RunError."""
    for number, row in enumerate(read_table(path), 2):
        try:
            yield {**row, **key.model_validate(row).model_dump()}
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise RunError(f"{path}:{number}: {first['loc'][0]}: {first['msg']}") from None
