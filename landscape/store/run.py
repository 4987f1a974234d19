"""A run directory: what is on disk, written atomically and checked when read. No JAX here.

landscape/store/layout.py has what is where.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from landscape.config.validation import ConfigError
from landscape.config.yaml_source import read_file
from landscape.store.files import (
    FORMAT,
    Arrays,
    RunError,
    append_lines,
    checked,
    load_arrays,
    load_some,
    parsed_json,
    read_json,
    read_lines,
    read_record,
    save_arrays,
    write_bytes,
    write_json,
    write_table,
)
from landscape.store.layout import Layout, plane_name
from landscape.store.records.alignments import AlignmentRecord
from landscape.store.records.base import OfPair, Record, columns
from landscape.store.records.measures import (
    DOWNGRADED,
    ModelMeasure,
    OtherMeasureRecord,
    PartMeasure,
    StringMeasure,
    TopMeasure,
)
from landscape.store.records.models import (
    FinalStateRecord,
    Line,
    LowerBoundRecord,
    ModelRecord,
    Models,
)
from landscape.store.records.planes import PlaneRecord
from landscape.store.records.runs import Meta
from landscape.store.records.strings import (
    BarrierRecord,
    SnapshotRecord,
    StringRecord,
    TreeRecord,
)
from landscape.store.tables import (
    LostModel,
    LostString,
    by_model,
    by_pair,
    cells_of,
    lines_of,
)

PROFILE = ("profile.position", "profile.loss")
SEARCH_HISTORY = tuple(
    f"search_history.{name}"  # in full, as a parameter's name may begin like them
    for name in (
        "facts", "beads", "places", "bead_counts", "profile", "profile_counts", "variance",
        "anytime",
    )
)  # fmt: skip


Kind = TypeVar("Kind", bound=Record)
OfString = TypeVar("OfString", StringMeasure, ModelMeasure)
OfModel = TypeVar("OfModel", PartMeasure, TopMeasure)


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Keep a list of records as JSON."""
    write_json(path, {"records": list(records)})


def _read_records(path: Path, kind: object) -> list[Any]:
    return checked(kind, read_json(path).get("records"), f"{path}: records")


def _read_if_there(path: Path, kind: object) -> list[Any]:
    return _read_records(path, kind) if path.exists() else []


def _part(record: Mapping[str, Any], section: str, kind: type[Kind], path: Path) -> Kind:
    """A section of the JSON beside a file's arrays."""
    return checked(kind, record.get(section), f"{path}: {section}")


def _measured(path: Path, kind: type[OfString]) -> OfString:
    record = read_record(path)
    measured = _part(record, "measured", kind, path)
    if measured.steps is not None and "spectrum.nodes" not in record["arrays"]:
        raise RunError(f"{path}: measured.steps: null where there is no spectrum")
    return measured


def _in_place(path: Path, place: Path, record: Kind) -> Kind:
    """The record, if it belongs where it was found. Raises RunError."""
    if path != place:
        raise RunError(f"{path}: its record is that of {place}")
    return record


def _keys_and_values(path: Path) -> dict[str, Any]:
    """The plain data of a YAML file. Raises RunError."""
    try:
        source, data = read_file(path)
    except ConfigError as error:
        raise RunError(str(error)) from None
    if source.problems or not isinstance(data, dict):
        key, said = source.problems[0] if source.problems else ("", "it has no keys with values")
        raise RunError(f"{path}: unreadable: {key}{': ' * bool(key)}{said}")
    return data


def _beside(profile: np.ndarray) -> Arrays:
    """A profile [points, 2] as arrays beside a path's."""
    return dict(zip(PROFILE, np.asarray(profile).T.copy(), strict=True))


def _profile_in(arrays: Arrays, path: Path) -> np.ndarray:
    """The profile [points, 2], taken out of the arrays. Raises RunError where there is none."""
    parts = [arrays.pop(name, np.zeros(())) for name in PROFILE]
    if parts[0].ndim != 1 or parts[0].shape != parts[1].shape:
        raise RunError(f"{path}: no profile ({', '.join(PROFILE)}, of one length)")
    return np.stack(parts, axis=1)


@dataclass(frozen=True, repr=False)
class Run(Layout):
    """A run directory: checked reading and writing; it computes nothing."""

    def __repr__(self) -> str:
        return f"<Run {self.directory}>"

    # -- meta and locking ---------------------------------------------------------------------

    def meta(self) -> Meta:
        """What the run was made with, and how far it is. Raises RunError."""
        return checked(Meta, read_json(self.meta_file), self.meta_file)

    def checked_config_file(self) -> Path:
        """The config, if it is what the run was made with. Raises RunError if it was altered."""
        try:
            content = self.config_file.read_bytes()
        except OSError as error:
            raise RunError(f"{self.config_file}: unreadable: {error}") from None
        if hashlib.sha256(content).hexdigest() != self.meta().config_sha256:
            raise RunError(
                f"{self.config_file}: altered since the run was made; another config is another "
                "run, and other search settings go on the command line (--set connect.key=value)"
            )
        return self.config_file

    def config(self) -> dict[str, Any]:
        """The config as plain data. Raises RunError if it was altered or cannot be read."""
        return _keys_and_values(self.checked_config_file())

    def length_over(self, set_name: str) -> str:
        """The parameters that a set's lengths and chords are over. Raises RunError."""
        path = self.settings_file(set_name)
        over = _keys_and_values(path).get("length_over")
        return checked(str, over, f"{path}: length_over")

    def update_meta(self, **changes: Any) -> None:
        before: dict[str, Any] = {"format": FORMAT, "stages": {}}
        if self.meta_file.exists():
            before = read_json(self.meta_file)
            checked(Meta, before, self.meta_file)
        write_json(self.meta_file, {**before, **changes})

    def keep_changes(self, name: str, changes: Sequence[str]) -> None:
        """Keep what a set or measures have other than the config, to be made again by it."""
        self.update_meta(changed={**(self.meta().changed or {}), name: list(changes)})

    def stage_status(self, stage: str) -> str | None:
        return self.meta().stages.get(stage)

    @property
    def lock_file(self) -> Path:
        return self.directory / "lock"

    def in_use(self) -> bool:
        """Whether a process holds the run; True where the system cannot tell."""
        try:
            import fcntl  # not on Windows

            with self.lock_file.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # closing lets go of it
        except FileNotFoundError:
            return False
        except (ImportError, OSError):
            return True
        return False

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Hold the run for one process and keep its status: running, then done, or how it ended.

        Raises RunError when another process holds it.
        """
        from filelock import FileLock, Timeout  # here: whoever only reads does not wait for it

        # the system's own lock, which ends with the process that holds it
        lock = FileLock(self.lock_file, blocking=False, fallback_to_soft=False)
        try:
            held = lock.acquire()
        except Timeout:
            raise RunError(f"{self.directory}: in use by another lscape process") from None
        with held:
            self._set_status(name, "running")
            try:
                yield
            except BaseException as error:
                stopped = isinstance(error, KeyboardInterrupt | GeneratorExit)
                with contextlib.suppress(OSError):
                    self._set_status(name, "interrupted" if stopped else "failed")
                raise
            self._set_status(name, "done")

    def _set_status(self, stage: str, status: str) -> None:
        stages = {**self.meta().stages, stage: status}
        self.update_meta(status=status, stage=stage, stages=stages)

    # -- end points ---------------------------------------------------------------------------

    def models(self) -> list[ModelRecord]:
        """One record a model. Raises RunError."""
        return _read_records(self.directory / "models.json", Models)

    def write_models(self, records: Sequence[ModelRecord]) -> None:
        write_records(self.directory / "models.json", records)

    def history(self) -> list[Line]:
        """By model and step; a resumed run repeats lines, the last one counts."""
        path = self.directory / "history.jsonl"
        lines = checked(list[Line], read_lines(path), path)
        latest = {(line.model, line.step): line for line in lines}
        return [latest[key] for key in sorted(latest)]

    def append_history(self, records: Sequence[Line]) -> None:
        append_lines(self.directory / "history.jsonl", records)

    def final_states(self) -> list[FinalStateRecord]:
        """A record a model of finite loss, where training ended; [] where it is not measured."""
        return _read_if_there(self.final_states_file, list[FinalStateRecord])

    def lower_bounds(self) -> list[LowerBoundRecord]:
        """A record a wall that the theory knows; [] where none is, or none was looked for."""
        return _read_if_there(self.lower_bounds_file, list[LowerBoundRecord])

    # -- connections --------------------------------------------------------------------------

    def sets(self) -> list[str]:
        folder = self.directory / "sets"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def append_events(self, set_name: str, records: Sequence[Mapping[str, Any]]) -> None:
        append_lines(self.set_directory(set_name) / "events.jsonl", records)

    def save_connection(
        self, row: StringRecord, string: Arrays, profile: np.ndarray, history: Arrays
    ) -> None:
        """Keep a row, its string (arrays [beads, ...]), its profile [points, 2] and its history."""
        path = self.connection_file(row.set, row.level, row.a, row.b)
        history = {f"search_history.{name}": array for name, array in history.items()}
        save_arrays(path, {**string, **_beside(profile), **history}, {"row": row})

    def load_connection(self, row: OfPair) -> tuple[Arrays, np.ndarray, Arrays]:
        """The string, profile and history of a row. Raises RunError for a damaged or altered
        file."""
        path = self.connection_file(row.set, row.level, row.a, row.b)
        arrays, _ = load_arrays(path)
        history = {
            name.removeprefix("search_history."): arrays.pop(name)
            for name in SEARCH_HISTORY
            if name in arrays
        }
        return arrays, _profile_in(arrays, path), history

    def load_search_history(self, row: OfPair) -> Arrays:
        """The history of a row, the arrays of landscape/search/history.py; {} for a string never
        searched."""
        path = self.connection_file(row.set, row.level, row.a, row.b)
        history = load_some(path, SEARCH_HISTORY.__contains__)
        return {name.removeprefix("search_history."): array for name, array in history.items()}

    def load_profile(self, row: OfPair) -> np.ndarray:
        """The loss along a row's string, [points, 2], without reading the string itself."""
        path = self.connection_file(row.set, row.level, row.a, row.b)
        return _profile_in(load_some(path, PROFILE.__contains__), path)

    # -- alignments ---------------------------------------------------------------------------

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
        kept = _part(record, "alignment", AlignmentRecord, path)
        own = self.alignment_file(kept.align, kept.level, kept.a, kept.b)
        return orders, _in_place(path, own, kept)

    def alignments(self) -> list[AlignmentRecord]:
        """The records of alignments/, by how, level from high to low, and pair. Raises RunError."""
        found = []
        for path in self.directory.glob("alignments/*/*/*-*.safetensors"):
            record = _part(read_record(path), "alignment", AlignmentRecord, path)
            own = self.alignment_file(record.align, record.level, record.a, record.b)
            found.append(_in_place(path, own, record))
        return sorted(found, key=lambda one: (one.align, -one.level, one.a, one.b))

    # -- planes -------------------------------------------------------------------------------

    def save_plane(self, name: str, arrays: Arrays, record: PlaneRecord) -> None:
        save_arrays(self.plane_file(name), arrays, {"plane": record})

    def load_plane(self, name: str) -> tuple[Arrays, PlaneRecord]:
        """A plane's arrays and record. Raises RunError for a damaged or altered file."""
        path = self.plane_file(name)
        arrays, record = load_arrays(path)
        plane = _part(record, "plane", PlaneRecord, path)
        ways = plane.trajectories or []
        runs = dict.fromkeys(way.run for way in ways)
        own = plane_name(plane.kind, plane.models, plane.level, [*runs])
        lines = [f"string.{number}" for number in range(len(plane.strings))]
        lines += [f"trajectory.{number}" for number in range(len(ways))] or ["models"]
        if missing := {"x", "y", "loss", *lines} - arrays.keys():
            raise RunError(f"{path}: strings: no array {', '.join(sorted(missing))}")
        return arrays, _in_place(path, self.plane_file(own), plane)

    def planes(self) -> list[str]:
        return sorted(path.stem for path in (self.directory / "planes").glob("*.safetensors"))

    # -- results ------------------------------------------------------------------------------

    def rows(self) -> list[StringRecord]:
        """The rows of all sets, by set, level from high to low, and pair. Raises RunError."""
        found = []
        for name in self.sets():
            for path in self.set_directory(name).glob("*/*-*.safetensors"):
                row = _part(read_record(path), "row", StringRecord, path)
                place = self.connection_file(row.set, row.level, row.a, row.b)
                found.append(_in_place(path, place, row))
        return sorted(found, key=by_pair)

    # -- topology -----------------------------------------------------------------------------

    def tree(self, set_name: str) -> list[TreeRecord]:
        """A set's records, levels from high to low; [] where no tree was grown. Raises RunError."""
        return _read_if_there(self.tree_file(set_name), list[TreeRecord])

    def save_path(
        self,
        path: Path,
        record: SnapshotRecord | BarrierRecord,
        points: Arrays,
        profile: np.ndarray,
    ) -> None:
        """Keep a path (arrays [beads, ...]), its profile [points, 2] and its record."""
        save_arrays(path, {**points, **_beside(profile)}, {"path": record})

    def load_path(self, path: Path) -> tuple[Arrays, np.ndarray, SnapshotRecord | BarrierRecord]:
        """What `save_path` kept. Raises RunError for a damaged or altered file."""
        arrays, record = load_arrays(path)
        kept = checked(SnapshotRecord | BarrierRecord, record.get("path"), f"{path}: path")
        return arrays, _profile_in(arrays, path), kept

    def snapshots(self) -> list[SnapshotRecord]:
        """The records of snapshots/, by model, and level from high to low. Raises RunError."""
        found = []
        for path in self.directory.glob("snapshots/*/*.safetensors"):
            record = _part(read_record(path), "path", SnapshotRecord, path)
            place = self.snapshot_file(record.model, record.level)
            found.append(_in_place(path, place, record))
        return sorted(found, key=lambda record: (record.model, -record.level))

    def barriers(self) -> list[BarrierRecord]:
        """The records of barriers/, by pair. Raises RunError."""
        found = []
        for path in self.directory.glob("barriers/*.safetensors"):
            record = _part(read_record(path), "path", BarrierRecord, path)
            found.append(_in_place(path, self.barrier_file(record.a, record.b), record))
        return sorted(found, key=lambda record: (record.a, record.b))

    def write_results(self) -> list[StringRecord]:
        """Rewrite results.csv from the rows on disk, and return them. A row that has lost its file
        keeps its line."""
        rows = self.rows()
        every = sorted([*rows, *self.lost_rows()], key=by_pair)
        write_table(self.results_file, columns(StringRecord), [*map(cells_of, every)])
        return rows

    def lost_rows(self) -> list[LostString]:
        """The rows of results.csv that have lost their file. Raises RunError."""
        return [
            row
            for row in lines_of(self.results_file, LostString)
            if not self.connection_file(row.set, row.level, row.a, row.b).exists()
        ]

    # -- measures -----------------------------------------------------------------------------

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
        found = [row for row in self._measured_strings(measures) if not self._why_not(row)]
        return sorted(found, key=by_pair)

    def measures_left_out(self, measures: str | None = None) -> dict[str, int]:
        """How many measured strings `string_measures` leaves out, by the reason."""
        return dict(Counter(filter(None, map(self._why_not, self._measured_strings(measures)))))

    def _why_not(self, row: StringMeasure) -> str:
        """Why what was measured of a string no longer counts; nothing where it does."""
        path = self.connection_file(row.set, row.level, row.a, row.b)
        if not path.exists():
            return "the files of their strings are gone"
        now = read_record(path)
        if now["arrays_sha256"] != row.source:
            return "they have been searched again since"
        if _part(now, "row", StringRecord, path).status != "CONNECTED":
            return "they are no longer CONNECTED"
        if row.shortening == DOWNGRADED:
            return "shortened, they did not hold on a finer grid"
        return ""

    def model_measures(self, measures: str | None = None) -> list[ModelMeasure]:
        """The same of measured models, by level from high to low, and model."""
        found = []
        for path in self._measure_files(measures, "models/*/*.safetensors"):
            record = _measured(path, ModelMeasure)
            named = record.measures, record.level, record.model
            found.append(_in_place(path, self.model_measure_file(*named), record))
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
        for files in ("strings/*/*/*.safetensors", "models/*/*.safetensors"):
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
        for path in self._measure_files(measures, "strings/*/*/*.safetensors"):
            record = _measured(path, StringMeasure)
            yield _in_place(path, self.string_measure_file(record.measures, record), record)

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


def create_run(directory: Path, config_text: str, meta: Mapping[str, Any]) -> Run:
    """A new run directory, complete or absent: it is filled beside its place and moved there."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=directory.parent) as temporary:
        made = Run(Path(temporary) / "run")
        made.directory.mkdir()
        write_bytes(made.config_file, config_text.encode())
        checksum = hashlib.sha256(config_text.encode()).hexdigest()
        made.update_meta(status="running", config_sha256=checksum, **meta)
        os.replace(made.directory, directory)
    return Run(directory)


def open_run(path: str | Path, runs_dir: str | Path = "runs") -> Run:
    """Open the run at a path, or of that name under runs_dir.

    Args:
        path: The directory, or its name.
        runs_dir: Where run directories are.

    Returns:
        The run.

    Raises:
        RunError: It is not a run directory, or one of a newer format.
    """
    places = [Path(path), Path(runs_dir) / path]
    directory = next((place for place in places if (place / "meta.json").is_file()), None)
    if directory is None:
        if not any(place.exists() for place in places):
            known = sorted(item.parent.name for item in Path(runs_dir).glob("*/meta.json"))
            listed = f"; runs in {runs_dir}: {', '.join(known)}" if known else ""
            raise RunError(f"{path}: no such run directory{listed}")
        raise RunError(f"{path}: not a run directory (it has no meta.json)")
    run = Run(directory)
    meta = parsed_json(run.meta_file)
    version = meta.get("format") if isinstance(meta, dict) else None
    if not isinstance(version, int) or "stages" not in meta:
        raise RunError(f"{directory}: not a run directory (its meta.json has no format and stages)")
    if version > FORMAT:
        raise RunError(
            f"{directory}: written by a newer lscape (format {version}, this one reads {FORMAT})"
        )
    if not run.config_file.is_file():
        raise RunError(f"{run.config_file}: missing")
    return run


def safe_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
