"""Several processes on a run, a disk without locks, a folder that goes, a clock that jumps."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from landscape.config.load import run_name
from landscape.stages import train as train_module
from landscape.store.files import RunError, write_bytes
from landscape.store.run import create_run, open_run
from landscape.store.temporary import is_temporary, remove_leftovers, temporary_beside
from tests.faults.disk import Disk, failing
from tests.faults.processes import ENVIRONMENT, START, orphans
from tests.faults.records import differences, leftovers
from tests.faults.stages import STAGES, write_config

pytestmark = pytest.mark.usefixtures("unpainted")


# -- several processes -----------------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("count", [2, 8])
def test_several_processes_at_once_on_one_run(whole, tmp_path, count):
    """One does the work. The others say that it does, or find it done."""
    write_config(tmp_path)
    command = [*START, str(tmp_path / "runs"), "-1", "0", "0", str(tmp_path / "changes")]
    arguments = ["run", "small.yaml", "--no-measure", "--quiet"]
    processes = [
        subprocess.Popen(
            [*command, *arguments], cwd=tmp_path, env=ENVIRONMENT, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )
        for _ in range(count)
    ]  # fmt: skip
    ended = [(process.communicate()[1], process.returncode) for process in processes]
    assert 0 in [code for _, code in ended]
    for said, code in ended:
        assert code == 0 or (code == 2 and "in use by another lscape process" in said), said
    name = run_name(whole.config)
    apart = differences(tmp_path / "runs" / name, whole.after("connect") / name)
    assert [one for one in apart if not one.startswith("alignments")] == []
    assert leftovers(tmp_path / "runs") == []


def test_training_that_another_process_has_ended_is_not_done_again(whole, tmp_path, monkeypatch):
    """It ends between the first look at the run and the lock."""
    first, began = train_module.build_task, []

    def meanwhile(*given):
        if not began:
            began.append(1)
            STAGES["train"](whole.config, tmp_path)
        return first(*given)

    monkeypatch.setattr(train_module, "build_task", meanwhile)
    name = run_name(whole.config)
    with failing(Disk(str(tmp_path / name / "models"))) as disk:
        STAGES["train"](whole.config, tmp_path)
    written = [path for kind, path in disk.done if kind == "sync"]
    assert len(written) == 6  # of three models at two levels, once
    assert open_run(tmp_path / name).stage_status("train") == "done"


def test_a_second_process_makes_no_second_run(tmp_path):
    made = create_run(tmp_path / "a-1", "task: {}\n", {"command": "first"})
    made.update_meta(status="done")
    again = create_run(tmp_path / "a-1", "task: {}\n", {"command": "second"})
    assert (again.meta().command, again.meta().status) == ("first", "done")
    with made.held(), pytest.raises(RunError, match="in use by another"):
        create_run(tmp_path / "a-1", "task: {}\n", {})


def test_a_folder_of_somebody_else_is_not_made_a_run(whole, tmp_path):
    place = tmp_path / run_name(whole.config)
    place.mkdir()
    (place / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match="not a run directory"):
        STAGES["train"](whole.config, tmp_path)
    assert [path.name for path in place.iterdir()] == ["thesis.tex"]


# -- what a killed process leaves ------------------------------------------------------------------


def test_only_what_nobody_writes_any_more_is_removed(tmp_path):
    handle, name = temporary_beside(tmp_path / "x.json")
    for stranger in (".bashrc", ".x.json.original", "lscape", ".git"):
        (tmp_path / stranger).write_text("mine")
    remove_leftovers(tmp_path)
    assert Path(name).exists()  # this process has it open
    code = (
        "import sys; from pathlib import Path\n"
        "from landscape.store.temporary import temporary_beside\n"
        "print(temporary_beside(Path(sys.argv[1]))[1])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "y.json"], capture_output=True, text=True,
        check=True, env=ENVIRONMENT,
    ).stdout.strip()  # fmt: skip
    assert is_temporary(Path(told).name) and Path(told).exists()
    remove_leftovers(tmp_path)
    assert not Path(told).exists() and Path(name).exists()
    remaining = {path.name for path in tmp_path.iterdir()} - {Path(name).name}
    assert remaining == {".bashrc", ".x.json.original", "lscape", ".git"}
    os.close(handle)


def test_a_file_removed_before_its_lock_is_made_again(tmp_path, monkeypatch):
    lock, taken = fcntl.flock, []

    def late(handle, how):
        if not taken:
            (first,) = tmp_path.iterdir()
            taken.append(first)
            first.unlink()  # as `remove_leftovers` of another process
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write_bytes(tmp_path / "x", b"whole")
    assert taken and [path.name for path in tmp_path.iterdir()] == ["x"]


# -- locks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_refused_by_name(whole, tmp_path, monkeypatch, number):
    def none(handle, how):
        raise OSError(number, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(RunError, match=r"lock: this file system has no locks .*--runs-dir"):
        STAGES["train"](whole.config, tmp_path)
    monkeypatch.undo()
    STAGES["train"](whole.config, tmp_path)
    assert leftovers(tmp_path) == []


# -- a folder that disappears ----------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["train", "verify"])
def test_a_run_removed_under_way_is_not_half_remade(whole, stage):
    runs = whole.copy(whole.before(stage), f"gone-{stage}")
    name = run_name(whole.config)

    def remove(kind, path):
        shutil.rmtree(runs / name)

    with (
        failing(Disk(str(runs / name), remove, 9)),
        pytest.raises((OSError, RunError), match=name),
    ):
        STAGES[stage](whole.config, runs)
    assert not (runs / name).exists()
    if stage == "train":
        whole.again("train", runs)


# -- a clock that jumps ----------------------------------------------------------------------------


def test_a_clock_that_jumps_changes_nothing(whole, monkeypatch):
    clock, calls = time.time, []

    def jumps():
        calls.append(1)
        return clock() + (-1e9 if len(calls) % 2 else 1e9)

    monkeypatch.setattr(time, "time", jumps)
    monkeypatch.setattr(time, "monotonic", lambda: float(len(calls)))
    monkeypatch.setattr(time, "perf_counter", jumps)
    for stage in ("train", "plane", "verify"):
        asked = len(calls)
        runs = whole.copy(whole.before(stage), f"clock-{stage}")
        whole.again(stage, runs)
        assert len(calls) > asked, "the stage has asked this clock"


# -- processes of workers --------------------------------------------------------------------------


def test_workers_end_with_the_process_that_started_them(tmp_path):
    pytest.importorskip("distributed")
    code = (
        "if __name__ == '__main__':\n"
        " import os, signal\n"
        " from landscape.cluster.clusters import local_cluster\n"
        " with local_cluster(2):\n"
        "  os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "start.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "start.py"], env=ENVIRONMENT, start_new_session=True
    )
    assert process.wait() == -9
    assert orphans(process.pid) == []
