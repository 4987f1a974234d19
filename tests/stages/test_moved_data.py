"""Data that are elsewhere by the time a run is taken up again."""

import textwrap

import pytest

from landscape import config_from, connect, train, verify
from landscape.data import DataError

WELL = """
import jax

from landscape import Task, energy_task
from landscape.data import DataError, Store
from landscape.data.store import Wanted


def well(store: Store) -> Task:
    found = store.find([Wanted(("place.txt",))], store.folders("well"))
    if not found:
        raise DataError("no place.txt")
    store.progress("reading", 1, 1)
    place = float(found[0].read_text())
    return energy_task(lambda p: (p["x"] - place) ** 2, lambda key: {"x": jax.random.normal(key)})
"""


@pytest.fixture
def moved(tmp_path, monkeypatch):
    """A run trained with a relative data.dir, and the folder where its data are now."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LSCAPE_DATA", raising=False)
    (tmp_path / "well_task.py").write_text(textwrap.dedent(WELL))
    monkeypatch.syspath_prepend(tmp_path)
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "data").mkdir(parents=True)
    there.mkdir()
    (here / "data" / "place.txt").write_text("1.5")
    monkeypatch.chdir(here)
    config = config_from(
        {
            "task": {"factory": "well_task:well"},
            "train": {"models": 2, "learning_rate": 0.1},
            "levels": {"values": [0.1]},
            "data": {"dir": "data"},
        }
    )
    run = train(config, tmp_path / "runs")
    monkeypatch.chdir(there)
    return run, here / "data"


def test_another_working_directory_finds_the_same_data(moved, caplog):
    run, _ = moved
    assert [row.status for row in connect(run)] == ["CONNECTED"]
    assert not caplog.records


def test_lost_data_are_looked_for_elsewhere(moved, tmp_path, monkeypatch, caplog):
    run, folder = moved
    now = folder.rename(tmp_path / "now")
    with pytest.raises(DataError, match=r"no place\.txt"):
        connect(run)
    assert f"data.dir: {folder} is gone" in caplog.text
    monkeypatch.setenv("LSCAPE_DATA", str(now))
    told = []

    def progress(stage, done, total, **facts):
        told.append(stage)

    for take_up in (connect, verify):
        caplog.clear()
        told.clear()
        assert len(take_up(run, progress=progress)) == 1
        assert f"data.dir: {folder} is gone" in caplog.text
        assert told[0] == "reading"


def test_another_folder_that_is_none_is_refused(moved):
    run, folder = moved
    with pytest.raises(ValueError, match=r"data\.dir: .*nowhere: no such folder"):
        connect(run, ["data.dir=nowhere"])
    assert connect(run, [f"data.dir={folder}"])
