"""The models of a run, permuted. No JAX here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from landscape.store.files import RunError, in_place, load_arrays, part, read_record, save_arrays
from landscape.store.layout import Layout
from landscape.store.records.alignments import AlignmentRecord

ByAxis = Mapping[tuple[str, int], np.ndarray]


class AlignmentFiles(Layout):
    """Reads and writes the orders by which models are permuted."""

    def save_alignment(self, record: AlignmentRecord, orders: ByAxis, factors: ByAxis) -> None:
        """Keep by what a model is changed, (array, axis) → the old place of each new one, and →
        what each is multiplied by then."""
        path = self.alignment_file(record.align, record.level, record.a, record.b)
        arrays = {
            f"{name}:{axis}:{what}": values.astype(kind)
            for what, kind, of in (("order", np.int32, orders), ("factor", np.float64, factors))
            for (name, axis), values in of.items()
        }
        save_arrays(path, arrays, {"alignment": record})

    def load_alignment(
        self, how: str, level: float, a: int, b: int
    ) -> tuple[ByAxis, ByAxis, AlignmentRecord]:
        """What `save_alignment` kept: orders, factors, record. Raises RunError for a damaged or
        altered file."""
        path = self.alignment_file(how, level, a, b)
        arrays, record = load_arrays(path)
        found: dict[str, dict[tuple[str, int], np.ndarray]] = {"order": {}, "factor": {}}
        for key, values in arrays.items():
            name, axis, what = ("", "", *key.rsplit(":", 2))[-3:]
            if not (name and axis.isdigit() and what in found):
                raise RunError(f"{path}: '{key}' is not an array, its axis, and order or factor")
            found[what][name, int(axis)] = values
        kept = part(record, "alignment", AlignmentRecord, path)
        own = self.alignment_file(kept.align, kept.level, kept.a, kept.b)
        return found["order"], found["factor"], in_place(path, own, kept)

    def alignments(self) -> list[AlignmentRecord]:
        """The records of alignments/, by how, level from high to low, and pair. Raises RunError."""
        found = []
        for path in self.directory.glob("alignments/*/*/*/*.safetensors"):
            record = part(read_record(path), "alignment", AlignmentRecord, path)
            own = self.alignment_file(record.align, record.level, record.a, record.b)
            found.append(in_place(path, own, record))
        return sorted(found, key=lambda one: (one.align, -one.level, one.a, one.b))
