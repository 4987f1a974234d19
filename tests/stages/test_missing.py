"""Files that have gone: the report says which, and the command that it names makes them again."""

import shlex

import pytest
from click.testing import CliRunner
from lscape_cli.main import main

from landscape.report import report
from landscape.stages.connect import connect
from landscape.stages.measure.run import measure
from landscape.store.files import load_arrays


@pytest.fixture
def measured(ring, staged):
    return staged(
        ring(train={"models": 2}, levels={"values": [1.0, 0.1]}), connect, searched_again, in_short
    )


def searched_again(run):
    connect(run, ["connect.insert=midpoint", "connect.max_rounds=9"], [0.1])


def in_short(run):
    measure(run, ["measure.points=1", "measure.max_sweeps=20", "measure.barriers=false"])


def made_again(run, files):
    """The missing files' records, after the commands that the report names."""
    tables = {path: path.read_text() for path in run.directory.rglob("*.csv")}
    before = {file: load_arrays(file)[0] for file in files}
    for file in files:
        file.unlink()
    found = report([run])
    assert all(record["command"] in " ".join(found["notes"]) for record in found["missing"])
    for record in found["missing"]:
        program, *arguments = shlex.split(record["command"])
        assert program == "lscape"
        done = CliRunner().invoke(main, [*arguments, "--quiet", "--trust"])
        assert done.exit_code == 0, done.output
    for file, arrays in before.items():
        again = load_arrays(file)[0]
        assert all((again[name] == arrays[name]).all() for name in arrays), file
    assert not report([run])["missing"]
    for path, text in tables.items():
        assert len(path.read_text().splitlines()) == len(text.splitlines())
    return found["missing"]


def test_pairs_of_each_set_are_made_again(measured):
    rows = [row for row in measured.rows() if row.level == 0.1]
    assert len(rows) == 2
    files = [measured.connection_file(r.set, r.level, r.a, r.b) for r in rows]
    lost = made_again(measured, files)
    assert {record["of"] for record in lost if record["what"] == "pairs"} == {*measured.sets()}


def test_measures_are_made_again(measured):
    name = measured.latest_measures()
    (row,) = (row for row in measured.string_measures() if row.level == 1.0)
    files = [measured.string_measure_file(name, row), measured.model_measure_file(name, 0.1, 1)]
    lost = made_again(measured, files)
    assert [(one["what"], one["of"], len(one["lost"])) for one in lost] == [
        ("measured strings", name, 1),
        ("measured models", name, 1),
    ]


def test_what_is_lost_stays_listed_whatever_else_is_done(measured):
    (row,) = (row for row in measured.rows() if row.level == 1.0)
    measured.connection_file(row.set, row.level, row.a, row.b).unlink()
    connect(measured, ["connect.method=straight"])
    measure(measured, ["measure.hessian=false", "measure.barriers=false"], [0.1])
    (record,) = report([measured])["missing"]
    assert (record["of"], record["level"], record["lost"]) == (row.set, 1.0, ["0-1"])
