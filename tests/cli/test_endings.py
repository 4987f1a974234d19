"""How a command ends: mistakes, full disks, signals, closed pipes."""

from __future__ import annotations

import errno
import gc
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from lscape_cli.console import _Stage
from lscape_cli.options import Terminated, _terminable

from tests.cli.commands import (
    ENVIRONMENT,
    START,
    ConfigError,
    RunError,
    lscape,
    shell,
)


@pytest.mark.parametrize("error", [ConfigError("c.yaml:2: this\nc.yaml:3: that"), RunError("no")])
def test_mistakes(fake, error):
    fake.fail("train", error)
    done = lscape("train", "c.yaml")
    assert done.exit_code == 2 and not done.stdout
    assert done.stderr == "".join(f"error: {line}\n" for line in str(error).splitlines())


@pytest.mark.parametrize("path", ["runs/r/meta.json", None])
def test_a_full_disk(fake, path):
    fake.fail("train", OSError(errno.ENOSPC, "No space left on device", path))
    done = lscape("train", "c.yaml")
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: {path or 'runs'}: No space left on device; "
        "the run can be resumed by the same command\n"
    )


def test_interrupted(fake):
    fake.fail("train", KeyboardInterrupt())
    done = lscape("train", "c.yaml")
    assert done.exit_code == 130
    assert done.stderr == "interrupted; the same command resumes\n"


@pytest.mark.parametrize("late", [TimeoutError(), RunError("the scheduler is gone")])
def test_a_signal_is_said_whatever_is_late_on_its_way_out(fake, late):
    late.__context__ = ValueError()
    late.__context__.__context__ = Terminated(signal.SIGTERM)
    fake.fail("train", late)
    done = lscape("train", "c.yaml")
    assert done.exit_code == 128 + signal.SIGTERM
    assert done.stderr == "terminated; the same command resumes\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_while_memory_is_collected_is_not_lost(number):
    """What is raised in a callback of the collector is dropped by Python."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def within(phase, info):
        del phase, info
        gc.callbacks.remove(within)
        signal.raise_signal(number)

    gc.callbacks.append(within)
    try:
        with pytest.raises(KeyboardInterrupt), _terminable():
            gc.collect()
            time.sleep(20)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_bug_is_not_hidden(fake):
    fake.fail("train", ZeroDivisionError())
    assert isinstance(lscape("train", "c.yaml").exception, ZeroDivisionError)


SLOW = f"""
import contextlib, sys, time
from types import ModuleType
config, stage = ModuleType("landscape.config.load"), ModuleType("landscape.stages.train")
live = ModuleType("landscape.live.log")
live.logged = lambda told, kind, directory: contextlib.nullcontext(told)
config.load_config = config.run_name = lambda *a: "a run"
def train(config, runs_dir, progress):
    progress("training", 1, 10)
    try:
        time.sleep(60)
    finally:
        print("status written", flush=True)
stage.train = train
sys.modules.update({{m.__name__: m for m in (config, stage)}})
{START}
"""


@pytest.mark.parametrize(
    "number, code, interrupt",
    [
        (signal.SIGTERM, 143, signal.default_int_handler),
        (signal.SIGINT, 130, signal.default_int_handler),
        (signal.SIGTERM, 143, signal.SIG_IGN),  # as a shell starts a script's background jobs
    ],
)
def test_signals(number, code, interrupt):
    before = signal.signal(signal.SIGINT, interrupt)  # ignored or not, the child has it from here
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW, "train", "c.yaml"],
            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stderr and process.stderr.readline().startswith("training: 10%")
        time.sleep(0.1)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert not out and "status written" in err and err.endswith("the same command resumes\n")
    assert "Traceback" not in err


def test_a_closed_pipe_is_no_error():
    script = "import click\nfrom lscape_cli import console\n@click.command()\ndef run():\n"
    script += "    for n in range(100000): console.show('x' * 80)\nrun()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


def test_no_color():
    code = "from lscape_cli import console; console.error('no'); console.show_table(['a'], [['b']])"
    for environment in ({}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        done = shell(code, **environment)
        assert "error: no" in done.stderr and "\x1b" not in done.stdout + done.stderr


def test_a_stage_tells_its_pace(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    stage = _Stage("training", 20.0)
    stage.update(20.0, 100, {})
    assert (stage.percent(), stage.rate(), stage.left()) == ("20%", "", "")
    clock.now += 60
    stage.update(60.0, 100, {"pairs": "1/2", "worst": 0.12345})
    assert (stage.percent(), stage.rate(), stage.left()) == ("60%", "40/min", "1:00 left")
    assert stage.facts() == "pairs 1/2  worst 0.123"
    clock.now += 10
    stage.update(50.0, 100, {})
    assert stage.percent() == "60%"
    stage.update(100.0, 100, {})
    assert (stage.percent(), stage.elapsed(), stage.left()) == ("100%", "1:10", "done")


def test_data_that_are_missing_end_with_1_and_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LSCAPE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "c.yaml"
    config.write_text("task: {name: ptb}\nlevels: {metric: perplexity, values: [700]}\n")
    done = lscape("train", str(config), "--set", f"data.dir={tmp_path}")
    assert done.exit_code == 1 and done.stdout == ""
    assert "licensed" in done.stderr and "ptb.train.txt" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "runs").exists()
    done = lscape("train", str(config), "--set", "data.dir=nowhere")
    assert (
        done.exit_code == 2 and f"data.dir: {tmp_path / 'nowhere'}: no such folder" in done.stderr
    )
