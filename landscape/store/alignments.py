"""The models of a run, permuted. No JAX here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from landscape.store.files import RunError, in_place, load_arrays, part, read_record, save_arrays
from landscape.store.layout import Layout
from landscape.store.records.alignments import AlignmentRecord


class AlignmentFiles(Layout):
    """Reads and writes the orders by which models are permuted."""

    def save_alignment(
        self, record: AlignmentRecord, orders: Mapping[tuple[str, int], np.ndarray]
    ) -> None:
        """Keep the orders of axes, (array, axis) → old places, by which a model is permuted."""
        path = self.alignment_file(record.align, record.level, record.a, record.b)
        arrays = {
            f"{name}:{axis}": order.astype(np.int32) for (name, axis), order in orders.items()
        }
        save_arrays(path, arrays, {"alignment": record})

    def load_alignment(
        self, how: str, level: float, a: int, b: int
    ) -> tuple[dict[tuple[str, int], np.ndarray], AlignmentRecord]:
        """What `save_alignment` kept. Raises RunError for a damaged or altered file."""
        path = self.alignment_file(how, level, a, b)
        arrays, record = load_arrays(path)
        orders = {}
        for key, order in arrays.items():
            name, _, axis = key.rpartition(":")
            if not (name and axis.isdigit()):
                raise RunError(f"{path}: '{key}' is not an array and its axis")
            orders[name, int(axis)] = order
        kept = part(record, "alignment", AlignmentRecord, path)
        own = self.alignment_file(kept.align, kept.level, kept.a, kept.b)
        return orders, in_place(path, own, kept)

    def alignments(self) -> list[AlignmentRecord]:
        """The records of alignments/, by how, level from high to low, and pair. Raises RunError."""
        found = []
        for path in self.directory.glob("alignments/*/*/*/*.safetensors"):
            record = part(read_record(path), "alignment", AlignmentRecord, path)
            own = self.alignment_file(record.align, record.level, record.a, record.b)
            found.append(in_place(path, own, record))
        return sorted(found, key=lambda one: (one.align, -one.level, one.a, one.b))
