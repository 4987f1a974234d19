"""Commands that run in this process or another, and stand-ins for what they ask of landscape."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "cli"))

from lscape_cli.main import main  # noqa: E402

from landscape.store.records.base import made  # noqa: E402
from landscape.store.records.planes import Drawn, PlaneRecord, Trajectory  # noqa: E402
from tests import pages  # noqa: E402

COMMANDS = sorted(main.commands)
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'cli'}"}
START = "from lscape_cli.main import main; main(prog_name='lscape')"


LEAVES = {
    "a": 0, "b": 1, "set": "dss", "status": "CONNECTED", "distance": 1.25, "distance_at": 0.3,
    "chord": 2.5,
}  # fmt: skip
WAY = {
    "run": "q", "model": 1, "optimizer": "sgd", "learning_rate": 0.1, "snapshots": 5,
    "distance": 1.25, "distance_at": 70, "chord": 2.5,
}  # fmt: skip
FILTERS = {"a.weight": [0], "b.weight": [1, 2], "c": [], "d": None}
PLANES = {
    "models-0-1-2-0.1": made(
        PlaneRecord, kind="models", strings=[Drawn(**LEAVES)], filters=FILTERS
    ),
    "trajectory-all-0.1": made(
        PlaneRecord, kind="trajectory", strings=[], trajectories=[Trajectory(**WAY)],
        shares=[0.625, 0.25],
    ),
}  # fmt: skip


class ConfigError(ValueError):
    pass


class RunError(Exception):
    pass


def row(level=0.1, a=0, b=1, status="CONNECTED"):
    return pages.row(a, b, level, status, set="dss")


def level(**changes):
    return {
        "run": "runs/r", "task": "digits", "method": "dss", "set": "dss", "level": 0.1,
        "pairs": 6, "tried": 6, "connected": 6, "share": 1.0, "share_interval": [0.5, 1.0],
        "statuses": {"CONNECTED": 6},
        "normalized_length": {"mean": 1.3124, "se": 0.0413, "n": 6, "clustered": "model"}
        | {"method_error": {"mean": 0.0123, "largest": 0.0456, "n": 4, "of": 6}},
        "beads": {"mean": 5.5, "se": 0.34, "n": 6, "clustered": "model"},
        "max_loss": 0.0991, "barrier": 0.004, "grad_evals": 12345, "seconds": 3.21,
    } | changes  # fmt: skip


EMPTY = {"mean": None, "se": None, "n": 0, "clustered": None}
LOST = level(
    level=0.01, connected=0, statuses={"STUCK": 4, "NOT_FOUND": 2},
    normalized_length=EMPTY | {"method_error": {"mean": None, "largest": None, "n": 0, "of": 0}},
    beads=EMPTY, max_loss=float("inf"), barrier=None,
)  # fmt: skip


@pytest.fixture
def fake(monkeypatch):
    """Stand-ins for landscape; `calls` holds what the commands asked of them."""
    run = SimpleNamespace(
        directory=Path("runs/r"),
        report_file=Path("runs/r/report.html"),
        results_file=Path("runs/r/results.csv"),
        latest_measures_directory=Path("runs/r/measures/m"),
        rows=list,
        string_measures=list,
        models=lambda: [pages.model(0, [])],
        load_plane=lambda name: ({}, PLANES[name]),
    )
    section = SimpleNamespace(model_dump=lambda mode: {"method": "dss", "seed": None})
    measuring = SimpleNamespace(model_dump=lambda mode: {"shorten": True})
    devices = SimpleNamespace(model_dump=lambda mode: {"devices": 2})
    config = SimpleNamespace(connect=section, measure=measuring, compute=devices)
    fake = SimpleNamespace(calls=[], rows=[row()], tree=[], strings=[], sweep=None, measures={})
    fake.swept = [["at most"]] * 2
    fake.report = {"runs": [{}], "levels": [level()], "claims": [], "against": [], "notes": []}
    fake.report["best_known"] = []
    fake.report |= {"alignments": [], "topology": []}

    def stage(name, result):
        def call(*arguments):
            *arguments, progress = arguments
            fake.calls.append((name, *arguments))
            print("a factory's own words")
            logging.getLogger("lscape").info("device: abacus")
            logging.getLogger("lscape").warning("downgraded")
            progress(name, 0, 2)
            progress(name, 2, 2, worst=0.5)
            return result()

        return call

    def called(name, result):
        def call(*arguments):
            fake.calls.append((name, *arguments))
            return result

        return call

    def opened(path, runs_dir):
        fake.calls.append(("open_run", path, runs_dir))
        return SimpleNamespace(**vars(run) | {"directory": Path("runs") / path})

    estimates = {
        "task": "digits", "parameters": 2410, "models": 4, "pairs": 6, "levels": [1.0, 0.1],
        "device": "cpu", "step_seconds": 1.2e-5, "bead_seconds": 2e-5, "optimizer": "adam",
        "given": [], "profile_seconds": 0.004, "plane_seconds": 7.0,
        "train_seconds": 200.0, "connect_seconds": 8000.0, "memory_bytes": 3_000_000,
        "disk_bytes": 512, "notes": ["at most"],
    }  # fmt: skip
    swept = {"values": {"task.hidden": [8]}, **estimates}
    contents = {
        "config.load": {
            "ConfigError": ConfigError,
            "load_config": called("load_config", config),
            "load_sweep": lambda *arguments: fake.sweep,
            "dump_config": lambda config: "seed: 0\n",
            "resolved": lambda config: {"seed": 0},
            "run_name": lambda config: "r",
            "sweep_name": lambda grid: "s",
        },
        "live.log": {"logged": lambda told, kind, directory: contextlib.nullcontext(told)},
        "store.files": {"RunError": RunError},
        "store.run": {"open_run": opened},
        "store.sweeps": {"open_sweep": lambda path, runs_dir: None},
        "report": {
            "known_of": lambda run: [],
            "report": lambda runs, published, known: fake.report,
            "levels_csv": lambda report: "level,pairs\n0.1,6\n",
            "write_html": lambda runs, report, path, pairs, known: fake.calls.append(
                ("write_html", path)
            ),
        },
        "stages.train": {"train": stage("train", lambda: run)},
        "stages.connect": {
            "connect": stage("connect", lambda: fake.rows),
            "tree_of": lambda *asked: fake.tree,
        },
        "stages.measure.run": {"measure": stage("measure", lambda: fake.measures)},
        "stages.verify": {"verify": stage("verify", lambda: fake.strings)},
        "stages.check": {
            "check": stage("check", lambda: estimates),
            "check_sweep": stage(
                "check_sweep", lambda: [swept | {"notes": notes} for notes in fake.swept]
            ),
        },
        "report.figures.plane": {
            "write_plane": lambda run, name: [f"runs/r/planes/{name}.svg"],
        },
        "stages.plane": {"plane": stage("plane", lambda: "models-0-1-2-0.1")},
        "stages.trajectory": {"trajectory": stage("trajectory", lambda: "trajectory-all-0.1")},
        "stages.sweep": {
            "run": stage("run", lambda: (run, fake.rows)),
            "asked": lambda config, *sections: [],
            "sweep": stage("sweep", lambda: (Path("runs/s"), fake.rows)),
        },
    }
    for name, content in contents.items():
        module = ModuleType(f"landscape.{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, module.__name__, module)

    def fail(name, error):
        def call(*arguments):
            raise error

        (module,) = (n for n in contents if n in (f"stages.{name}", f"stages.{name}.run"))
        monkeypatch.setattr(sys.modules[f"landscape.{module}"], name, call)

    fake.fail = fail
    return fake


def lscape(*arguments):
    return CliRunner().invoke(main, arguments)


def shell(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=ENVIRONMENT | environment, cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
