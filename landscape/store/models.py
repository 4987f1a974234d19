"""The models of a run, as training left them. No JAX here."""

from __future__ import annotations

from collections.abc import Sequence

from landscape.store.files import (
    append_lines,
    checked,
    read_if_there,
    read_lines,
    read_records,
    write_records,
)
from landscape.store.layout import Layout
from landscape.store.records.models import (
    FinalStateRecord,
    Line,
    LowerBoundRecord,
    ModelRecord,
    Models,
)


class ModelFiles(Layout):
    """Reads and writes what training found."""

    def models(self) -> list[ModelRecord]:
        """One record a model. Raises RunError."""
        return read_records(self.directory / "models.json", Models)

    def write_models(self, records: Sequence[ModelRecord]) -> None:
        write_records(self.directory / "models.json", records)

    def history(self) -> list[Line]:
        """By model and step; a resumed run repeats lines, the last one counts."""
        path = self.history_file
        lines = checked(list[Line], read_lines(path), path)
        latest = {(line.model, line.step): line for line in lines}
        return [latest[key] for key in sorted(latest)]

    def append_history(self, records: Sequence[Line]) -> None:
        append_lines(self.history_file, records)

    def final_states(self) -> list[FinalStateRecord]:
        """A record a model of finite loss, where training ended; [] where it is not measured."""
        return read_if_there(self.final_states_file, list[FinalStateRecord])

    def lower_bounds(self) -> list[LowerBoundRecord]:
        """A record a wall that the theory knows; [] where none is, or none was looked for."""
        return read_if_there(self.lower_bounds_file, list[LowerBoundRecord])
