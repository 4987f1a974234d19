"""Code that a config or a run names is not run before its user has said so."""

from __future__ import annotations

import gc
import json
import re
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import click
import pytest

from landscape.core import registry
from landscape.core.trust import is_known, is_trusted, trusting
from landscape.store.run import create_run
from tests.cli.commands import lscape, main

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
    assert f"is code from {folder / 'trap.py'}. " in result.stderr
    assert f"(remembered in {folder / 'state' / 'lscape' / 'trusted'})" in result.stderr
    assert not (folder / "sprung").exists()


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_stranger_s_config_runs_nothing(strange, kind):
    (strange / "c.yaml").write_text(CONFIGS[kind])
    for command in OF_CONFIGS:
        refused(lscape(command, "c.yaml"), strange)
    assert not (strange / "state").exists(), "nothing is remembered as trusted"


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_stranger_s_run_runs_nothing(strange, kind):
    run = create_run(strange / "runs" / "r", CONFIGS[kind] + "train: {models: 4}\n", {})
    run.write_models([])
    for command in OF_RUNS:
        name, *options = command.split()
        refused(lscape(name, str(run.directory), *options), strange)
    assert not (strange / "state").exists(), "nothing is remembered as trusted"


@pytest.mark.parametrize("kind", CONFIGS)
def test_what_only_reads_needs_no_trust(strange, kind, monkeypatch):
    monkeypatch.setattr(
        sys.modules["lscape_cli.watch"], "BETWEEN_STAGES", 0.0
    )  # nothing has begun, and nothing will
    levels = "levels: {values: [0.5], metric: loss, split: train}\ntrain: {models: 2}\n"
    config = re.sub("levels: .*\n", levels, CONFIGS[kind])
    run = create_run(strange / "runs" / "r", config, {})
    where = str(run.directory)
    for command in (["report", where], ["watch", where], ["runs"]):
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


@pytest.fixture
def installed(strange, monkeypatch):
    """Entry points of the trap, in configs that name the method and that do not."""
    trapped = {"methods": "trap:Mine", "measures": "trap:Mine", "tasks": "trap:task"}
    points = EntryPoints(EntryPoint("trapped", at, f"lscape.{k}") for k, at in trapped.items())
    monkeypatch.setattr(registry, "entry_points", points.select)
    monkeypatch.syspath_prepend(str(strange))
    (strange / "named.yaml").write_text(METHOD.replace("trap:Mine", "trapped"))
    (strange / "typo.yaml").write_text(METHOD.replace("{method: 'trap:Mine'}", "{no_such_key: 1}"))
    return strange


def test_an_entry_point_is_code(installed):
    result = lscape("check", "named.yaml")
    assert result.exit_code == 2 and "trap:Mine" in result.stderr and "--trust" in result.stderr
    assert "no_such_key" in lscape("check", "typo.yaml").stderr
    assert not (installed / "sprung").exists()


def test_what_the_config_does_not_name_is_not_trusted(installed):
    result = lscape("check", "typo.yaml", "--trust")
    assert result.exit_code == 2 and "no_such_key" in result.stderr
    assert not (installed / "sprung").exists() and not (installed / "state").exists()


@pytest.mark.parametrize("failure", ["1 / 0", "import sys; sys.exit(3)"])
def test_a_plug_in_that_does_not_load_is_not_at_hand(installed, failure):
    (installed / "trap.py").write_text(f"import os; os.mkdir('sprung')\n{failure}\n")
    said = lscape("check", "named.yaml", "--trust").stderr
    assert f"at {installed / 'trap.py'}:2" in said
    (installed / "sprung").rmdir()
    result = lscape("check", "typo.yaml")
    assert result.exit_code == 2 and "no_such_key" in result.stderr
    assert (installed / "sprung").exists()  # it was tried


def test_the_schema_has_of_a_stranger_s_plug_in_the_name_alone(installed):
    def known():
        connect = json.loads(lscape("schema").stdout)["properties"]["connect"]
        assert "trapped" in json.dumps(connect["properties"]["method"])
        return [one["if"]["properties"]["method"]["const"] for one in connect["allOf"]]

    assert "dss" in known() and "trapped" not in known()
    assert not (installed / "sprung").exists() and not (installed / "state").exists()
    lscape("check", "named.yaml", "--trust")
    assert "trapped" in known()


def test_a_command_begins_with_what_is_known_and_leaves_a_program_as_it_was(strange, monkeypatch):
    said = []
    probe = click.Command("probe", callback=lambda: said.append(is_known("a:b", "/a.py")))
    monkeypatch.setitem(main.commands, "probe", probe)
    assert lscape("probe").exit_code == 0 and said == [False]
    assert lscape("check", "--trust", "--seed", "x", "c.yaml").exit_code == 2
    gc.collect()  # what is left of that command
    assert is_known("a:b", "/a.py")


def test_another_s_module_does_not_import_from_the_working_directory(strange, monkeypatch):
    elsewhere = strange / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.py").write_text("import wave\n" + TRAP.replace("sprung", "mine_ran"))
    (strange / "wave.py").write_text(TRAP)
    monkeypatch.syspath_prepend(str(elsewhere))
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    (strange / "c.yaml").write_text(FACTORY.replace("trap", "mine"))
    lscape("check", "c.yaml", "--trust")
    assert (strange / "mine_ran").exists() and not (strange / "sprung").exists()
    sys.modules.pop("mine")


def test_a_module_of_the_working_directory_imports_its_siblings(strange):
    (strange / "its_sibling.py").write_text("here = True\n")
    (strange / "trap.py").write_text("import its_sibling\nhere = its_sibling.here\n")
    path = list(sys.path)
    assert registry.load_object("trap:here")
    assert sys.path == path
    sys.modules.pop("its_sibling")


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
