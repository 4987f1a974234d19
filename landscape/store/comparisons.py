"""What a run keeps of comparisons of methods: which sets are compared. No JAX here.

The rows are those of the sets, and beside each is how low its search had come at what cost.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from landscape.store.files import RunError, checked, read_json, write_json
from landscape.store.records.base import as_dict
from landscape.store.records.comparisons import ComparisonRecord
from landscape.store.records.strings import StringRecord
from landscape.store.run import Run

UNREACHED = "LEVEL_NOT_REACHED"


class Compared(NamedTuple):
    """A row, how low its search had come [rounds, 2], gradients and the least bound, and its length
    in function space over that of the ends' distance, where both are known."""

    row: StringRecord
    anytime: np.ndarray
    function_length: float | None


def comparison_folder(run: Run) -> Path:
    """Where a run's comparisons and their figures are."""
    return run.directory / "comparisons"


def write_comparison(run: Run, record: ComparisonRecord) -> None:
    """Keep which sets are compared."""
    write_json(comparison_folder(run) / f"{record.name}.json", as_dict(record))


def comparisons_of(run: Run) -> list[ComparisonRecord]:
    """All that were made, by name. Raises RunError for a damaged record."""
    paths = sorted(comparison_folder(run).glob("*.json"))
    return [checked(ComparisonRecord, read_json(path), path) for path in paths]


def compared_rows(run: Run, record: ComparisonRecord) -> list[Compared]:
    """The rows of the pairs and levels that every set has searched; by set in the record's order,
    level from high to low, and pair. Raises RunError for damaged files."""
    places: defaultdict[tuple[float, int, int], dict[str, StringRecord]] = defaultdict(dict)
    for row in run.rows():
        if row.set in record.sets and row.status != UNREACHED:
            places[row.level, row.a, row.b][row.set] = row
    common = [places[place] for place in sorted(places, key=lambda p: (-p[0], *p[1:]))]
    common = [found for found in common if len(found) == len(record.sets)]
    return [_compared(run, found[name]) for name in record.sets for found in common]


def _compared(run: Run, row: StringRecord) -> Compared:
    history = run.load_search_history(row)
    if "anytime" not in history:
        path = run.connection_file(row.set, row.level, row.a, row.b)
        raise RunError(f"{path}: was searched without a budget: there is nothing to compare")
    length, chord = history.get("functions", np.zeros(2)).tolist()
    return Compared(row, history["anytime"], length / chord if chord > 0 else None)
