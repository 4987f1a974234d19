"""Runs of every format that was released are read as they were: report, verify, runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from landscape import open_run
from landscape.store.listing import list_runs
from tests.runs_of_old.make import EXPECTED, HERE, KINDS, TASKS, numbers

FORMATS = sorted(path.name for path in HERE.glob("format-*"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    shutil.copy(HERE / TASKS, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def close(found, kept):
    """The same but for the last digits of computed numbers."""
    if isinstance(kept, dict):
        return found.keys() >= kept.keys() and all(close(found[key], kept[key]) for key in kept)
    if isinstance(kept, list):
        return len(found) == len(kept) and all(map(close, found, kept))
    if isinstance(kept, float):
        return found == pytest.approx(kept, rel=1e-4, abs=1e-9)
    return found == kept


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_its_numbers_are_those_that_it_had(place, form, kind):
    run = place / kind
    shutil.copytree(HERE / form / kind, run)
    kept = json.loads((HERE / form / EXPECTED).read_text())[kind]
    found = numbers(open_run(run))
    for part, expected in kept.items():
        assert close(found[part], expected), part
    assert found["verify"] and all(agreed for _, agreed, *_ in found["verify"])


@pytest.mark.parametrize("form", FORMATS)
def test_all_are_listed(form):
    found = list_runs(HERE / form)
    assert sorted(run.name for run in found.runs) == sorted(KINDS)
    assert found.left_out == [] and all(run.status == "done" for run in found.runs)


def test_a_change_of_format_keeps_runs_of_the_one_before():
    from landscape.store.files import FORMAT

    assert FORMATS[-1] == f"format-{FORMAT}", "python -m tests.runs_of_old.make"


def test_they_stay_small():
    files = [path for path in Path(HERE).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300_000
