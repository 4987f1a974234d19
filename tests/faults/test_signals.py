"""SIGKILL, SIGTERM, SIGINT and SIGHUP at random moments of every command: it resumes with the
results of one that was let alone, nothing is left on its way, and no lock needs a hand."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest

from tests.faults.processes import SIGNALS, Moment, lscape
from tests.faults.records import differences, leftovers
from tests.faults.stages import Whole, write_config

RUN = "runs/small-*"
COMMANDS = {  # with how many signals, and after which stage
    "train": (12, None, ["train", "small.yaml"]),
    "connect": (12, "train", ["connect", RUN]),
    "workers": (12, "train", ["connect", RUN, "--set", "compute.workers=2"]),
    "align": (8, "train", ["align", RUN]),
    "compare": (12, "connect", ["compare", RUN, "--methods", "straight,bezier", "--budget", 300]),
    "measure": (12, "compare", ["measure", RUN]),
    "plane": (8, "measure", ["plane", RUN, "--models", "0,1,2", "--grid", 5]),
    "verify": (8, "plane", ["verify", RUN]),
    "report": (8, "verify", ["report", RUN]),
    "sweep": (16, None, ["run", "sweep.yaml"]),
}


def folder_of(whole: Whole, stage: str | None, name: str) -> Path:
    """A working directory with the runs as they are after a stage."""
    folder = whole.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write_config(folder)
    if stage is not None:
        shutil.copytree(whole.after(stage), folder / "runs")
    return folder


def said_of(arguments: list, folder: Path) -> list:
    """With the run's directory by its name."""
    return [next(folder.glob(RUN)) if given == RUN else given for given in arguments]


def strike(whole: Whole, command: str, signals: int, seed: int) -> int:
    """So many signals to a command, in one attempt after the other; how many came in time."""
    _, stage, arguments = COMMANDS[command]
    folder = folder_of(whole, stage, f"{command}-whole")
    let_alone = lscape(folder, *said_of(arguments, folder))
    assert let_alone.code == 0, let_alone.err
    assert let_alone.changes
    draw, struck = random.Random(f"{command} {seed}"), 0
    while struck < signals:
        attempt = folder_of(whole, stage, f"{command}-{struck}")
        ended = None
        while ended is None or ended.code != 0:
            number = SIGNALS[struck % len(SIGNALS)]
            delay = draw.choice([0.0, draw.uniform(0, 0.5)])
            moment = Moment(draw.randrange(let_alone.changes), number, delay)
            ended = lscape(attempt, *said_of(arguments, attempt), moment=moment)
            if ended.code != 0:
                struck += 1
                expected = -number if number == signal.SIGKILL else 128 + number
                assert ended.code in (expected, -number), (moment, ended)
                assert "Traceback" not in ended.err, (moment, ended.err)
        for name in sorted(path.parent.relative_to(folder) for path in folder.rglob("meta.json")):
            assert differences(attempt / name, folder / name) == []
        assert leftovers(attempt / "runs") == []
    return struck


@pytest.mark.faults
@pytest.mark.parametrize("command", COMMANDS)
def test_signals_at_random_moments(whole, command):
    assert strike(whole, command, COMMANDS[command][0], seed=0) >= COMMANDS[command][0]
