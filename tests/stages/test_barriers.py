"""Lowered barriers, on landscapes whose passes are known."""

# pyright: reportOptionalOperand=false, reportArgumentType=false, reportOperatorIssue=false
# a number that a record leaves out fails a test without that

import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.cluster.hierarchy import single
from scipy.ndimage import label
from scipy.spatial.distance import squareform

from landscape.analysis.topology import upper_bound
from landscape.core import devices
from landscape.search.elastic_band import Elastic
from landscape.stages.connect import connect
from landscape.stages.measure import barriers as stages
from landscape.stages.measure.barriers import (
    BEADS,
    COPIES,
    GROWN,
    PATHS,
    SHARE_OF_BANDS,
    TIGHT,
    TOLERANCE,
)
from landscape.stages.train import train
from landscape.store.files import load_arrays
from tests.stages.wells import CENTRES, described, measured


def test_the_barrier_of_the_double_well_is_exactly_one(wells):
    points = [(1.0, 0.3), (1.0, 0.2), (-1.0, 0.31), (-1.0, 0.25)]
    run = wells("double", points, [0.5, 0.1])
    connect(run, ["connect.method=straight", "connect.pairs=tree"])
    before = described(run)["merges"][-1]["height"]
    assert before > 1.005
    records = measured(run)
    assert [record.status for record in records].count("TIGHT") == 2
    (lowered,) = [record for record in records if record.grad_evals]
    assert lowered.status == "CONVERGED" and lowered.start == pytest.approx(before)
    assert 1 <= upper_bound(lowered) < 1 + 1e-4
    assert lowered.gradient < 0.05
    assert 0 < lowered.grad_evals <= 11_700
    assert described(run)["merges"][-1]["height"] < 1 + 1e-4
    points, *_ = run.load_path(run.barrier_file(lowered.a, lowered.b))
    for end, model in ((0, lowered.a), (-1, lowered.b)):
        ends, _ = load_arrays(run.model_file(model, getattr(lowered, f"level_{'ab'[end]}")))
        assert np.array_equal(points["x"][end], ends["x"])
    t = np.linspace(0, len(points["x"]) - 1, 20_001)
    x, y = (np.interp(t, np.arange(len(points["x"])), axis) for axis in points["x"].T)
    assert np.max((x**2 - 1) ** 2 + y**2) <= lowered.max_loss + 1e-6
    again = {f: f.stat().st_mtime_ns for f in run.directory.glob("barriers/*/*")}
    assert measured(run) == records
    assert again == {f: f.stat().st_mtime_ns for f in run.directory.glob("barriers/*/*")}


def five_energy(points):
    squares = np.sum((points[..., None, :] - CENTRES) ** 2, axis=-1)
    wells = np.sum(np.array([1.0, 0.9, 0.8, 0.7, 0.6]) * np.exp(-squares / 0.72), axis=-1)
    return 1.0 - wells + 1e-3 * np.sum(points**2, axis=-1)


def flooded(half=3.2, n=501):
    """Between the wells, the lowest level at which a grid's points below it join them [5, 5]; the
    grid's own error is of the order of its spacing squared, 2e-4."""
    axis = np.linspace(-half, half, n)
    values = five_energy(np.stack(np.meshgrid(axis, axis, indexing="ij"), -1))
    at = [tuple(int(np.abs(axis - c).argmin()) for c in centre) for centre in CENTRES]
    heights = np.zeros((5, 5))
    for a, b in itertools.combinations(range(5), 2):
        low, high = max(values[at[a]], values[at[b]]), 2.0
        while high - low > 1e-5:
            middle = (low + high) / 2
            labelled: Any = label(values <= middle, np.ones((3, 3)))
            parts = labelled[0]
            joined = parts[at[a]] == parts[at[b]] > 0
            low, high = (low, middle) if joined else (middle, high)
        heights[a, b] = heights[b, a] = high
    return heights


def test_the_tree_of_five_wells_is_right(wells):
    run = wells("five", CENTRES, [0.95], method="straight")
    connect(run)
    records = measured(run)
    known = single(squareform(flooded()))
    tree = described(run)["merges"]
    assert [merge["height"] for merge in tree] == pytest.approx(known[:, 2], abs=1e-3)
    groups = {number: {number} for number in range(5)}
    for number, (a, b, *_) in enumerate(known):
        groups[5 + number] = groups[int(a)] | groups[int(b)]
        assert {*tree[number]["older"], *tree[number]["younger"]} == groups[5 + number]
    for record in records:
        assert record.start >= upper_bound(record)
        assert record.max_loss >= max(record.loss_a, record.loss_b)
    # every well but the deepest dies where it meets a deeper one
    energy = {leaf["model"]: leaf["energy"] for leaf in described(run)["leaves"]}
    deaths = described(run)["persistence"]
    assert [r["model"] for r in deaths if r["death"] is None] == [
        min(energy, key=energy.__getitem__)
    ]
    assert sorted(r["death"] for r in deaths if r["death"]) == [m["height"] for m in tree]


@pytest.mark.parametrize("stiff", [1e3, 1e5])
def test_a_converged_barrier_is_no_higher_than_its_tolerance_says(wells, stiff):
    """In a stiff valley the straight segments between beads are higher than the beads."""
    run = wells("valley", [(-1.0, 1.0), (1.0, 1.0)], [0.5], {"stiff": stiff})
    connect(run, ["connect.method=straight"])
    (record,) = measured(run)
    assert record.start >= stiff and 1 <= upper_bound(record) <= 1.05
    assert (record.status == "CONVERGED") == (upper_bound(record) <= 1 + TOLERANCE)
    assert record.status == "CONVERGED" or "above its highest bead" in record.reason


def test_a_band_that_a_symmetry_holds_on_its_line_begins_anew_off_it(wells):
    run = wells("two_ways", [(-1.0, 0.0), (1.0, 0.0)], [0.5])
    connect(run, ["connect.method=straight"])
    (record,) = measured(run)
    assert record.start == pytest.approx(2, abs=1e-3) and record.restarts == 1
    assert record.status == "CONVERGED"
    assert upper_bound(record) == pytest.approx(1.049375, abs=1e-4)
    file = run.barrier_file(0, 1)
    points, *_ = run.load_path(file)
    file.unlink()
    (again,) = measured(run)
    assert replace(again, seconds=0) == replace(record, seconds=0)
    assert np.array_equal(run.load_path(file)[0]["x"], points["x"])


def test_the_pass_of_the_double_well_from_the_line_that_goes_through_it(wells):
    run = wells("double", [(-1.0, 0.0), (1.0, 0.0)], [0.5])
    connect(run, ["connect.method=straight"])
    (record,) = measured(run)
    assert upper_bound(record) == pytest.approx(1, abs=1e-4)
    assert record.status == "CONVERGED" and record.restarts > 0
    assert record.gradient < 1e-2


def test_a_path_that_is_nowhere_finite_is_lowered_from_off_its_line(wells):
    run = wells("atoms", [(-1.0, 0.0, 1.0, 0.0), (1.0, 0.0, -1.0, 0.0)], [0.5])
    (row,) = connect(run, ["connect.method=straight"])
    assert row.status == "NON_FINITE" and row.max_loss is None
    (record,) = measured(run)
    assert record.start is None and record.restarts > 0
    assert 0.025 <= upper_bound(record) <= 0.03
    assert described(run)["merges"][0]["height"] == upper_bound(record)
    assert measured(run) == [record]


def test_a_barrier_near_the_ends_is_left_and_one_that_cannot_be_lowered_is_kept(ring, wells):
    run = train(ring(levels={"values": [0.01]}))
    assert measured(run) == []  # nothing is known to be joined
    connect(run, ["connect.pairs=tree"])
    for record in measured(run):
        ends = max(record.loss_a, record.loss_b)
        bound = upper_bound(record)
        assert bound <= 0.01
        assert record.status != "TIGHT" or bound - ends <= TIGHT * bound


def test_bands_have_the_beads_that_the_memory_holds(wells, monkeypatch):
    run = wells("double", [(1.0, 0.3), (-1.0, 0.31)], [0.5])
    connect(run, ["connect.method=straight"])
    beads, start = [], Elastic.start

    def noted(elastic, points, keys, rates):
        beads.append(points["x"].shape[:2])
        return start(elastic, points, keys, rates)

    monkeypatch.setattr(Elastic, "start", noted)
    a_bead = COPIES * 2 * 4  # two parameters of four bytes
    for held, used in ((40, 17), (17, 9), (4, None)):
        monkeypatch.setattr(devices, "memory", lambda: SHARE_OF_BANDS * held * a_bead)  # noqa: B023
        (record,) = measured(run)
        if used:
            assert max(beads) == (1, used) and record.band == used
            assert record.max_loss == pytest.approx(1, abs=0.01)
        else:
            assert record.status == "KEPT" and "compute.memory" in record.reason
            assert record.band is None
        run.barrier_file(0, 1).unlink()
        beads.clear()


@pytest.mark.parametrize("beads, together", [(2, [2, 2]), (400, [1, 1, 1, 1])])
def test_long_paths_leave_room_for_fewer_pairs(monkeypatch, beads, together):
    short = COPIES * BEADS[-1] + PATHS * (GROWN + 2)
    monkeypatch.setattr(devices, "memory", lambda: SHARE_OF_BANDS * 2 * short * 2 * 4)
    string = SimpleNamespace(points={"x": np.zeros((beads, 2), np.float32)})
    barrier = SimpleNamespace(best=SimpleNamespace(string=string))
    monkeypatch.setattr(stages, "_started", lambda context, a, b: barrier)
    context: Any = SimpleNamespace(landscape=SimpleNamespace(shapes={"x": np.zeros(2, np.float32)}))
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2)]
    assert [len(batch) for batch in stages._batches(context, pairs)] == together


def test_interrupted_barriers_resume_to_the_same(wells, monkeypatch):
    points = [(1.0, 0.3), (-1.0, 0.31)]
    run = wells("double", points, [0.5])
    connect(run, ["connect.method=straight"])

    def stop(stage, done, total, **facts):
        if stage == "lowering barriers" and done > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(run, progress=stop)
    assert run.meta().status == "interrupted" and run.barriers() == []
    after = measured(run)
    file = run.barrier_file(0, 1)
    points, _, _ = run.load_path(file)
    file.unlink()
    assert [replace(r, seconds=0) for r in measured(run)] == [replace(r, seconds=0) for r in after]
    assert np.array_equal(run.load_path(file)[0]["x"], points["x"])
