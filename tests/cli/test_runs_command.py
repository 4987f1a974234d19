"""`lscape runs`: what a folder holds, and how far each run of it is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from landscape.config.load import config_from, dump_config
from landscape.store.files import FORMAT
from landscape.store.listing import SearchCount, list_runs
from landscape.store.records.runs import Combination, SweepRecord
from landscape.store.run import Run, create_run
from landscape.store.sweeps import write_sweep
from tests.cli.commands import lscape, shell
from tests.pages import CONFIG, row, save

LOST = row(1, 2, 0.1, "NOT_FOUND", max_loss=None)
UNREACHED = row(0, 3, 0.1, "LEVEL_NOT_REACHED", max_loss=None)


@pytest.fixture
def folder(run):
    """With one run that has connected two pairs, lost one, and has a model above a level."""
    save(run, [row(0, 1), row(0, 1, 0.1), LOST, UNREACHED])
    with run.stage("connect dss-1"):
        pass
    return run.directory.parent


def listed(folder: Path) -> dict:
    done = lscape("runs", "--runs-dir", str(folder), "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_run_and_its_counts(folder, run):
    (found,) = list_runs(folder).runs
    assert (found.name, found.kind, found.status) == ("digits-12345678", "run", "done")
    assert found.stage == "connect dss-1" and found.levels == (0.5, 0.1)
    assert found.searches == (SearchCount("dss", connected=2, tried=3, not_reached=1),)
    assert found.searches[0].share == pytest.approx(2 / 3)
    files = [path for path in run.directory.rglob("*") if path.is_file()]
    assert found.size == sum(path.stat().st_size for path in files)
    assert found.changed == run.meta_file.stat().st_mtime


def test_the_table(folder):
    done = lscape("runs", "--runs-dir", str(folder))
    assert done.exit_code == 0, done.output
    (line,) = (line for line in done.stdout.splitlines() if "digits-12345678" in line)
    cells = line.split()
    assert cells[:7] == ["digits-12345678", "done", "0.5,", "0.1", "dss", "2/3", "67%"]
    assert cells[7] == "1" and cells[9] in ("kB", "MB")
    assert not done.stderr


def test_the_column_of_levels_that_were_not_reached_is_there_where_it_says_something(run):
    save(run, [row(0, 1)])
    done = lscape("runs", "--runs-dir", str(run.directory.parent))
    assert "not" not in done.stdout and "1/1 100%" in done.stdout


def test_nothing_tried_has_no_share(run):
    folder = run.directory.parent
    (found,) = listed(folder)["runs"]
    assert (found["status"], found["stage"], found["searches"]) == ("done", "train", [])
    assert "train done" in lscape("runs", "--runs-dir", str(folder)).stdout
    save(run, [UNREACHED])
    ((search,),) = (one["searches"] for one in listed(folder)["runs"])
    assert (search["tried"], search["share"], search["level_not_reached"]) == (0, None, 1)


def test_sets_of_one_method_are_told_apart(folder, run):
    save(run, [row(0, 1, set="dss-2"), row(0, 1, set="straight-1", method="straight")])
    ((*searches,),) = (one["searches"] for one in listed(folder)["runs"])
    assert [(one["search"], one["tried"]) for one in searches] == [
        ("dss-1", 3), ("dss-2", 1), ("straight", 1),
    ]  # fmt: skip


def test_a_stage_that_was_killed_is_not_running(folder, run):
    with run.stage("measure"):
        assert listed(folder)["runs"][0]["status"] == "running"
    run.update_meta(status="running", stages={"train": "done", "connect dss-1": "running"})
    (found,) = listed(folder)["runs"]
    assert (found["status"], found["stage"]) == ("killed", "connect dss-1")
    with run.stage("connect dss-1"):  # looking has not taken the lock
        pass


def test_the_latest_is_first(folder, run):
    other = Run(folder / "a-00000000")
    shutil.copytree(run.directory, other.directory)
    os.utime(other.meta_file, (1e9, 1e9))
    assert [one["name"] for one in listed(folder)["runs"]] == [run.directory.name, "a-00000000"]
    os.utime(other.meta_file, (3e9, 3e9))
    found = listed(folder)["runs"]
    assert [one["name"] for one in found] == ["a-00000000", run.directory.name]
    assert found[0]["changed"] == "2065-01-24T05:20:00+00:00"


def test_what_is_no_run_is_named_and_stops_nothing(folder, run):
    (folder / "photos").mkdir()
    (folder / ".new-1").mkdir()
    (folder / "notes.txt").write_text("hello")
    for name, file in {"a": "meta.json", "b": "config.yaml", "c": "sets/dss-1/rows.jsonl"}.items():
        shutil.copytree(run.directory, folder / name)
        (folder / name / file).write_text("{\n1,2,3")
    found = listed(folder)
    assert [one["name"] for one in found["runs"]] == [run.directory.name]
    reasons = {Path(one["directory"]).name: one["reason"] for one in found["left_out"]}
    assert reasons.keys() == {"a", "b", "c", "photos"}
    assert reasons["a"].startswith("not a run directory") or "meta.json" in reasons["a"]
    assert reasons["b"].startswith("config.yaml: altered")
    assert reasons["c"].startswith("sets/dss-1/rows.jsonl:1: ")
    assert "has no meta.json" in reasons["photos"]
    done = lscape("runs", "--runs-dir", str(folder))
    assert done.exit_code == 0 and done.stderr.count("left out: ") == 4


def test_a_sweep_is_one_line_and_its_folder_lists_its_runs(tmp_path, run):
    sweep = tmp_path / "runs" / "grid-1"
    shutil.copytree(run.directory, sweep / "made")
    made = Run(sweep / "made")
    save(made, [row(0, 1), row(0, 2, set="dss-2", status="NOT_FOUND", max_loss=None)])
    save(made, [row(0, 1, set="other", method="other")])  # not of the sweep
    combinations = [
        Combination(values={"connect.grid": n}, directory=directory, set=f"dss-{n}")
        for n, directory in ((1, "made"), (2, "made"), (3, "not-yet"))
    ]
    rest = {"over": {}, "measures": ["share"], "chart": "lines", "rate": False, "theory": None}
    write_sweep(sweep, SweepRecord(format=FORMAT, name="grid", runs=combinations, **rest))
    with made.stage("connect dss-1"):
        pass
    (found,) = listed(tmp_path / "runs")["runs"]
    assert (found["kind"], found["status"]) == ("sweep", "unfinished")
    assert (found["runs"], found["runs_done"]) == (3, 1)
    (search,) = found["searches"]
    assert (search["search"], search["connected"], search["tried"]) == ("dss", 1, 2)
    assert "1/3 runs done" in lscape("runs", "--runs-dir", str(tmp_path / "runs")).stdout
    assert [one["name"] for one in listed(sweep)["runs"]] == ["made"]


def test_nothing_there(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        done = lscape("runs", "--runs-dir", str(folder))
        assert done.exit_code == 0 and "lscape init" in done.stdout
        assert listed(folder) == {"runs": [], "left_out": []}


def test_a_run_is_no_folder_of_runs(run):
    done = lscape("runs", "--runs-dir", str(run.directory))
    assert done.exit_code == 2 and "a run itself" in done.stderr


def test_it_needs_no_jax(tmp_path):
    settings = config_from({"task": {"factory": "os:getcwd"}, "levels": {"values": [1]}})
    create_run(tmp_path / "a-1", dump_config(settings), {})
    code = (
        "import sys; from lscape_cli.main import main;"
        f"main(['runs', '--runs-dir', {str(tmp_path)!r}], standalone_mode=False);"
        "print({'jax', 'matplotlib', 'scipy'} & set(sys.modules))"
    )
    done = shell(code)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr
    assert "a-1" in done.stdout


def test_config_is_a_valid_one():
    """CONFIG of tests/pages.py, which these runs are made of, says what the listing reads."""
    assert "values: [0.5, 0.1]" in CONFIG
