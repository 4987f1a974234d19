"""What holds the levels together: trees, the models' own paths, barriers. No JAX here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from landscape.store.files import (
    Arrays,
    beside,
    checked,
    in_place,
    load_arrays,
    part,
    profile_in,
    read_if_there,
    read_record,
    save_arrays,
)
from landscape.store.layout import Layout
from landscape.store.records.strings import BarrierRecord, SnapshotRecord, TreeRecord


class PathFiles(Layout):
    """Reads and writes the paths that are not searched pair by pair."""

    def tree(self, set_name: str) -> list[TreeRecord]:
        """A set's records, levels from high to low; [] where no tree was grown. Raises RunError."""
        return read_if_there(self.tree_file(set_name), list[TreeRecord])

    def save_path(
        self,
        path: Path,
        record: SnapshotRecord | BarrierRecord,
        points: Arrays,
        profile: np.ndarray,
    ) -> None:
        """Keep a path (arrays [beads, ...]), its profile [points, 2] and its record."""
        save_arrays(path, {**points, **beside(profile)}, {"path": record})

    def load_path(self, path: Path) -> tuple[Arrays, np.ndarray, SnapshotRecord | BarrierRecord]:
        """What `save_path` kept. Raises RunError for a damaged or altered file."""
        arrays, record = load_arrays(path)
        kept = checked(SnapshotRecord | BarrierRecord, record.get("path"), f"{path}: path")
        return arrays, profile_in(arrays, path), kept

    def snapshots(self) -> list[SnapshotRecord]:
        """The records of snapshots/, by model, and level from high to low. Raises RunError."""
        found = []
        for path in self.directory.glob("snapshots/*/*.safetensors"):
            record = part(read_record(path), "path", SnapshotRecord, path)
            place = self.snapshot_file(record.model, record.level)
            found.append(in_place(path, place, record))
        return sorted(found, key=lambda record: (record.model, -record.level))

    def barriers(self) -> list[BarrierRecord]:
        """The records of barriers/ between the models as they are, by pair. Raises RunError."""
        return self._barriers("*/*")

    def aligned_barriers(self) -> list[BarrierRecord]:
        """Those to models that are permuted, by how, and pair. Raises RunError."""
        return self._barriers("*/*/*")

    def _barriers(self, places: str) -> list[BarrierRecord]:
        found = []
        for path in self.directory.glob(f"barriers/{places}.safetensors"):
            record = part(read_record(path), "path", BarrierRecord, path)
            place = self.barrier_file(record.a, record.b, record.align)
            found.append(in_place(path, place, record))
        return sorted(found, key=lambda record: (record.align or "", record.a, record.b))
