"""Methods side by side: the same pairs and levels, one budget, one judge; kept, resumed, shown."""

from contextlib import suppress

import numpy as np
import pytest

from landscape.config.load import ConfigError
from landscape.core import devices
from landscape.report import report, write_html
from landscape.report.data.comparisons import COLUMNS, row_of
from landscape.report.figures.comparison import write_figures
from landscape.stages import connect as connect_stage
from landscape.stages.compare import compare
from landscape.stages.connect import connect
from landscape.stages.train import train
from landscape.store.comparisons import compared_rows, comparisons_of
from landscape.store.run import open_run
from tests.stages.test_main_job import interrupting, same

BUDGET = 3000
METHODS = ["straight", "dss", {"method": "bezier", "points": 6}]
LEVELS = {"levels": {"values": [0.5, 0.05]}, "train": {"models": 3, "max_steps": 3000}}
KEYS = {"cost", "lowest", "barrier", "length", "gradients", "losses", "seconds"}


@pytest.fixture
def trained(ring, staged):
    return staged(ring(**LEVELS))


def test_all_methods_search_the_same_pairs_within_the_budget(trained):
    found = compare(trained, METHODS, BUDGET)
    assert [one["method"] for one in found] == ["straight", "dss", "bezier"] * 2
    assert [one["search"] for one in found[:3]] == ["straight", "dss", "bezier, points 6"]
    assert [one["level"] for one in found] == [0.5] * 3 + [0.05] * 3
    (record,) = comparisons_of(trained)
    rows = compared_rows(trained, record)
    assert len(rows) == 3 * 2 * 3  # methods, levels, pairs
    for row, anytime, _ in rows:
        assert 3 * row.grad_evals + row.loss_evals <= 3 * BUDGET + 1000  # the last certificate
        assert (np.diff(anytime[:, 1]) <= 0).all() and (np.diff(anytime[:, 0]) >= 0).all()
        assert (row.status == "CONNECTED") == (anytime[-1, 1] <= row.limit)
    for one in found:
        assert one["pairs"] == 3 and one["share"]["n"] == 3
        assert one.keys() >= KEYS and one["lowest"]["n"] == 3
        assert one["length"]["n"] == one["connected"]
        costs = [at["cost"] for at in one["anytime"]]
        assert costs == sorted(costs) and costs[-1] == pytest.approx(BUDGET)


def test_differences_are_of_the_same_pair(trained):
    found = compare(trained, ["dss", "straight"], BUDGET, levels=[0.05])
    first, other = found
    assert all(first[key]["difference"] is None for key in KEYS)
    (record,) = comparisons_of(trained)
    rows = compared_rows(trained, record)
    apart = [b.row.loss_evals - a.row.loss_evals for a, b in zip(rows[:3], rows[3:], strict=True)]
    assert [(a.row.a, a.row.b) for a in rows[:3]] == [(b.row.a, b.row.b) for b in rows[3:]]
    tight = [a.row.tightening_loss_evals or 0 for a in rows[:3]]
    expected = np.mean(np.array(apart) - tight)
    assert other["losses"]["difference"]["mean"] == pytest.approx(expected)
    assert other["cost"]["mean"] >= first["cost"]["mean"]


def test_a_search_that_found_nothing_costs_the_whole_budget(trained):
    (one,) = compare(trained, ["straight"], 700, ["connect.pairs=0-1"], levels=[0.05])
    (record,) = comparisons_of(trained)
    ((row, *_),) = compared_rows(trained, record)
    expected = 700 if row.status == "NOT_FOUND" else one["cost"]["mean"]
    assert one["cost"]["mean"] == expected and one["pairs"] == 1


def test_the_second_time_nothing_is_searched(trained, monkeypatch):
    before = compare(trained, METHODS, BUDGET)
    monkeypatch.setattr(connect_stage, "connect_context", lambda *_: pytest.fail("searched"))
    assert compare(trained, METHODS, BUDGET) == before
    assert len(comparisons_of(trained)) == 1


@pytest.mark.parametrize("after", [3, 12])
def test_an_interrupted_comparison_resumes_to_the_same(ring, tmp_path, monkeypatch, after):
    methods = ["dss", "bezier", "neb", "autoneb", "growing-string"]
    asked = {"budget": 600, "levels": [0.05], "overrides": ["connect.pairs=0-1,0-2"]}
    whole, cut = (train(ring(**LEVELS), runs_dir=tmp_path / name) for name in ("whole", "cut"))
    compare(whole, methods, **asked)
    monkeypatch.setattr(devices.Pace, "timed", lambda self, call: call(10))
    for _ in methods:
        with monkeypatch.context() as patch:
            interrupting(patch, after)
            with suppress(KeyboardInterrupt):
                compare(cut, methods, **asked)
    compare(cut, methods, **asked)
    same(cut, whole)
    pairs = [compared_rows(run, comparisons_of(run)[0]) for run in (whole, cut)]
    for one, other in zip(*pairs, strict=True):
        assert np.array_equal(one.anytime, other.anytime)


def test_searches_are_called_by_what_was_given(trained):
    methods = ["straight", ["straight", "dss"]]
    second = {"method": "sequence", "methods": [{"method": "dss", "max_rounds": 3}, "bezier"]}
    found = compare(trained, [*methods, second], 300, ["connect.pairs=0-1"], levels=[0.5])
    expected = ["straight", "straight then dss", "dss, max_rounds 3 then bezier"]
    assert [one["search"] for one in found] == expected


def test_a_name_has_the_runs_own_settings_where_the_run_searches_by_it(ring):
    run = train(ring(connect={"insert": "midpoint", "max_beads": 33}, **LEVELS))
    compare(run, ["bezier", "dss"], 500, levels=[0.5])
    bezier, dss = comparisons_of(run)[0].sets
    assert "max_beads: 257" in run.settings_file(bezier).read_text()
    own = run.settings_file(dss).read_text()
    assert "max_beads: 33" in own and "insert: midpoint" in own


def test_pairs_that_one_method_alone_has_searched_are_left_out(trained):
    compare(trained, ["dss", "straight"], 500, levels=[0.5])
    (record,) = comparisons_of(trained)
    row = next(r for r in trained.rows() if r.set == record.sets[1])
    trained.connection_file(row.set, row.level, row.a, row.b).unlink()
    assert {(r.row.a, r.row.b) for r in compared_rows(trained, record)} == {
        (r.a, r.b) for r in trained.rows() if r.set == record.sets[1]
    }


def test_the_report_shows_it(trained):
    connect(trained)
    found = compare(trained, METHODS, BUDGET)
    run = open_run(trained.directory)
    shown = report([run])
    assert [one["set"] for one in shown["comparisons"]] == [one["set"] for one in found]
    rows = [row_of(one) for one in shown["comparisons"]]
    assert {len(row) for row in rows} == {len(COLUMNS)}
    write_html([run], shown, run.report_file)
    page = run.report_file.read_text()
    assert "Methods compared" in page and f"{BUDGET:,} gradients a pair" in page
    names = {path.name for path in (run.directory / "figures").iterdir()}
    assert {f"compared-{found[0]['comparison']}-0.5.{form}" for form in ("svg", "csv")} <= names
    assert all(path.exists() for path in write_figures(run, shown["comparisons"]))


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ([], "methods"),
        (["bezir"], "unknown method 'bezir'"),
        ([{"points": 5}], r"methods\[0\]\.method: expected text, got null"),
        ([{"method": "dss", "tolerance": 2}, "straight"], r"methods\[0\]\.tolerance: unknown key"),
        ([{"method": "dss", "budget": 7}], r"methods\[0\]\.budget: unknown key"),
        (["dss", "dss"], "this search is there already"),
        (["dss", {"method": "bezier", "points": 2}], r"points"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_kept(trained, methods, said):
    with pytest.raises(ConfigError, match=said):
        compare(trained, methods, BUDGET)
    assert not trained.sets() and not comparisons_of(trained)


def test_a_tree_cannot_be_compared(trained):
    with pytest.raises(ConfigError, match="pairs: tree"):
        compare(trained, ["dss", "straight"], BUDGET, ["connect.pairs=tree"])
