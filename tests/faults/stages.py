"""A small whole run, stage by stage: what each adds is done again after a fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from landscape.config.load import Config, config_from, run_name
from landscape.report import report, write_html
from landscape.stages.align import align
from landscape.stages.compare import compare
from landscape.stages.connect import connect
from landscape.stages.measure.run import measure
from landscape.stages.plane import plane
from landscape.stages.train import train
from landscape.stages.verify import verify
from landscape.store.run import open_run
from tests.faults.records import differences, leftovers

SETTINGS = {
    "task": {
        "name": "polynomial", "coefficients": [0.1, 0.25, 0.5], "points": 64, "test_points": 64,
        "hidden": [2], "loss": "mse",
    },
    "train": {"models": 3, "learning_rate": 1e-2, "max_steps": 3000},
    "levels": {"values": [0.05, 0.01]},
    "connect": {"max_steps_per_bead": 500},
    "measure": {"shorten": True, "samples": 20, "points": 1, "steps": 3, "probes": 1},
}  # fmt: skip

Stage = Callable[[Config, Path], object]
STAGES: dict[str, Stage] = {
    "train": lambda config, runs: train(config, runs),
    "align": lambda config, runs: align(_run(config, runs)),
    "connect": lambda config, runs: connect(_run(config, runs)),
    "compare": lambda config, runs: compare(_run(config, runs), ["straight", "bezier"], 300),
    "measure": lambda config, runs: measure(_run(config, runs)),
    "plane": lambda config, runs: plane(_run(config, runs), models=(0, 1, 2), grid=5),
    "verify": lambda config, runs: verify(_run(config, runs)),
    "report": lambda config, runs: _page(_run(config, runs)),
}


def write_config(folder: Path) -> None:
    """small.yaml, and sweep.yaml of it."""
    (folder / "small.yaml").write_text(json.dumps(SETTINGS))
    over = {"train.learning_rate": [1e-2, 2e-2]}
    (folder / "sweep.yaml").write_text(json.dumps({**SETTINGS, "sweep": {"over": over}}))


def config(**sections: dict) -> Config:
    names = SETTINGS.keys() | sections.keys()
    whole = {name: {**SETTINGS.get(name, {}), **sections.get(name, {})} for name in names}
    return config_from(whole, name="small")


def _run(config: Config, runs: Path):
    return open_run(runs / run_name(config))


def _page(run) -> None:
    write_html([run], report([run]), run.report_file)


class Whole:
    """An uninterrupted run in a folder, kept as it was after each stage."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder, self.config = folder, config
        self.kept: dict[str, Path] = {}

    def before(self, stage: str) -> Path | None:
        """The folder of runs as the stage finds it."""
        names = list(STAGES)
        number = names.index(stage)
        return self.after(names[number - 1]) if number else None

    def after(self, stage: str) -> Path:
        if stage not in self.kept:
            self.kept[stage] = self.copy(self.before(stage), f"after-{stage}")
            STAGES[stage](self.config, self.kept[stage])
        return self.kept[stage]

    def copy(self, runs: Path | None, name: str) -> Path:
        target = self.folder / name
        if runs is None:
            target.mkdir()
        else:
            shutil.copytree(runs, target)
        return target

    def again(self, stage: str, runs: Path) -> None:
        """The same command resumes: the same results, and nothing is left of the first attempt."""
        STAGES[stage](self.config, runs)
        name = run_name(self.config)
        assert differences(runs / name, self.after(stage) / name) == []
        assert leftovers(runs) == []
