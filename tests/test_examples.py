"""The examples run: a script, a notebook, and a method from outside by config, CLI and call."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest
from click.testing import CliRunner

import landscape as ls
from tests.analytic import RING, ring_energy
from tests.cli.commands import main

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture
def folder(monkeypatch):
    monkeypatch.chdir(EXAMPLES)
    return EXAMPLES


def test_a_method_from_outside_by_a_config_and_the_command_line(folder, tmp_path):
    """The config names it, its own setting stands beside the others, and results are under its
    name; `--method module:Class` asks for it in another run."""
    runner = CliRunner()
    done = runner.invoke(
        main,
        ["run", "detour.yaml", "--no-measure", "--runs-dir", str(tmp_path), "--quiet", "--trust"],
    )
    assert done.exit_code == 0, done.output
    (directory,) = tmp_path.glob("detour-*")
    run = ls.open_run(directory)
    rows = run.rows()
    assert [dict(row)["method"] if isinstance(row, dict) else row.method for row in rows] == (
        ["detour"] * 3
    )
    (name,) = run.sets()
    assert name.startswith("detour-") and "draws: 50" in run.settings_file(name).read_text()
    again = runner.invoke(
        main,
        ["connect", str(directory), "--method", "straight", "--json", "--quiet", "--trust"],
    )
    assert again.exit_code == 0, again.output
    assert len(run.sets()) == 2


def test_a_method_from_outside_by_the_one_call(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    from detour import Detour  # type: ignore[import-not-found]

    def ring(params):
        return ring_energy(params["x"])

    a, b = ({"x": jnp.array(end)} for end in (RING.a, RING.b))
    found = ls.find_path(ring, a, b, level=0.9, method=Detour(draws=50), progress=False)
    assert found.connected and found.beads == 3 and found.grad_evals == 0
    named = ls.find_path(ring, a, b, level=0.9, method="detour:Detour", progress=False)
    assert named.status in (ls.Status.CONNECTED, ls.Status.NOT_FOUND)


def test_a_wrong_setting_of_a_method_from_outside_is_named(folder, tmp_path):
    done = CliRunner().invoke(
        main,
        ["check", "detour.yaml", "--trust", "--set", "connect.drws=3", "--runs-dir", str(tmp_path)],
    )
    assert done.exit_code == 2 and "connect.drws" in done.output and "draws" in done.output


@pytest.mark.parametrize("name", ["nothing:Here", "detour:Nothing", "detour:np"])
def test_a_method_that_is_not_there_is_named(folder, name):
    with pytest.raises(ls.ConfigError, match=r"connect\.method: "):
        ls.load_config("detour.yaml", [f"connect.method={name}"])


def test_the_script():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "two_pytrees.py"], cwd=EXAMPLES, capture_output=True, text=True,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("<PathResult NOT_FOUND") and lines[1].startswith(
        "<PathResult CONNECTED"
    )


def test_the_notebook():
    """Its cells run in order, and the last value of each can be shown."""
    notebook = json.loads((EXAMPLES / "two_networks.ipynb").read_text())
    space: dict[str, object] = {}
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            *before, last = "".join(cell["source"]).splitlines()
            exec("\n".join(before), space)
            shown.append(eval(last, space))
    assert [one.status for one in shown if isinstance(one, ls.PathResult)] == [
        ls.Status.NOT_FOUND, ls.Status.CONNECTED,
    ]  # fmt: skip
    assert sum("<svg" in one._repr_html_() for one in shown if hasattr(one, "_repr_html_")) >= 3


def test_a_measure_from_outside(folder, tmp_path):
    runner = CliRunner()
    also = 'measure={also: [{name: "spread:Spread", beyond: 0.1}], hessian: false, shorten: false}'
    done = runner.invoke(
        main,
        [
            "run",
            "detour.yaml",
            "--trust",
            "--runs-dir",
            str(tmp_path),
            "--quiet",
            "--set",
            also,
            "--set",
            "connect={method: dss}",
        ],
    )
    assert done.exit_code == 0, done.output
    (directory,) = tmp_path.glob("detour-*")
    run = ls.open_run(directory)
    found = run.other_measures()
    assert len(found) == len(run.string_measures()) > 0
    assert all(row.value is not None and row.value >= 0 for row in found)
