"""The models of a run, as training left them. No JAX here."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from landscape.store.files import (
    read_if_there,
    read_records,
    write_records,
)
from landscape.store.journal import Journal
from landscape.store.layout import Layout
from landscape.store.records.models import (
    FinalStateRecord,
    Line,
    LowerBoundRecord,
    ModelRecord,
    Models,
)


def curves_in(path: Path) -> Journal[Line]:
    return Journal(path, Line, lambda line: (line.model, line.step))


class ModelFiles(Layout):
    """Reads and writes what training found."""

    def models(self) -> list[ModelRecord]:
        """One record a model. Raises RunError."""
        return read_records(self.directory / "models.json", Models)

    def write_models(self, records: Sequence[ModelRecord]) -> None:
        write_records(self.directory / "models.json", records)

    def is_trained(self) -> bool:
        """Whether training has ended: what was kept of it goes once models.json is there."""
        return (self.directory / "models.json").exists() and not self.training_directory.exists()

    def history(self) -> list[Line]:
        """By model and step; a resumed run repeats lines, the last one counts. Raises RunError."""
        return sorted(
            curves_in(self.history_file).records(), key=lambda line: (line.model, line.step)
        )

    def append_history(self, records: Sequence[Line]) -> None:
        curves_in(self.history_file).append(records, sync=False)

    def task_histories(self) -> list[Path]:
        """The curves of workers' tasks that are not finished."""
        return sorted(self.training_directory.glob("history-*.jsonl"))

    def _task_history(self, model: int) -> Path:
        return self.training_directory / f"history-{model}.jsonl"

    def append_task_history(self, model: int, records: Sequence[Line]) -> None:
        """Of a worker's task, named by its first model."""
        curves_in(self._task_history(model)).append(records, sync=False)

    def take_task_history(self, model: int) -> None:
        """Append the history of a worker's task, which is at work no more."""
        path = self._task_history(model)
        self.append_history(curves_in(path).records())
        path.unlink(missing_ok=True)

    def _trained(self) -> Journal[ModelRecord]:
        path = self.training_directory / "models.jsonl"
        return Journal(path, ModelRecord, lambda record: record.model)

    def trained(self) -> list[ModelRecord]:
        """The models that workers have trained, while others are not. Raises RunError."""
        return self._trained().records()

    def append_trained(self, records: Sequence[ModelRecord]) -> None:
        """Keep models that are trained, whose parameters' files are there."""
        self._trained().append(records)

    def drop_training(self) -> None:
        """Forget what there is only until all models are trained."""
        if self.training_directory.exists():
            shutil.rmtree(self.training_directory)

    def final_states(self) -> list[FinalStateRecord]:
        """A record a model of finite loss, where training ended; [] where it is not measured."""
        return read_if_there(self.final_states_file, list[FinalStateRecord])

    def lower_bounds(self) -> list[LowerBoundRecord]:
        """A record a wall that the theory knows; [] where none is, or none was looked for."""
        return read_if_there(self.lower_bounds_file, list[LowerBoundRecord])
