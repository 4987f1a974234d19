"""`connect.chain`: a pair that a fresh search missed begins anew from a string of another level."""

# pyright: reportOptionalOperand=false
# a number that a record leaves out fails a test without that

import numpy as np
import pytest

from landscape import connect, open_run, train
from landscape.core import trees
from landscape.core.certificate import segment_evaluator
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.methods.dss import DSS
from landscape.search import driver
from landscape.search.descend import Descender
from landscape.search.polyak import polyak
from landscape.search.state import Problem, Search
from landscape.stages.checkpoints import Checkpoints
from landscape.store.files import load_arrays
from landscape.store.records.base import as_dict
from tests.analytic import RING

FEW = {"max_rounds": 2, "insert": "midpoint"}  # enough for a wide level set only
TWO = {"levels": {"values": [0.1, 0.03]}, "train": {"models": 4}}


def rows_of(run, **changes):
    return connect(run, [f"connect.{key}={value}" for key, value in {**FEW, **changes}.items()])


def at(rows, level):
    return {(row.a, row.b): row for row in rows if row.level == level}


def test_what_a_fresh_search_misses_is_found_from_the_level_above(ring, tmp_path):
    run = train(ring(**TWO), runs_dir=tmp_path)
    fresh, chained = rows_of(run, chain="false"), rows_of(run)
    assert all(row.chained_from is None for row in fresh)
    before, after = at(fresh, 0.03), at(chained, 0.03)
    missed = {pair for pair, row in before.items() if row.status != Status.CONNECTED}
    won = {p for p in missed if after[p].status == Status.CONNECTED}
    assert won
    for pair, row in after.items():
        if pair not in missed:
            assert row.chained_from is None
        elif pair in won:
            assert row.chained_from == 0.1 and row.max_loss <= 0.03
            assert row.grad_evals > before[pair].grad_evals  # what was spent in vain as well
            points = run.load_connection(row)[0]
            for place, model in ((0, pair[0]), (-1, pair[1])):
                end = {k: v[place] for k, v in points.items()}
                assert np.array_equal(end["x"], run_end(run, model, 0.03)["x"])
    assert at(chained, 0.1).keys() == at(fresh, 0.1).keys()
    stamps = {f: f.stat().st_mtime_ns for f in run.directory.glob("sets/**/*.safetensors")}
    rows_of(run)
    assert stamps == {f: f.stat().st_mtime_ns for f in run.directory.glob("sets/**/*.safetensors")}


def run_end(run, model, level):
    return load_arrays(run.model_file(model, level))[0]


def test_a_string_of_a_lower_level_serves_the_one_above(ring, tmp_path):
    """Nothing but looks: what stays below the lower level stays below the higher one."""
    run = train(ring(levels={"values": [0.03, 0.02]}), runs_dir=tmp_path)
    settings = ["connect.max_rounds=6", "connect.chain=false"]
    found = at(connect(run, settings, levels=[0.02]), 0.02)
    pair = next(pair for pair, row in found.items() if row.beads > 3)
    points, *_ = run.load_connection(found[pair])
    landscape, band = RING.landscape, LevelSpec(0.03)
    ends = [run_end(run, model, 0.03) for model in pair]
    string = driver.chained("0-1", ends[0], ends[1], points, 0.02)
    assert trees.count(string.points) == found[pair].beads + 2
    peaks = segment_evaluator(landscape._replace(level=lambda p: RING.energy(p["x"])), 50)
    problem = Problem(landscape, peaks, lambda held: None)  # type: ignore[arg-type]
    method = DSS().bind(problem, band)
    (done,) = driver.finish(method, Search([string])).strings
    assert done.ended == Status.CONNECTED and done.grad_evals == 0


def test_beads_above_the_level_come_down_before_any_is_added():
    landscape = RING.landscape
    ends = [{"params": np.array(end, np.float32)} for end in (RING.a, RING.b)]
    beads = {"params": np.array([[0.6, 0.6], [0.0, 0.7], [-0.6, 0.6]], np.float32)}
    string = driver.chained("0-1", ends[0], ends[1], beads, 0.5)
    problem = Problem(
        landscape,
        segment_evaluator(landscape, 50),
        lambda held: Descender(landscape, polyak(), 10, 1000, held, looks_early=True),
    )
    method = DSS().bind(problem, LevelSpec(0.01))
    search = Search([string])
    while search.pending is not None or not string.history:
        method(search)
    assert trees.count(string.points) == 5 and string.rounds == 0
    assert all(RING.energy(bead) <= 0.01 for bead in string.points["params"][1:-1])
    done = driver.judge(driver.finish(method, search).strings[0], segment_evaluator(landscape, 50),
                        LevelSpec(0.01))  # fmt: skip
    assert done.status == Status.CONNECTED


@pytest.mark.parametrize("after", range(0, 12, 3))
def test_a_chain_that_was_cut_goes_on_to_the_same_result(ring, tmp_path, monkeypatch, after):
    whole = train(ring(**TWO), runs_dir=tmp_path / "whole")
    rows = rows_of(whole)
    cut = train(ring(**TWO), runs_dir=tmp_path / "cut")
    calls, keep = iter(range(10**9)), Checkpoints.keep

    def keep_then_stop(self, make, now=False):
        keep(self, make, now)
        if next(calls) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "keep", keep_then_stop)
        with pytest.raises(KeyboardInterrupt):
            rows_of(cut)
    resumed = rows_of(open_run(cut.directory))
    for one, other in zip(rows, resumed, strict=True):
        assert {k: v for k, v in as_dict(one).items() if k != "seconds"} == {
            k: v for k, v in as_dict(other).items() if k != "seconds"
        }
        theirs, ours = (run.load_connection(row)[0] for run, row in ((whole, one), (cut, other)))
        assert all(np.array_equal(theirs[k], ours[k]) for k in theirs)
