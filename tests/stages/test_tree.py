"""`pairs: tree` and the models' own paths, on landscapes with known answers."""

# pyright: reportOptionalOperand=false, reportArgumentType=false, reportOperatorIssue=false
# a number that a record leaves out fails a test without that

import numpy as np
import pytest

from landscape.core import devices
from landscape.report import report
from landscape.stages.check import check
from landscape.stages.connect import connect, tree_of
from landscape.stages.measure.barriers import (
    measure_snapshots,
)
from landscape.stages.train import train
from landscape.stages.verify import verify
from landscape.store.files import load_arrays
from tests.stages.test_main_job import interrupting, same
from tests.stages.wells import described, measured, move

# -- which pairs are searched ----------------------------------------------------------------------


def test_a_tree_joins_what_all_pairs_join(ring, tmp_path):
    whole = train(ring(train={"models": 5}), runs_dir=tmp_path / "whole")
    connect(whole)
    grown = train(ring(train={"models": 5}), runs_dir=tmp_path / "grown")
    rows = connect(grown, ["connect.pairs=tree"])
    assert grown.sets() == whole.sets()
    assert [(row.level, row.status) for row in rows] == [(0.01, "CONNECTED")] * 4
    of_all = [level["components"] for level in described(whole)["levels"]]
    assert [level["components"] for level in described(grown)["levels"]] == of_all
    for record in tree_of(grown, ["connect.pairs=tree"]):
        assert record.pairs == 10 and record.components == [[0, 1, 2, 3, 4]]
        assert record.searched == (4 if record.level == 0.01 else 0)
        assert {join.level for join in record.joins} == {0.01}
        ends = {(join.a, join.b) for join in record.joins}
        assert ends == {(row.a, row.b) for row in rows}
    assert verify(grown) and not tree_of(grown)
    twins = {(row.a, row.b): row for row in whole.rows() if row.level == 0.01}
    assert [row.grad_evals for row in rows] == [twins[row.a, row.b].grad_evals for row in rows]


def test_a_tree_again_does_nothing_and_all_pairs_go_beside_it(ring, caplog):
    run = train(ring())
    connect(run, ["connect.pairs=tree"], levels=[0.01])
    caplog.set_level("INFO", logger="lscape")
    connect(run, ["connect.pairs=tree"], levels=[0.01])
    assert caplog.text.count("nothing to do") == 1
    connect(run, ["connect.pairs=tree"])
    assert caplog.text.count("nothing to do") == 1
    assert len(connect(run, ["connect.pairs=all"])) == 18
    assert len(run.sets()) == 1
    # what the record says is no longer what the rows say
    (searched,) = [r.searched for r in run.tree(run.sets()[0]) if r.level == 0.1]
    connect(run, ["connect.pairs=tree"])
    (now,) = [r.searched for r in run.tree(run.sets()[0]) if r.level == 0.1]
    assert (searched, now) == (0, 6)


def test_levels_to_which_a_tree_is_carried_are_not_called_untried(ring):
    run = train(ring(train={"models": 3}))
    rows = connect(run, ["connect.pairs=tree"])
    assert {row.level for row in rows} == {0.01}
    found = report([run])
    assert [level["level"] for level in found["topology"][0]["levels"]] == [1.0, 0.1, 0.01]
    notes = "\n".join([*found["notes"], *found["topology"][0]["notes"]])
    assert "nothing is said" not in notes and "one level only" not in notes


@pytest.mark.parametrize("after", [0, 3])
def test_an_interrupted_tree_grows_on_as_it_would_have(ring, tmp_path, monkeypatch, after):
    settings = {"connect": {"pairs": "tree"}}
    whole = train(ring(**settings), runs_dir=tmp_path / "whole")
    connect(whole)
    monkeypatch.setattr(devices.Pace, "timed", lambda self, call: call(37))
    run = train(ring(**settings), runs_dir=tmp_path / "cut")
    with monkeypatch.context() as patch:
        interrupting(patch, after)
        with pytest.raises(KeyboardInterrupt):
            connect(run)
    connect(run)
    same(run, whole)
    assert run.tree(run.sets()[0]) == whole.tree(whole.sets()[0])


def test_a_tree_gives_up_after_its_tries(wells):
    points = [(1.0, 0.1), (1.0, -0.1), (-1.0, 0.1), (-1.0, -0.1)]
    run = wells("double", points, [0.5, 0.1], pairs="tree", tries=1)
    rows = connect(run)
    assert [level["components"] for level in described(run)["levels"]] == [[[0, 1], [2, 3]]] * 2
    across = [row for row in rows if (row.a < 2) != (row.b < 2)]
    # one for a single model, two for two; the same points are tried again at the other level
    assert [row.level for row in across] == [0.5, 0.5, 0.1, 0.1]
    assert all(row.status != "CONNECTED" for row in across)
    assert all(row.level == 0.1 for row in rows if row.status == "CONNECTED")


def test_only_models_that_met_a_level_are_in_its_tree(wells):
    run = wells("double", [(1.0, 0.1), (1.0, 0.5), (1.0, -0.1)], [0.5, 0.1], pairs="tree")
    connect(run)
    high, low = run.tree(run.sets()[0])
    assert high.components == [[0, 1, 2]] and high.models == 3 and high.searched == 1
    assert low.components == [[0, 2]] and low.pairs == 1
    assert all(row.status == "CONNECTED" for row in run.rows())


def test_a_tree_is_checked_as_its_connections(ring):
    assert check(ring(connect={"pairs": "tree"}))["pairs"] == 3


# -- the models' own paths -------------------------------------------------------------------------


def test_a_jump_in_training_is_not_carried(wells):
    """Model 1 met the higher level in the other well: what is proved below says nothing there."""
    run = wells("double", [(1.0, 0.1), (1.0, -0.1)], [0.5, 0.1])
    move(run, 1, 0.5, (-1.0, 0.1))
    connect(run, ["connect.pairs=tree"])
    first, second = run.snapshots()
    assert first.status == "CONNECTED" and first.max_loss <= 0.5
    assert second.status != "CONNECTED" and second.max_loss >= 1
    assert [level["components"] for level in described(run)["levels"]] == [[[0], [1]], [[0, 1]]]
    assert [(r.level, r.status == "CONNECTED") for r in run.rows()] == [
        (0.5, False), (0.1, True),
    ]  # fmt: skip


def test_a_bent_path_is_found_where_the_straight_one_is_high(wells):
    run = wells("parabola", [(-0.2, 0.02), (0.2, 0.02)], [0.2, 0.001])
    move(run, 0, 0.2, (-3.0, 4.5))
    before = measured(run, measure_snapshots)
    bent, straight = before
    assert bent.status == straight.status == "CONNECTED"
    assert bent.beads > 2 and bent.grad_evals > 0 and straight.beads == 2
    points, profile, record = run.load_path(run.snapshot_file(0, 0.2))
    assert record == bent and profile[:, 1].max() <= bent.max_loss <= 0.2
    for end, level in ((0, 0.2), (-1, 0.001)):
        ends, _ = load_arrays(run.model_file(0, level))
        assert np.array_equal(points["x"][end], ends["x"])
    files = {f: f.stat().st_mtime_ns for f in run.directory.glob("snapshots/*/*")}
    assert measured(run, measure_snapshots) == before
    assert files == {f: f.stat().st_mtime_ns for f in run.directory.glob("snapshots/*/*")}
