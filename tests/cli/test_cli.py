"""The commands: what they ask of landscape (stand-ins here), and what they print."""

from __future__ import annotations

import errno
import json
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lscape_cli.check import _networks, duration, size
from lscape_cli.main import main

from landscape.stages.judged import Verdict
from landscape.store.records.base import as_dict, made
from landscape.store.records.measures import (
    ModelMeasure,
    OtherMeasureRecord,
    PartMeasure,
    StringMeasure,
    TopMeasure,
)
from landscape.store.records.models import Met, ModelRecord
from landscape.store.records.strings import BarrierRecord, TreeRecord
from tests import pages
from tests.cli.commands import (
    COMMANDS,
    LEAVES,
    LOST,
    level,
    lscape,
    row,
    shell,
)


def test_help_imports_nothing_heavy():
    code = "import sys; from lscape_cli.main import main; main(['--help'], standalone_mode=False);"
    heavy = "jax numpy pydantic matplotlib rich landscape"
    done = shell(f"{code} print(set(sys.modules) & set('{heavy}'.split()))")
    assert done.stdout.splitlines()[-1] == "set()", done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_that_parses(name):
    command = main.commands[name]
    examples = [x for x in (command.help or "").splitlines() if x.strip().startswith("lscape ")]
    assert examples
    for example in examples:
        _, called, *arguments = shlex.split(example.partition(" > ")[0])
        assert called == name
        command.make_context(name, arguments)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["trian"], "Did you mean 'train'"),
        (["train", "--sed", "1"], "--seed"),
        (["train"], "CONFIG"),
    ],
)
def test_usage_errors(arguments, said):
    done = lscape(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr and not done.stdout


# -- what is asked, and what is printed -------------------------------------------------------


def test_train(fake):
    done = lscape("train", "c.yaml", "--set", "a.b=1", "--set", "c=2", "--seed", "3")
    assert done.exit_code == 0, done.output
    assert done.stdout == "runs/r\n"
    assert fake.calls[0] == ("load_config", "c.yaml", ("a.b=1", "c=2"), 3)
    assert fake.calls[1][2] == "runs"
    for said in ("a factory's own words", "device: abacus", "warning: downgraded", "train: 100%"):
        assert said in done.stderr


def test_train_json(fake):
    done = lscape("train", "c.yaml", "--json", "--runs-dir", "elsewhere")
    assert json.loads(done.stdout) == {"run": "runs/r", "models": fake_models()}
    assert fake.calls[1][2] == "elsewhere"


def fake_models():
    return [as_dict(pages.model(0, []))]


def test_quiet_leaves_results_and_warnings(fake):
    done = lscape("run", "c.yaml", "--quiet")
    assert "device" not in done.stderr and "100%" not in done.stderr
    assert "warning: downgraded" in done.stderr
    assert done.stdout.endswith("report: runs/r/report.html\n")


def test_connect(fake):
    fake.rows = [row(), row(b=2, status="STUCK"), row(level=0.05)]
    options = "--pairs 0-1,0-2 --level 0.1 --level 0.05 --method straight --seed 3"
    done = lscape("connect", "r", *options.split(), "--set", "connect.grid=9")
    assert done.exit_code == 0, done.output
    asked = ["connect.grid=9", "connect.pairs=0-1,0-2", "connect.method=straight", "connect.seed=3"]
    assert fake.calls[0] == ("open_run", "r", "runs")
    assert fake.calls[1][2:] == (asked, (0.1, 0.05))
    assert done.stdout.splitlines() == [
        "level 0.1:  1 of 2 pairs connected (1 STUCK)",
        "level 0.05: 1 of 1 pairs connected",
        "results: runs/r/results.csv",
    ]
    assert json.loads(lscape("connect", "r", "--json").stdout)["rows"] == [*map(as_dict, fake.rows)]
    assert fake.calls[-1][2:] == ([], None)


def joined(**changes):
    known = {
        "level": 0.1, "models": 8, "components": [[0, 1, 2, 3, 4, 5, 6, 7]], "pairs": 28,
        "searched": 7, "connected": 7,
    }  # fmt: skip
    return made(TreeRecord, **known | changes)


def test_connect_a_tree(fake):
    parts = [[0, 1, 2, 3, 4, 5], [6]]
    fake.tree = [joined(searched=0, connected=0), joined(level=0.01, models=7, components=parts)]
    done = lscape("connect", "r", "--pairs", "tree")
    assert fake.calls[1][2:] == (["connect.pairs=tree"], None)
    assert done.stdout.splitlines() == [
        "level 0.1:  8 models in 1 component; 0 of 28 pairs searched, 0 connected",
        "level 0.01: 7 models in 2 components; 7 of 28 pairs searched, 7 connected",
        "components are an upper bound: paths that were not found may join more",
        "results: runs/r/results.csv",
    ]
    assert json.loads(lscape("connect", "r", "--json").stdout)["tree"] == [*map(as_dict, fake.tree)]


@pytest.mark.parametrize("command", ["connect", "run"])
def test_require_connected_of_a_tree(fake, command):
    fake.rows, fake.tree = [row(status="STUCK")], [joined()]
    assert lscape(command, "x", "--require-connected").exit_code == 0
    fake.tree.append(joined(level=0.01, components=[[0, 1, 2, 3, 4, 5, 6], [7]]))
    done = lscape(command, "x", "--require-connected")
    assert done.exit_code == 3
    assert "not in one component at 0.01" in done.stderr


@pytest.mark.parametrize("command", ["connect", "run"])
def test_require_connected(fake, command):
    assert lscape(command, "x", "--require-connected").exit_code == 0
    fake.rows = [row(), row(b=2, status="STUCK")]
    assert lscape(command, "x").exit_code == 0
    done = lscape(command, "x", "--require-connected", "--json")
    assert done.exit_code == 3
    assert "1 of 2" in done.stderr
    json.loads(done.stdout)


def test_run_reports_what_it_ran(fake):
    done = lscape("run", "c.yaml")
    assert done.exit_code == 0, done.output
    assert [call[0] for call in fake.calls] == ["load_config", "run", "measure", "write_html"]
    assert "6/6" in done.stdout and done.stdout.endswith("report: runs/r/report.html\n")
    assert json.loads(lscape("run", "c.yaml", "--json").stdout) == fake.report


def test_run_without_measuring(fake):
    assert lscape("run", "c.yaml", "--no-measure").exit_code == 0
    assert [call[0] for call in fake.calls] == ["load_config", "run", "write_html"]


def measured(**changes):
    known = {"normalized_length_found": 1.2, "normalized_length": 1.1, "total_curvature": 2.0}
    known |= {"set": "dss", "method": "dss", "level": 0.1, "a": 0, "b": 1}
    return made(StringMeasure, **known | {"shortening": "CONVERGED"} | changes)


def lowered(**changes):
    known = {"a": 0, "b": 1, "loss_a": 0.1, "loss_b": 0.09, "max_loss": 0.12, "last_change": 0.01}
    return made(BarrierRecord, **known | {"status": "TIGHT"} | changes)


def hessian(kind, **changes):
    known = {
        "level": 0.1, "model": 0, "largest": 8.0, "largest_error": 0.1, "smallest": -0.5,
        "smallest_error": 0.1, "trace": 20.0,
    }  # fmt: skip
    return made(kind, **known | changes)


def test_measure(fake):
    also = {"measure": "spread", "level": 0.1, "quantity": "far"}
    fake.measures = SimpleNamespace(
        strings=[measured(), measured(b=2, normalized_length=1.3, shortening="BUDGET")],
        models=[hessian(ModelMeasure), hessian(ModelMeasure, model=1, smallest_error=0.6)],
        parts=[
            hessian(PartMeasure, over="w*", parameters=3),
            hessian(PartMeasure, over="b*", parameters=2, largest=0.05),
        ],
        top=[
            made(TopMeasure, level=0.1, model=0, rank=rank, value=8.0 / rank, error=0.1)
            for rank in (1, 2)
        ],
        also=[
            made(OtherMeasureRecord, **also, set=name, value=value)
            for name, value in (("dss", 0.5), ("dss", 1.5), (None, None))
        ],
        barriers=[lowered(), lowered(b=2, max_loss=0.3, status="BUDGET")],
    )
    done = lscape("measure", "r", "--level", "0.1", "--set", "measure.hessian=false")
    assert done.exit_code == 0, done.output
    assert fake.calls[0] == ("open_run", "r", "runs")
    assert fake.calls[1][2:] == (("measure.hessian=false",), (0.1,))
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "dss 0.1 2 1.2 1.2 – 1 BUDGET, 1 CONVERGED 2 no measure.hessian" in lines
    assert "0.1 2 8 -0.5 (1 of 2 not resolved) 20" in lines
    assert "0.1 w* 3 1 8 -0.5 20" in lines and "0.1 b* 2 1 1 of 1 not resolved -0.5 20" in lines
    assert "0.1 1 1 8" in lines and "0.1 2 1 4" in lines, "the largest eigenvalues by rank"
    assert "spread dss 0.1 far 2 1" in lines and "spread models 0.1 far 1" in lines
    barriers = "barriers of 2 pairs (1 BUDGET, 1 TIGHT): the highest at most 0.31, its ends 0.1 and"
    assert f"{barriers} 0.09" in lines
    assert done.stdout.endswith("runs/r/measures/m\n")
    found = json.loads(lscape("measure", "r", "--json").stdout)
    assert len(found["strings"]) == 2 and found["models"][0]["largest"] == 8.0


def test_report_table(fake):
    fake.report |= {"levels": [level(), LOST], "notes": ["4 models"]}
    done = lscape("report", "r")
    assert done.exit_code == 0, done.output
    lines = [line.strip() for line in done.stdout.splitlines()]
    first = next(line for line in lines if line.startswith("dss"))
    length = "1.312 ± .041 0.012, at most 0.046 (4 of 6 pairs)"
    numbers = f"0.1 6/6 {length} 5.50 ± .34 0.0991 0.004 12,345 3.2"
    assert first.split() == ["dss", *numbers.split()]
    second = lines[lines.index(first) + 1]
    assert second.endswith(" 4 STUCK, 2 NOT_FOUND")
    for said in ("jackknife", "shows nothing: a longer one", "4 models"):
        assert said in done.stdout
    assert "…" not in done.stdout and "\x1b" not in done.stdout


def test_report_names_sets_and_runs_where_needed(fake):
    fake.report["levels"] = [level(), level(set="dss-2", run="runs/q"), level(set="dss-3")]
    done = lscape("report", "r", "q")
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    methods = [line for line in lines if line and line[0].startswith("runs/")]
    assert methods == [["runs/r", "dss"], ["runs/q", "dss"], ["runs/r", "dss-3"]]
    assert ("write_html", Path("runs/r/report-2-runs.html")) in fake.calls
    assert "shows nothing" not in done.stdout


def test_report_formats(fake):
    fake.report["levels"] = [LOST]
    for option in (["--json"], ["--format", "json"]):
        done = lscape("report", "r", *option)
        assert json.loads(done.stdout)["levels"][0]["max_loss"] is None
        assert "report: runs/r/report.html" in done.stderr
    assert lscape("report", "r", "--format", "csv", "-q").output == "level,pairs\n0.1,6\n"


def test_a_page_that_cannot_be_written_leaves_the_answer(fake, monkeypatch):
    def full(*arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "runs/r/report.html")

    monkeypatch.setattr(sys.modules["landscape.report"], "write_html", full)
    done = lscape("report", "r")
    assert done.exit_code == 1
    assert "6/6" in done.stdout and "error: runs/r/report.html: Read-only" in done.stderr


def test_verify(fake):
    held = Verdict(
        kind="strings", name="dss at 0.1, pair 0-1", set="dss", method="dss", level=0.1, a=0, b=1,
        grid=200, max_loss=0.09, limit=0.1, agreed=True, reason="",
    )  # fmt: skip
    assert "no CONNECTED strings" in lscape("verify", "r").stdout
    fake.strings = [held]
    assert lscape("verify", "r").stdout == "1 of 1 CONNECTED strings hold at grid 200\n"
    lost = replace(held, name="dss at 0.1, pair 0-2", max_loss=0.25, agreed=False)
    fake.strings = [held, lost, replace(lost, kind="barriers", name="the barrier of pair 0-2")]
    done = lscape("verify", "r", "--grid", "200")
    assert done.exit_code == 0 and fake.calls[-1][2] == 200
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "dss at 0.1, pair 0-2 0.25 0.1 200" in lines
    assert "the barrier of pair 0-2 0.25 0.1 200" in lines
    assert lines[-2:] == [
        "1 of 2 CONNECTED strings hold at grid 200", "0 of 1 lowered barriers hold at grid 200",
    ]  # fmt: skip
    found = json.loads(lscape("verify", "r", "--json").stdout)
    assert {kind: len(found[kind]) for kind in found if kind != "run"} == {
        "strings": 2, "snapshots": 0, "barriers": 1, "shortened": 0, "failed": 0,
    }  # fmt: skip


def test_plane(fake):
    done = lscape("plane", "r", "--models", "0,1,2", "--level", "0.1", "--grid", "9")
    assert done.exit_code == 0, done.output
    assert fake.calls[-1][2:] == ((0, 1, 2), (), None, 0.1, 9, None, ())
    assert done.stdout.splitlines() == [
        "string 0-1 (dss, CONNECTED) leaves the plane by at most 1.25, 0.5 of its chord, at 0.30 "
        "of its length",
        "filters of a.weight are numbered by axis 0",
        "filters of b.weight are numbered by axes 1, 2",
        "c is one filter",
        "d is held still",
        "runs/r/planes/models-0-1-2-0.1.svg",
    ]
    found = json.loads(lscape("plane", "r", "--pair", "0,1", "--json").stdout)
    assert found["plane"] == "models-0-1-2-0.1" and found["strings"] == [LEAVES]
    assert fake.calls[-1][2:] == ((), (0, 1), None, None, 41, None, ())


def test_the_range_and_filters_of_a_plane(fake):
    asked = ("plane", "r", "--random", "0", "--range")
    lscape(*asked, "-2,2", "--set", "plane.filters={w: 0}")
    assert fake.calls[-1][4:] == (0, None, 41, (-2, 2, -2, 2), ("plane.filters={w: 0}",))
    lscape(*asked, "-2,2,0,1")
    assert fake.calls[-1][-2] == (-2, 2, 0, 1)


def test_the_plane_of_trajectories(fake):
    done = lscape("plane", "r", "q", "r", "--trajectory", "all", "--range", "0,1")
    assert done.exit_code == 0, done.output
    name, runs, *asked = fake.calls[-1]
    assert name == "trajectory" and [str(run.directory) for run in runs] == ["runs/r", "runs/q"]
    assert asked == [(), None, 41, (0, 1, 0, 1)]
    assert done.stdout.splitlines() == [
        "q model 1 (sgd, 5 snapshots) leaves the plane by at most 1.25, 0.5 of its chord, at step "
        "70",
        "the axes explain 62.5 % and 25 % of the snapshots' variance",
        "runs/r/planes/trajectory-all-0.1.svg",
    ]
    lscape("plane", "r", "--trajectory", "0,1", "--level", "0.1")
    assert fake.calls[-1][2:] == ((0, 1), 0.1, 41, None)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "give one of --models"),
        (["--pair", "0,1", "--random", "0"], "give one of --models"),
        (["--models", "0,x"], "expected numbers of models such as 0,1; got '0,x'"),
        (["--random", "0", "--grid", "2"], "--grid"),
        (["--random", "0", "--range", "1"], "expected FROM,TO or FROM,TO,FROM,TO"),
        (["--random", "0", "--range", "0,1,3,2"], "each from less to more; got '0,1,3,2'"),
        (["q", "--random", "0"], "several runs go with --trajectory only"),
        (["--trajectory", "all", "--set", "plane.filters={}"], "--set goes with --random"),
        (["--trajectory", "every"], "expected numbers of models such as 0,1; got 'every'"),
    ],
)
def test_planes_that_are_none(fake, arguments, said):
    done = lscape("plane", "r", *arguments)
    assert done.exit_code == 2 and said in done.stderr and not fake.calls


def test_check(fake):
    done = lscape("check", "c.yaml")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("seed: 0\n")
    for said in (
        "2,410", "12 µs", "7 s", "3.3 min", "2.2 h", "3 MB", "512 bytes", "runs/r", "at most"
    ):  # fmt: skip
        assert said in done.stdout
    found = json.loads(lscape("check", "c.yaml", "--json").stdout)
    assert found["parameters"] == 2410 and found["config"] == {"seed": 0}


def test_check_says_where_networks_stand(fake):
    files = (("a.pt",), ("b-1.pt", "b-2.pt"))
    config: Any = SimpleNamespace(
        train=SimpleNamespace(files=files), levels=SimpleNamespace(metric="loss")
    )
    met = Met(level=1.0, status="REACHED", step=0, value=0.5)
    missed = Met(level=0.1, status="LEVEL_NOT_REACHED", step=None, value=None)
    stands: list[Any] = [(0, "TRAINED", 0.5, [met, missed]), (1, "NON_FINITE", None, [missed])]
    records = [
        ModelRecord(model=model, status=status, steps=0, value=value, levels=levels)
        for model, status, value, levels in stands
    ]
    assert _networks(records, config) == [
        "a.pt: loss 0.5; reaches 1",
        "b-2.pt: loss non-finite; reaches no level",
    ]


def test_check_of_a_sweep_says_what_is_said_of_some(fake):
    fake.sweep = SimpleNamespace()
    fake.swept = [["at most"], ["at most", "model 1 did not reach 0.1"]]
    assert "hidden [8]: model 1 did not reach 0.1" in lscape("check", "c.yaml").stdout


def test_check_of_a_sweep(fake):
    fake.sweep = SimpleNamespace()
    done = lscape("check", "c.yaml")
    assert done.exit_code == 0, done.output
    for said in ("combination", "hidden [8]", "2,410", "6.7 min", "4.4 h", "runs/s", "at most"):
        assert said in done.stdout
    found = json.loads(lscape("check", "c.yaml", "--json").stdout)
    assert found["train_seconds"] == 400 and len(found["combinations"]) == 2


def test_numbers():
    assert [duration(s) for s in (0, 3e-6, 2, 90, 200_000)] == [
        "0 s",
        "3 µs",
        "2 s",
        "1.5 min",
        "2.3 days",
    ]
    assert [size(n) for n in (10, 2.5e9)] == ["10 bytes", "2.5 GB"]
