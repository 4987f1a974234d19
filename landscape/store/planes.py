"""The planes of a run. No JAX here."""

from __future__ import annotations

from landscape.store.files import Arrays, RunError, in_place, load_arrays, part, save_arrays
from landscape.store.layout import Layout, plane_name
from landscape.store.records.planes import PlaneRecord


class PlaneFiles(Layout):
    """Reads and writes the loss on planes."""

    def save_plane(self, name: str, arrays: Arrays, record: PlaneRecord) -> None:
        save_arrays(self.plane_file(name), arrays, {"plane": record})

    def load_plane(self, name: str) -> tuple[Arrays, PlaneRecord]:
        """A plane's arrays and record. Raises RunError for a damaged or altered file."""
        path = self.plane_file(name)
        arrays, record = load_arrays(path)
        plane = part(record, "plane", PlaneRecord, path)
        ways = plane.trajectories or []
        runs = dict.fromkeys(way.run for way in ways)
        own = plane_name(plane.kind, plane.models, plane.level, [*runs])
        lines = [f"string.{number}" for number in range(len(plane.strings))]
        lines += [f"trajectory.{number}" for number in range(len(ways))] or ["models"]
        if missing := {"x", "y", "loss", *lines} - arrays.keys():
            raise RunError(f"{path}: strings: no array {', '.join(sorted(missing))}")
        return arrays, in_place(path, self.plane_file(own), plane)

    def planes(self) -> list[str]:
        return sorted(path.stem for path in (self.directory / "planes").glob("*.safetensors"))
