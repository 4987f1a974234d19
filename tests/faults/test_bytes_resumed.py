"""`lscape connect` on a damaged run: refused by name, or what was lost is found again as it was."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from landscape import connect, open_run
from landscape.report import report
from landscape.store.files import RunError
from tests.runs_of_old.make import HERE, TASKS

PAIRS = ["connect.pairs=disjoint"]
STRING = "sets/dss-727f13/0.1/0/1.safetensors"
ROWS = "sets/dss-727f13/rows.jsonl"


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A run whose rows are of this machine: the last digits depend on the processor."""
    folder = tmp_path_factory.mktemp("searched")
    shutil.copy(HERE / TASKS, folder)
    shutil.copytree(max(HERE.glob("format-*")) / "disjoint", folder / "disjoint")
    shutil.rmtree(folder / "disjoint" / "sets")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        connect(open_run(Path("disjoint")), PAIRS)
    return folder


@pytest.fixture
def kept(searched, tmp_path, monkeypatch):
    shutil.copytree(searched, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("disjoint")


def found(rows):
    """Rows without the time that they took."""
    return [replace(row, seconds=None) for row in rows]


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize("name", [STRING, ROWS])
def test_what_is_gone_is_said_and_found_again(kept, name):
    before = found(open_run(kept).rows())
    (kept / name).unlink()
    run = open_run(kept)
    assert any("dss-727f13" in note for note in report([run])["notes"])
    connect(run, PAIRS)
    after = open_run(kept)
    assert found(after.rows()) == before
    assert not any("gone" in note or "no row" in note for note in report([after])["notes"])


@pytest.mark.faults
@pytest.mark.parametrize("how", ["at a line's end", "within a line", "to nothing"])
def test_rows_that_were_cut_are_found_again(kept, how):
    before = found(open_run(kept).rows())
    first = (kept / ROWS).read_bytes().index(b"\n") + 1
    cut(kept / ROWS, {"at a line's end": first, "within a line": first + 99, "to nothing": 0}[how])
    run = open_run(kept)
    assert any("no row in rows.jsonl" in note for note in report([run])["notes"])
    connect(run, PAIRS)
    assert found(open_run(kept).rows()) == before


@pytest.mark.faults
@pytest.mark.parametrize("name", [STRING, ROWS, "models.json", "models/0/0.1.safetensors"])
def test_what_is_damaged_stops_it(kept, name):
    path = kept / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    (kept / ("sets/dss-727f13/0.1/2/3.safetensors" if name == STRING else STRING)).unlink()
    if name == STRING:
        connect(open_run(kept), PAIRS)  # it is not read for the pair that is gone
        run = open_run(kept)
        with pytest.raises(RunError, match=STRING):
            [run.load_connection(row) for row in run.rows()]
        return
    with pytest.raises(RunError, match=name):
        connect(open_run(kept), PAIRS)
