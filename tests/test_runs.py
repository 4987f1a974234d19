"""What is written whole or not at all, and noticed when it was altered."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from landscape.store import files
from landscape.store import run as run_module
from landscape.store.files import RunError
from landscape.store.records.base import made
from landscape.store.records.models import Line
from landscape.store.records.strings import StringRecord

ARRAYS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1.5])}


@pytest.fixture
def run(tmp_path):
    return run_module.create_run(tmp_path / "runs" / "a-1234", "task: {}\n", {"command": "test"})


@given(
    st.dictionaries(
        st.text("abc./", min_size=1, max_size=4),
        hnp.arrays(
            st.sampled_from([np.float32, np.float64, np.int32, np.uint32]),
            hnp.array_shapes(min_dims=0, max_dims=3, max_side=3),
        ),
        max_size=3,
    )
)
def test_save_and_load_is_the_identity(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("arrays") / "x.safetensors"
    files.save_arrays(path, arrays, {"level": 0.1, "a": None})
    loaded, record = files.load_arrays(path)
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype and loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()
    assert (record["level"], record["a"]) == (0.1, None)


def test_damage_is_noticed(tmp_path):
    path = tmp_path / "x.safetensors"
    files.save_arrays(path, ARRAYS, {"value": 0.25})
    whole = path.read_bytes()
    for cut in (0, 7, 50, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(RunError, match=r"x\.safetensors: damaged"):
            files.load_arrays(path)
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    path.write_bytes(flipped)
    assert files.read_record(path)["value"] == 0.25
    with pytest.raises(RunError, match="arrays do not match"):
        files.load_arrays(path)
    path.write_bytes(whole.replace(b"0.25", b"0.35"))
    with pytest.raises(RunError, match="record does not match"):
        files.read_record(path)


def test_a_file_of_someone_else_is_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file(ARRAYS, tmp_path / "x.safetensors")
    with pytest.raises(RunError, match="not written by lscape"):
        files.load_arrays(tmp_path / "x.safetensors")


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "f"
    files.write_bytes(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["f"]


def test_a_line_cut_off_is_left_out(run):
    lines = [Line(model=0, step=step, value=1.0) for step in (10, 20, 30)]
    run.append_history(lines[:2])
    path = run.directory / "history.jsonl"
    with path.open("a") as file:
        file.write('{"model": 0, "st')
    assert run.history() == lines[:2]
    run.append_history(lines[2:])
    assert run.history() == lines


def test_history_keeps_the_last_of_repeated_lines(run):
    run.append_history([Line(model=0, step=10, value=1.0), Line(model=0, step=20, value=0.5)])
    run.append_history([Line(model=0, step=20, value=0.4), Line(model=1, step=10, value=2.0)])
    assert [(h.model, h.step, h.value) for h in run.history()] == [
        (0, 10, 1.0),
        (0, 20, 0.4),
        (1, 10, 2.0),
    ]


def test_a_run_is_found_by_path_or_name(run):
    for found in (
        run_module.open_run(run.directory),
        run_module.open_run("a-1234", run.directory.parent),
    ):
        assert found.config_file.read_text() == "task: {}\n"


def test_what_is_not_a_run_is_refused(run, tmp_path):
    with pytest.raises(RunError, match=r"no such run directory; runs in .*: a-1234"):
        run_module.open_run("b", run.directory.parent)
    with pytest.raises(RunError, match="not a run directory"):
        run_module.open_run(tmp_path)
    meta = run.directory / "meta.json"
    kept = meta.read_text()
    for content, message in (
        (json.dumps({"format": files.FORMAT + 1, "stages": {}}), "newer lscape"),
        (kept[: len(kept) // 2], "damaged"),
        ("[]", "not a run directory"),
        ("{}", "not a run directory"),
    ):
        meta.write_text(content)
        with pytest.raises(RunError, match=message):
            run_module.open_run(run.directory)


def test_the_status_of_stages(run):
    with run.stage("train"):
        assert run.meta().status == "running"
    assert run.stage_status("train") == "done"
    for error, status in ((KeyboardInterrupt, "interrupted"), (OSError, "failed")):
        with pytest.raises(error), run.stage("connect x"):
            raise error
        assert run.meta().status == run.stage_status("connect x") == status
    assert run.stage_status("train") == "done"


def test_a_second_process_is_refused(run):
    code = (
        "import sys; from landscape.store.files import RunError\n"
        "from landscape.store.run import open_run\n"
        "try:\n with open_run(sys.argv[1]).stage('train'): print('entered')\n"
        "except RunError as error: print(error)"
    )
    with run.stage("train"):
        said = subprocess.run(
            [sys.executable, "-c", code, str(run.directory)], capture_output=True, text=True
        )
    assert "in use by another lscape process" in said.stdout, said.stderr
    with run.stage("train"):
        pass


def test_a_lock_ends_with_the_process_that_held_it(run):
    code = (
        "import sys, time; from landscape.store.run import open_run\n"
        "with open_run(sys.argv[1]).stage('train'):\n print('entered', flush=True)\n time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(run.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "entered\n"
        with pytest.raises(RunError, match="in use"), run.stage("train"):
            pass
        holder.kill()
    assert run.stage_status("train") == "running"
    with run.stage("train"):
        pass


def test_rows_come_back_and_make_the_csv(run):
    known = {"task": "digits", "method": "dss", "status": "LEVEL_NOT_REACHED", "set": "dss-1"}
    known |= {"grad_evals": 0, "loss_evals": 0, "reason": "", "facts": {"epsilon": 1.0}}
    string = {"w": np.array([[0], [1], [2]], np.float32)}
    profile = np.array([[0, 0.1], [0.5, 0.2], [1, 0.1]])
    for level, a, b in ((0.1, 0, 1), (0.5, 0, 2), (0.1, 0, 10)):
        run.save_connection(
            made(StringRecord, **known, level=level, a=a, b=b),
            string,
            profile,
            {"variance": np.ones(3)},
        )
    rows = run.write_results()
    assert [(r.level, r.b) for r in rows] == [(0.5, 2), (0.1, 1), (0.1, 10)]
    lines = run.results_file.read_text().splitlines()
    assert lines[0].startswith(
        "task,method,level,a,b,status,beads,length,chord,normalized_length,max_loss,barrier,"
        "rounds,grad_evals,loss_evals,seconds"
    )
    assert len(lines) == 4
    points, kept, film = run.load_connection(rows[0])
    assert list(film) == ["variance"] and list(run.load_search_history(rows[0])) == ["variance"]
    assert np.array_equal(points["w"], string["w"]) and np.array_equal(kept, profile)


def test_pytorch_can_read_the_header(run):
    """safetensors' own layout: eight bytes of length, JSON, then the bytes."""
    path = run.model_file(0, 0.1)
    files.save_arrays(path, ARRAYS, {"model": 0})
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    start, end = header["w"]["data_offsets"]
    assert header["w"]["dtype"] == "F32"
    assert content[8 + size + start : 8 + size + end] == ARRAYS["w"].tobytes()
