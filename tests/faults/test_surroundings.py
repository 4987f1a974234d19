"""A terminal that goes, is narrow or dumb, or has no UTF-8; no home; too little memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import jax
import pytest

from landscape.config.load import run_name
from landscape.core import memory
from landscape.stages.check import check
from tests.cli.commands import fake  # noqa: F401  (a fixture)
from tests.cli.commands import lscape as in_process
from tests.faults.processes import ENVIRONMENT, PATIENCE, START, Moment, lscape
from tests.faults.records import differences
from tests.faults.stages import Whole, config, write_config

ASCII = {
    "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii",
}  # fmt: skip


@pytest.fixture
def place(whole: Whole, tmp_path):
    """A working directory with a run that is searched and measured; and its name."""
    write_config(tmp_path)
    shutil.copytree(whole.after("plane"), tmp_path / "runs")
    return tmp_path


def through_shell(place, words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`lscape` in the shell's words stands for the program."""
    program = " ".join([*START, str(place / "runs"), "-1", "0", "0", str(place / "changes")])
    return subprocess.run(
        ["bash", "-c", words.replace("lscape", program)], cwd=place, env=ENVIRONMENT | environment,
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


# -- a terminal that goes --------------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "2> >(head -c 1 >&-)", ">&- 2>&-"])
def test_work_goes_on_where_nobody_listens(whole, tmp_path, closed):
    write_config(tmp_path)
    done = through_shell(tmp_path, f"lscape train small.yaml {closed}")
    assert done.returncode == 0, done
    name = run_name(whole.config)
    assert differences(tmp_path / "runs" / name, whole.after("train") / name) == []


@pytest.mark.faults
@pytest.mark.parametrize("words", ["runs", "report runs/small-* --format rows", "schema"])
def test_stdout_closed_early_is_no_error(place, words):
    done = through_shell(place, f"lscape {words} | head -c 1")
    assert done.stderr == ""


@pytest.mark.faults
def test_a_run_started_by_nohup_outlives_its_terminal(whole, tmp_path):
    write_config(tmp_path)
    moment = Moment(9, signal.SIGHUP, 0.0)
    done = lscape(tmp_path, "train", "small.yaml", moment=moment, hangup=False)
    assert done.code == 0, done.err


# -- a terminal of another kind --------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("environment", [ASCII, {"COLUMNS": "40"}, {"TERM": "dumb"}])
@pytest.mark.parametrize(
    "words",
    ["runs", "report runs/small-*", "verify runs/small-*", "align runs/small-*", "schema",
     "check small.yaml", "symmetries small.yaml"],
)  # fmt: skip
def test_every_terminal_gets_the_answer(place, words, environment):
    text = (place / "small.yaml").read_text()
    (place / "small.yaml").write_text(f"# Größe π\n{text}", encoding="utf-8")
    done = through_shell(place, f"lscape {words}", **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() and "Traceback" not in done.stderr
    assert environment is not ASCII or done.stdout.isascii()


# -- no home ---------------------------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("home", [None, "/nonexistent/home", "/proc"])
def test_no_home_is_no_matter(tmp_path, home):
    write_config(tmp_path)
    there = {"HOME": home} if home else {}
    done = through_shell(
        tmp_path,
        f"{'unset HOME; ' * (home is None)}unset XDG_CACHE_HOME; lscape train small.yaml",
        **there,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr and "Traceback" not in done.stderr


# -- memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8")],
)
def test_too_little_memory_is_said_with_what_to_lower(fake, error):  # noqa: F811
    fake.fail("train", error)
    done = in_process("train", "c.yaml")
    assert done.exit_code == 1 and not done.stdout
    assert done.stderr.startswith("error: out of memory: lower compute.memory")
    assert "train.batch_size" in done.stderr and "resumed by the same command" in done.stderr


def test_another_error_of_a_device_is_not_hidden(fake):  # noqa: F811
    error = jax.errors.JaxRuntimeError("INTERNAL: a bug")
    fake.fail("train", error)
    assert in_process("train", "c.yaml").exception is error


def test_too_little_memory_is_foreseen(whole, monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 10)
    first, *_ = check(config())["notes"]
    assert "memory may run out" in first and memory.ADVICE in first
    monkeypatch.setattr(memory, "free", lambda: 10**15)
    assert not any("memory may run out" in note for note in check(config())["notes"])
    assert whole.config == config()


def test_free_memory_is_known_on_linux():
    assert os.name != "posix" or not os.path.exists("/proc/meminfo") or (memory.free() or 0) > 0


# -- the cache of compiled programs ----------------------------------------------------------------


@pytest.mark.faults
def test_a_damaged_cache_is_repaired(tmp_path):
    """As a kill in JAX's own write left it: each later process said so, and compiled again."""
    write_config(tmp_path)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = "rm -rf runs; lscape train small.yaml --quiet"
    assert through_shell(tmp_path, words, **cache).returncode == 0
    entries = sorted((tmp_path / "cache").rglob("*-cache"))
    assert entries and not [*(tmp_path / "cache").rglob(".*")]
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:100])
    assert "Error reading persistent" in through_shell(tmp_path, words, **cache).stderr
    assert through_shell(tmp_path, words, **cache).stderr == ""
