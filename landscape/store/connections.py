"""The strings of a run, and their rows. No JAX here.

A string has a file, which whoever searched it writes. Its row goes to the journal of its set, which
the process that holds the run appends to, once the file is there: a row without a file is of a
string that was lost, and a file without a row of a search that was cut off.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from landscape.store.files import (
    PROFILE,
    Arrays,
    RunError,
    append_lines,
    beside,
    load_arrays,
    load_some,
    profile_in,
    save_arrays,
    table_text,
    write_bytes,
)
from landscape.store.journal import Journal
from landscape.store.layout import Layout, level_name
from landscape.store.records.base import OfPair, columns
from landscape.store.records.strings import StringRecord
from landscape.store.tables import by_pair, cells_of

SEARCH_HISTORY = tuple(
    f"search_history.{name}"  # in full, as a parameter's name may begin like them
    for name in (
        "facts", "beads", "places", "bead_counts", "profile", "profile_counts", "variance",
        "anytime", "functions",
    )
)  # fmt: skip


def _folders(path: str | Path) -> list[os.DirEntry[str]]:
    return [entry for entry in os.scandir(path) if entry.is_dir()]


class ConnectionFiles(Layout):
    """Reads and writes what searches found."""

    def sets(self) -> list[str]:
        folder = self.directory / "sets"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def append_events(self, set_name: str, records: Sequence[Mapping[str, Any]]) -> None:
        append_lines(self.events_file(set_name), records)

    # -- rows ---------------------------------------------------------------------------------

    @functools.cached_property
    def _journals(self) -> dict[str, Journal[StringRecord]]:
        return {}

    def _journal(self, set_name: str) -> Journal[StringRecord]:
        if set_name not in self._journals:
            path = self.rows_file(set_name)
            self._journals[set_name] = Journal(path, StringRecord, by_pair)
        return self._journals[set_name]

    def append_rows(self, rows: Sequence[StringRecord]) -> None:
        """Keep rows, whose strings' files are there; a later row of a pair and level counts."""
        for name in dict.fromkeys(row.set for row in rows):
            self._journal(name).append([row for row in rows if row.set == name])

    def task_rows(self, set_name: str, a: int, b: int) -> Journal[StringRecord]:
        """The rows of a worker's task, named by its first pair."""
        return Journal(self.task_file(set_name, a, b), StringRecord, by_pair)

    def take_task_rows(self, set_name: str) -> None:
        """Append the rows of tasks that were cut off, and forget these tasks."""
        known = {by_pair(row): row for row in self._journal(set_name).records()}
        for path in self.task_files(set_name):
            rows = Journal(path, StringRecord, by_pair).records()
            self.append_rows([row for row in rows if known.get(by_pair(row)) != row])
            path.unlink()

    def known_rows(self, set_name: str | None = None) -> list[StringRecord]:
        """The rows of a set, or of all, by set, level from high to low, and pair, of strings that
        have lost their file too. Raises RunError."""
        found = []
        for name in self.sets() if set_name is None else [set_name]:
            for row in self._journal(name).records():
                if row.set != name:
                    raise RunError(f"{self.rows_file(name)}: has a row of {row.set}")
                found.append(row)
        return sorted(found, key=by_pair)

    def rows(self, set_name: str | None = None) -> list[StringRecord]:
        """The rows of a set, or of all, that have their string's file, by set, level from high to
        low, and pair. Raises RunError."""
        there = self._strings(self.sets() if set_name is None else [set_name])
        return [row for row in self.known_rows(set_name) if self._string_name(row) in there]

    def lost_rows(self) -> list[StringRecord]:
        """The other rows: of strings that have lost their file. Raises RunError."""
        there = self._strings(self.sets())
        return [row for row in self.known_rows() if self._string_name(row) not in there]

    def without_row(self, set_name: str) -> int:
        """How many strings of a set have no row, as where a search was cut off. Raises RunError."""
        known = {self._string_name(row) for row in self.known_rows(set_name)}
        return len(self._strings([set_name]) - known)

    def _strings(self, sets: Sequence[str]) -> set[str]:
        """The strings' files that are there, listed at once: a folder's names cost less than a
        look at each."""
        folder = self.directory / "sets"
        return {
            f"{name}/{level.name}/{first.name}/{file.name}"
            for name in sets
            if (folder / name).is_dir()
            for level in _folders(folder / name)
            for first in _folders(level.path)
            for file in os.scandir(first.path)
        }

    def _string_name(self, row: StringRecord) -> str:
        return f"{row.set}/{level_name(row.level)}/{row.a}/{row.b}.safetensors"

    def write_results(self) -> list[StringRecord]:
        """Rewrite results.csv from the rows, and return those that have their file."""
        write_bytes(self.results_file, self.results_text().encode())
        return self.rows()

    def results_text(self) -> str:
        """The rows as CSV. One that has lost its file keeps its line."""
        return table_text(columns(StringRecord), map(cells_of, self.known_rows()))

    # -- strings ------------------------------------------------------------------------------

    def save_string(
        self, row: StringRecord, string: Arrays, profile: np.ndarray, history: Arrays
    ) -> StringRecord:
        """Keep a string (arrays [beads, ...]), its profile [points, 2] and its history; the row to
        append, which has its checksum."""
        history = {f"search_history.{name}": array for name, array in history.items()}
        path = self.connection_file(row.set, row.level, row.a, row.b)
        checksum = save_arrays(path, {**string, **beside(profile), **history}, {})
        return replace(row, string=checksum)

    def save_connection(
        self, row: StringRecord, string: Arrays, profile: np.ndarray, history: Arrays
    ) -> None:
        """Keep a string and its row."""
        self.append_rows([self.save_string(row, string, profile, history)])

    def load_connection(self, row: StringRecord) -> tuple[Arrays, np.ndarray, Arrays]:
        """The string, profile and history of a row. Raises RunError for a damaged or altered file,
        and for a string other than the row's."""
        path = self.connection_file(row.set, row.level, row.a, row.b)
        arrays, record = load_arrays(path)
        if record["arrays_sha256"] != row.string:
            raise RunError(f"{path}: not the string of its row in {self.rows_file(row.set)}")
        history = {
            name.removeprefix("search_history."): arrays.pop(name)
            for name in SEARCH_HISTORY
            if name in arrays
        }
        return arrays, profile_in(arrays, path), history

    def load_search_history(self, row: OfPair) -> Arrays:
        """The history of a row, the arrays of landscape/search/history.py; {} for a string never
        searched."""
        path = self.connection_file(row.set, row.level, row.a, row.b)
        history = load_some(path, SEARCH_HISTORY.__contains__)
        return {name.removeprefix("search_history."): array for name, array in history.items()}

    def load_profile(self, row: OfPair) -> np.ndarray:
        """The loss along a row's string, [points, 2], without reading the string itself."""
        path = self.connection_file(row.set, row.level, row.a, row.b)
        return profile_in(load_some(path, PROFILE.__contains__), path)
