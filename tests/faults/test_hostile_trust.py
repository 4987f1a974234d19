"""Code that a config or a run names is not run before its user has said so."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from landscape.core import registry
from landscape.core.trust import is_trusted, trusting
from landscape.store.run import create_run
from tests.cli.commands import lscape

TRAP = """
from pathlib import Path
import landscape
from landscape import DSS, energy_task

Path("sprung").write_text("")

class Mine(DSS):
    pass

def task():
    return energy_task(lambda p: (p["x"] ** 2).sum(), lambda key: {"x": landscape.core.keys})
"""
FACTORY = "task: {factory: 'trap:task'}\nlevels: {values: [0.5]}\n"
METHOD = "task: {name: digits}\nlevels: {values: [0.5]}\nconnect: {method: 'trap:Mine'}\n"
MEASURE = "task: {name: digits}\nlevels: {values: [0.5]}\nmeasure: {also: ['trap:Mine']}\n"
START = "task: {name: digits}\nlevels: {values: [0.5]}\nconnect: {start: 'trap:Mine'}\n"
SEQUENCE = "task: {name: digits}\nlevels: {values: [0.5]}\nconnect: {method: [dss, 'trap:Mine']}\n"
OTHER = "task: {name: digits}\nlevels: {values: [0.5]}\nconnect: {also: ['trap:Mine']}\n"
CONFIGS = {
    "factory": FACTORY, "method": METHOD, "measure": MEASURE, "start": START,
    "sequence": SEQUENCE, "other": OTHER,
}  # fmt: skip
OF_CONFIGS = ("check", "run", "train", "symmetries")
OF_RUNS = (
    "connect",
    "measure",
    "verify",
    "plane --models 0,1,2",
    "align",
    "compare --methods dss --budget 9",
)


@pytest.fixture
def strange(tmp_path, monkeypatch):
    """A stranger's folder, with a trap in it, and a home where nothing is trusted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "trap.py").write_text(TRAP)
    sys.modules.pop("trap", None)
    yield tmp_path
    sys.modules.pop("trap", None)


def refused(result, folder):
    assert result.exit_code == 2, result.output
    assert "trap:" in result.stderr and "--trust" in result.stderr
    assert str(folder / "trap.py") in result.stderr
    assert not (folder / "sprung").exists()


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_stranger_s_config_runs_nothing(strange, kind):
    (strange / "c.yaml").write_text(CONFIGS[kind])
    for command in OF_CONFIGS:
        refused(lscape(command, "c.yaml"), strange)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_stranger_s_run_runs_nothing(strange, kind):
    run = create_run(strange / "runs" / "r", CONFIGS[kind] + "train: {models: 4}\n", {})
    run.write_models([])
    for command in OF_RUNS:
        name, *options = command.split()
        refused(lscape(name, str(run.directory), *options), strange)


def test_what_only_reads_needs_no_trust(strange):
    levels = "levels: {values: [0.5], metric: loss, split: train}\ntrain: {models: 2}\n"
    run = create_run(strange / "runs" / "r", "task: {factory: 'trap:task'}\n" + levels, {})
    for command in (["report", str(run.directory)], ["runs"]):
        result = lscape(*command)
        assert result.exit_code == 0, result.output
    assert not (strange / "sprung").exists()


def test_trust_is_remembered_of_the_same_name_and_file(strange):
    (strange / "c.yaml").write_text(FACTORY)
    assert lscape("check", "c.yaml", "--trust").exit_code == 2  # its task fails
    assert (strange / "sprung").exists()
    (strange / "sprung").unlink()
    sys.modules.pop("trap", None)
    assert "--trust" not in lscape("check", "c.yaml").stderr
    assert (strange / "sprung").exists()
    (strange / "sprung").unlink()
    (strange / "d.yaml").write_text(FACTORY.replace("trap:task", "trap:other"))
    assert "--trust" in lscape("check", "d.yaml").stderr
    elsewhere = strange / "elsewhere"
    elsewhere.mkdir()
    (strange / "trap.py").rename(elsewhere / "trap.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        assert "--trust" in lscape("check", "../c.yaml").stderr
    assert not (elsewhere / "sprung").exists()


def test_the_standard_library_is_code_too(strange):
    (strange / "c.yaml").write_text(
        "task: {factory: 'subprocess:run', args: [touch, sprung]}\nlevels: {values: [1]}\n"
    )
    result = lscape("check", "c.yaml")
    assert result.exit_code == 2 and "subprocess" in result.stderr and "--trust" in result.stderr
    assert not (strange / "sprung").exists()


def test_an_entry_point_is_code(strange, monkeypatch):
    point = EntryPoint("trapped", "trap:Mine", "lscape.methods")

    class Points(list):
        names = ("trapped",)

    def points(group, name=None):
        found = [point] if group == point.group and name in (None, point.name) else []
        return Points(found) if found else type("None_", (list,), {"names": ()})()

    monkeypatch.setattr(registry, "entry_points", points)
    monkeypatch.syspath_prepend(str(strange))
    (strange / "c.yaml").write_text(METHOD.replace("trap:Mine", "trapped"))
    result = lscape("check", "c.yaml")
    assert result.exit_code == 2 and "trap:Mine" in result.stderr and "--trust" in result.stderr
    (strange / "d.yaml").write_text(METHOD.replace("{method: 'trap:Mine'}", "{no_such_key: 1}"))
    assert "no_such_key" in lscape("check", "d.yaml").stderr
    assert not (strange / "sprung").exists()


def test_without_a_home_trust_is_for_this_time(monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)

    def home():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", home)
    with trusting("named"):
        assert is_trusted("a:b", "/a.py")
    with trusting("known"):
        assert not is_trusted("a:b", "/a.py")


def test_a_program_imports_what_it_wants():
    assert is_trusted("a:b", "/a.py")
