"""Where everything of a run is. No JAX here.

runs/<name>-<hash>/
    config.yaml                     the resolved config
    meta.json                       command, versions, device, commit, status of every stage
    history.jsonl                   {model, step, value}: the metric of the levels while training
    models.json                     every model and level: reached or not, at which step and value
    models/<model>/<level>.safetensors          parameters where a model first met a level
    models/<model>/last.safetensors             where training ended, above the lowest level
    training/<model>.safetensors    a model that is not trained yet, as it was kept last
    training/history-<model>.jsonl  the history of a worker's task, by its first model
    training/models.jsonl           the records of the models that workers have trained so far
    sets/<set>/settings.yaml        the connect section that made this set
    sets/<set>/events.jsonl         {level, a, b, event, ...}: what the search did
    sets/<set>/rows.jsonl           its rows, appended; of a pair and level the last counts
    sets/<set>/<level>/<a>/<b>.safetensors   the string, its profile, its search's history
    sets/<set>/search-<level>-<a>-<b>.safetensors   a search that is not finished, by its first pair
    sets/<set>/task-<a>-<b>.jsonl   the rows of a worker's task that is not finished, the same
    sets/<set>/tree.json            a record a level: what `pairs: tree` searched, and what not
    snapshots/<model>/<level>.safetensors    the path from where a model met a level to where it
                                    met the next lower one, its profile, its record
    barriers/<a>/<b>.safetensors    the path of the lowest maximum known between the deepest
                                    snapshots of two models, its profile, its record
    barriers/<how>/<a>/<b>.safetensors      the same to the second model permuted
    alignments/<how>/<level>/<a>/<b>.safetensors   by which order of each axis model b is permuted
                                    onto model a, and its record
    comparisons/<name>.json         which sets are compared, searched within one budget
    final_states.json               where training ended: gradient, Hessian, what they promise
    lower_bounds.json               no path from side to side stays below a height, by proof
    results.csv                     the rows of all sets, as the last stage left them
    measures/<measures>/settings.yaml           the measure section that made these measures
    measures/<measures>/strings/<set>/<level>/<a>/<b>.safetensors   a connected string, measured
    measures/<measures>/models/<level>/<model>.safetensors          a model at a level, measured
    measures/<measures>/strings.csv, models.csv, parts.csv, top.csv, also.csv   of these files
    planes/<name>.safetensors       the loss on a plane: x, y, loss [y, x], models [n, 2], and
                                    string.<number> [beads, 4]: x, y, fraction of the length,
                                    distance from the plane; or, instead of models,
                                    trajectory.<number> [snapshots, 5]: x, y, step, loss, distance
    tensorboard/, wandb/            what `--log` writes
    report.html

The records, and what each of their keys may be, are in landscape/store/records. Each file that is
read again has a checksum over its content and its place (landscape/store/files.py), rows.jsonl and
history.jsonl one a line; settings have it in their last line.
Files of pairs lie in a folder for each first model, so that no folder has more than there are
models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from landscape.store.records.base import OfPair

LONG = 60  # of a file's name


def level_name(level: float) -> str:
    return repr(float(level))


def plane_name(kind: str, models: Sequence[int], level: float, runs: Sequence[str] = ()) -> str:
    """models: [] for all; runs: the names of those that are drawn together."""
    who = "-".join(map(str, models)) or "all"
    if len(runs) > 1 or len(who) > LONG:
        which = hashlib.sha256("/".join([who, *runs]).encode()).hexdigest()[:6]
        who = f"{who[:LONG]}-of-{len(runs) or 1}-runs-{which}"
    return f"{kind}-{who}-{level_name(level)}"


@dataclass(frozen=True)
class Layout:
    """The paths of a run directory."""

    directory: Path

    @property
    def config_file(self) -> Path:
        return self.directory / "config.yaml"

    @property
    def history_file(self) -> Path:
        return self.directory / "history.jsonl"

    @property
    def results_file(self) -> Path:
        return self.directory / "results.csv"

    @property
    def report_file(self) -> Path:
        return self.directory / "report.html"

    @property
    def training_directory(self) -> Path:
        """What there is only until all models are trained."""
        return self.directory / "training"

    def training_file(self, model: int) -> Path:
        return self.training_directory / f"{model}.safetensors"

    @property
    def meta_file(self) -> Path:
        return self.directory / "meta.json"

    def model_file(self, model: int, level: float) -> Path:
        return self.directory / "models" / f"{model}" / f"{level_name(level)}.safetensors"

    def last_file(self, model: int) -> Path:
        return self.directory / "models" / f"{model}" / "last.safetensors"

    @property
    def final_states_file(self) -> Path:
        return self.directory / "final_states.json"

    @property
    def lower_bounds_file(self) -> Path:
        return self.directory / "lower_bounds.json"

    def set_directory(self, name: str) -> Path:
        return self.directory / "sets" / name

    def settings_file(self, set_name: str) -> Path:
        return self.set_directory(set_name) / "settings.yaml"

    def events_file(self, set_name: str) -> Path:
        return self.set_directory(set_name) / "events.jsonl"

    def rows_file(self, set_name: str) -> Path:
        return self.set_directory(set_name) / "rows.jsonl"

    def search_file(self, set_name: str, level: float, a: int, b: int) -> Path:
        return self.set_directory(set_name) / f"search-{level_name(level)}-{a}-{b}.safetensors"

    def search_files(self, set_name: str, level: float) -> dict[tuple[int, int], Path]:
        """The searches at a level that were interrupted, by their first pairs."""
        start = f"search-{level_name(level)}-"
        found = {}
        for path in sorted(self.set_directory(set_name).glob(f"{start}*.safetensors")):
            a, _, b = path.stem.removeprefix(start).partition("-")
            if a.isdigit() and b.isdigit():
                found[int(a), int(b)] = path
        return found

    def task_file(self, set_name: str, a: int, b: int) -> Path:
        return self.set_directory(set_name) / f"task-{a}-{b}.jsonl"

    def task_files(self, set_name: str) -> list[Path]:
        """The rows of tasks that were cut off."""
        return sorted(self.set_directory(set_name).glob("task-*.jsonl"))

    def connection_file(self, set_name: str, level: float, a: int, b: int) -> Path:
        return self.set_directory(set_name) / level_name(level) / f"{a}" / f"{b}.safetensors"

    def alignment_file(self, how: str, level: float, a: int, b: int) -> Path:
        return self.directory / "alignments" / how / level_name(level) / f"{a}" / f"{b}.safetensors"

    def plane_file(self, name: str) -> Path:
        return self.directory / "planes" / f"{name}.safetensors"

    def plane_checkpoint(self, name: str) -> Path:
        return self.directory / "planes" / f"{name}.partial"

    def tree_file(self, set_name: str) -> Path:
        return self.set_directory(set_name) / "tree.json"

    def snapshot_file(self, model: int, level: float) -> Path:
        return self.directory / "snapshots" / f"{model}" / f"{level_name(level)}.safetensors"

    def barrier_file(self, a: int, b: int, how: str | None = None) -> Path:
        """how: the second model is permuted; None: as it is."""
        return self.directory / "barriers" / (how or "") / f"{a}" / f"{b}.safetensors"

    def measures_directory(self, measures: str) -> Path:
        return self.directory / "measures" / measures

    def string_measure_file(self, measures: str, row: OfPair) -> Path:
        folder = self.measures_directory(measures) / "strings" / row.set
        return folder / level_name(row.level) / f"{row.a}" / f"{row.b}.safetensors"

    def model_measure_file(self, measures: str, level: float, model: int) -> Path:
        folder = self.measures_directory(measures) / "models" / level_name(level)
        return folder / f"{model}.safetensors"
