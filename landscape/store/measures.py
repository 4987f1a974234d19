"""What was measured in a run. No JAX here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from landscape.store.connections import ConnectionFiles
from landscape.store.files import (
    Arrays,
    RunError,
    checked,
    in_place,
    load_arrays,
    load_some,
    part,
    read_record,
    write_table,
)
from landscape.store.records.base import OfPair, columns
from landscape.store.records.measures import (
    DOWNGRADED,
    ModelMeasure,
    OtherMeasureRecord,
    PartMeasure,
    StringMeasure,
    TopMeasure,
)
from landscape.store.records.strings import StringRecord
from landscape.store.status import StatusFiles
from landscape.store.tables import (
    LostModel,
    LostString,
    by_model,
    by_pair,
    cells_of,
    lines_of,
)

OfString = TypeVar("OfString", StringMeasure, ModelMeasure)
OfModel = TypeVar("OfModel", PartMeasure, TopMeasure)


def _measured(path: Path, kind: type[OfString]) -> OfString:
    record = read_record(path)
    measured = part(record, "measured", kind, path)
    if measured.steps is not None and "spectrum.nodes" not in record["arrays"]:
        raise RunError(f"{path}: measured.steps: null where there is no spectrum")
    return measured


def _why_not(row: StringMeasure, known: Mapping[tuple[str, float, int, int], StringRecord]) -> str:
    """Why what was measured of a string no longer counts; nothing where it does."""
    found = known.get(by_pair(row))
    if found is None:
        return "the files of their strings are gone"
    if found.string != row.source:
        return "they have been searched again since"
    if found.status != "CONNECTED":
        return "they are no longer CONNECTED"
    if row.shortening == DOWNGRADED:
        return "shortened, they did not hold on a finer grid"
    return ""


class MeasureFiles(ConnectionFiles, StatusFiles):
    """Reads and writes what was measured."""

    def measures(self) -> list[str]:
        """The names of all measures that were made."""
        return sorted(path.name for path in (self.directory / "measures").glob("*"))

    def latest_measures(self) -> str | None:
        """The name of the measures that were made last."""
        return self.meta().measures

    @property
    def latest_measures_directory(self) -> Path:
        return self.measures_directory(self.latest_measures() or "")

    def string_measures(self, measures: str | None = None) -> list[StringMeasure]:
        """The records of measured strings, of the latest measures unless named; by set, level from
        high to low, and pair. What no longer counts (`measures_left_out`) is left out. [] where
        nothing is measured. Raises RunError."""
        every = [*self._measured_strings(measures)]
        known = self._by_pair() if every else {}
        return sorted((row for row in every if not _why_not(row, known)), key=by_pair)

    def measures_left_out(self, measures: str | None = None) -> dict[str, int]:
        """How many measured strings `string_measures` leaves out, by the reason."""
        every = [*self._measured_strings(measures)]
        known = self._by_pair() if every else {}
        return dict(Counter(filter(None, (_why_not(row, known) for row in every))))

    def _by_pair(self) -> dict[tuple[str, float, int, int], StringRecord]:
        return {by_pair(row): row for row in self.rows()}

    def model_measures(self, measures: str | None = None) -> list[ModelMeasure]:
        """The same of measured models, by level from high to low, and model."""
        found = []
        for path in self._measure_files(measures, "models/*/*.safetensors"):
            record = _measured(path, ModelMeasure)
            named = record.measures, record.level, record.model
            found.append(in_place(path, self.model_measure_file(*named), record))
        return sorted(found, key=by_model)

    def model_parts(self, measures: str | None = None) -> list[PartMeasure]:
        """What was measured of subsets of the parameters (`measure.over`), by level from high to
        low, model and subset in the order asked for. Raises RunError."""
        return self._beside_models(measures, "parts", PartMeasure)

    def top_eigenvalues(self, measures: str | None = None) -> list[TopMeasure]:
        """The largest eigenvalues (`measure.top`), by level from high to low, model and rank.
        Raises RunError."""
        return self._beside_models(measures, "top", TopMeasure)

    def other_measures(self, measures: str | None = None) -> list[OtherMeasureRecord]:
        """What the measures of `measure.also` found, of strings that still count and of models, by
        measure, level from high to low, and subject. Raises RunError."""
        found: list[OtherMeasureRecord] = []
        counting = {(row.set, row.level, row.a, row.b) for row in self.string_measures(measures)}
        for files in ("strings/*/*/*/*.safetensors", "models/*/*.safetensors"):
            for path in self._measure_files(measures, files):
                kind = list[OtherMeasureRecord]
                found += checked(kind, read_record(path).get("also", []), f"{path}: also")
        kept = [
            one
            for one in found
            if one.model is not None or (one.set, one.level, one.a, one.b) in counting
        ]
        return sorted(kept, key=lambda one: (one.measure, -one.level))

    def _beside_models(self, measures: str | None, name: str, kind: type[OfModel]) -> list[OfModel]:
        found: list[OfModel] = []
        for path in self._measure_files(measures, "models/*/*.safetensors"):
            found += checked(list[kind], read_record(path).get(name), f"{path}: {name}")
        return sorted(found, key=by_model)

    def _measured_strings(self, measures: str | None) -> Iterator[StringMeasure]:
        for path in self._measure_files(measures, "strings/*/*/*/*.safetensors"):
            record = _measured(path, StringMeasure)
            yield in_place(path, self.string_measure_file(record.measures, record), record)

    def _measure_files(self, measures: str | None, files: str) -> Iterable[Path]:
        name = measures or self.latest_measures()
        return self.measures_directory(name).glob(files) if name else ()

    def string_measure(self, measures: str, row: OfPair) -> StringMeasure | None:
        """What was measured of a row's string, whether it counts or not. Raises RunError."""
        path = self.string_measure_file(measures, row)
        return _measured(path, StringMeasure) if path.exists() else None

    def model_measure(self, measures: str, level: float, model: int) -> ModelMeasure | None:
        """What was measured of a model at a level. Raises RunError."""
        path = self.model_measure_file(measures, level, model)
        return _measured(path, ModelMeasure) if path.exists() else None

    def load_measures(self, record: StringMeasure | ModelMeasure) -> Arrays:
        """The arrays beside a record of `string_measures` or `model_measures`. Raises RunError."""
        if isinstance(record, ModelMeasure):
            path = self.model_measure_file(record.measures, record.level, record.model)
        else:
            path = self.string_measure_file(record.measures, record)
        return load_arrays(path)[0]

    def load_numbers(self, record: StringMeasure) -> Arrays:
        """The arrays beside a record of `string_measures` but for its string, which is large; for
        that their checksum, of all of them, is not looked at."""
        path = self.string_measure_file(record.measures, record)
        return load_some(path, lambda name: not name.startswith("shortened."))

    def write_measures(self, measures: str) -> tuple[list[StringMeasure], list[ModelMeasure]]:
        """Rewrite the tables of measures from the files on disk, and return the records of strings
        and models. What has lost its file keeps its line."""
        strings, models = self.string_measures(measures), self.model_measures(measures)
        lost_strings, lost_models = self.lost_measures(measures)
        folder = self.measures_directory(measures)
        every = sorted([*strings, *lost_strings], key=by_pair)
        write_table(folder / "strings.csv", columns(StringMeasure), [*map(cells_of, every)])
        every = sorted([*models, *lost_models], key=by_model)
        write_table(folder / "models.csv", columns(ModelMeasure), [*map(cells_of, every)])
        gone = {by_model(row) for row in lost_models}
        for name, kind, rows in (
            ("parts.csv", PartMeasure, self.model_parts(measures)),
            ("top.csv", TopMeasure, self.top_eigenvalues(measures)),
        ):
            lost = [row for row in lines_of(folder / name, LostModel) if by_model(row) in gone]
            every = sorted([*rows, *lost], key=by_model)
            write_table(folder / name, columns(kind), [*map(cells_of, every)])
        others = self.other_measures(measures)
        if others:
            names = columns(OtherMeasureRecord)
            write_table(folder / "also.csv", names, [*map(cells_of, others)])
        return strings, models

    def lost_measures(self, measures: str) -> tuple[list[LostString], list[LostModel]]:
        """The rows of strings.csv and models.csv that have lost their file, as `lost_rows`; of
        strings those that are still CONNECTED, or have lost that file, too. Raises RunError."""
        folder = self.measures_directory(measures)
        failed = {by_pair(row) for row in self.rows() if row.status != "CONNECTED"}
        strings = [
            row
            for row in lines_of(folder / "strings.csv", LostString)
            if by_pair(row) not in failed and not self.string_measure_file(measures, row).exists()
        ]
        models = [
            row
            for row in lines_of(folder / "models.csv", LostModel)
            if not self.model_measure_file(measures, row.level, row.model).exists()
        ]
        return strings, models
