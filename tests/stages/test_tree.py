"""`pairs: tree`, the models' own paths and lowered barriers, on landscapes with known answers."""

# pyright: reportOptionalOperand=false, reportArgumentType=false, reportOperatorIssue=false
# a number that a record leaves out fails a test without that

import itertools
import textwrap
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.cluster.hierarchy import single
from scipy.ndimage import label
from scipy.spatial.distance import squareform

from landscape.analysis import topology
from landscape.config.load import config_from
from landscape.config.naming import set_name
from landscape.core import devices
from landscape.report import report
from landscape.search.elastic_band import Elastic
from landscape.stages.build import config_of, silent
from landscape.stages.check import check
from landscape.stages.connect import connect, tree_of
from landscape.stages.context import connect_context
from landscape.stages.measure import barriers as stages
from landscape.stages.measure.barriers import (
    BEADS,
    COPIES,
    GROWN,
    PATHS,
    SHARE_OF_BANDS,
    TIGHT,
    TOLERANCE,
    measure_barriers,
    measure_snapshots,
)
from landscape.stages.train import train
from landscape.stages.verify import verify
from landscape.store.files import load_arrays, save_arrays
from tests.stages.test_main_job import interrupting, same

WELLS = '''
import jax
import jax.numpy as jnp

from landscape import Task, energy_task

CENTRES = jnp.array([[0.0, 0.0], [2.0, 0.3], [-1.0, 2.0], [-1.5, -1.8], [1.2, -2.2]])
DEPTHS = jnp.array([1.0, 0.9, 0.8, 0.7, 0.6])


def _task(energy) -> Task:
    return energy_task(energy, lambda key: {"x": jax.random.normal(key, (2,))})


def double() -> Task:
    return _task(lambda p: (p["x"][0] ** 2 - 1) ** 2 + p["x"][1] ** 2)


def five() -> Task:
    def energy(p):
        squares = jnp.sum((p["x"][None] - CENTRES) ** 2, axis=1)
        wells = jnp.sum(DEPTHS * jnp.exp(-squares / (2 * 0.36)))
        return 1.0 - wells + 1e-3 * jnp.sum(p["x"] ** 2)

    return _task(energy)


def valley(stiff: float) -> Task:
    """Along y = x² a double well: the pass is at 0, of height 1, however stiff the valley is."""
    return _task(
        lambda p: (p["x"][0] ** 2 - 1) ** 2 + stiff * (p["x"][1] - p["x"][0] ** 2) ** 2
    )


def two_ways() -> Task:
    """Two passes, above and below, where y² = 0.975, of height 1.049375; 2 exactly between."""

    def energy(p):
        x, y = p["x"]
        bump = jnp.exp(-4 * x**2) * (y**2 - 1) ** 2
        return (x**2 - 1) ** 2 + bump + 0.05 * y**2

    return _task(energy)


def atoms() -> Task:
    """Two that repel each other, 2 apart at rest: to change places they go around each other, at
    the height of the ends, 0.025; on the straight line they meet, where the energy is infinite."""

    def energy(p):
        apart = jnp.sum((p["x"][:2] - p["x"][2:]) ** 2)
        return (jnp.sum(p["x"] ** 2) - 2) ** 2 + 0.1 / apart

    return energy_task(energy, lambda key: {"x": jax.random.normal(key, (4,))})


def parabola() -> Task:
    """A valley along y = x²/2, so that the straight way between two of its points is high."""
    return _task(lambda p: 0.01 * p["x"][0] ** 2 + (p["x"][1] - p["x"][0] ** 2 / 2) ** 2)
'''
CENTRES = np.array([[0.0, 0.0], [2.0, 0.3], [-1.0, 2.0], [-1.5, -1.8], [1.2, -2.2]])


@pytest.fixture
def wells(workplace):
    """A run of models that stand at given points, each at every level that it is below."""
    (workplace / "wells_task.py").write_text(textwrap.dedent(WELLS))

    def make(task, points, levels, arguments=None, **settings):
        files = []
        for number, point in enumerate(points):
            save_file({"x": np.array(point, np.float32)}, f"{number}.safetensors")
            files.append(f"{number}.safetensors")
        given = {
            "task": {"factory": f"wells_task:{task}", **(arguments or {})},
            "train": {"endpoints": files, "learning_rate": 1e-2},
            "levels": {"values": levels},
            "connect": {"max_steps_per_bead": 500, "max_rounds": 5, **settings},
        }
        return train(config_from(given, name=task))

    return make


def measured(run, measure=measure_barriers, **settings):
    config = config_of(run)
    with run.stage("measure"):
        return measure(connect_context(run, config, set_name(config.connect), silent), **settings)


def described(run):
    return topology.describe(run.models(), run.rows(), run.snapshots(), run.barriers())


def move(run, model, level, point):
    """Let a model have met a level somewhere else."""
    file = run.model_file(model, level)
    _, record = load_arrays(file)
    record.pop("arrays_sha256")
    save_arrays(file, {"x": np.array(point, np.float32)}, record)


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


# -- barriers --------------------------------------------------------------------------------------


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
    assert 1 <= lowered.max_loss + lowered.last_change < 1 + 1e-4
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
        assert record.start >= record.max_loss + record.last_change
        assert record.max_loss >= max(record.loss_a, record.loss_b)
    # every well but the deepest dies where it meets a deeper one
    energy = {leaf["model"]: leaf["energy"] for leaf in described(run)["leaves"]}
    deaths = described(run)["persistence"]
    assert [r["model"] for r in deaths if r["death"] is None] == [
        min(energy, key=energy.__getitem__)
    ]
    assert sorted(r["death"] for r in deaths if r["death"]) == [m["height"] for m in tree]


def bound(record):
    return record.max_loss + record.last_change


@pytest.mark.parametrize("stiff", [1e3, 1e5])
def test_a_converged_barrier_is_no_higher_than_its_tolerance_says(wells, stiff):
    """In a stiff valley the straight segments between beads are higher than the beads."""
    run = wells("valley", [(-1.0, 1.0), (1.0, 1.0)], [0.5], {"stiff": stiff})
    connect(run, ["connect.method=straight"])
    (record,) = measured(run)
    assert record.start >= stiff and 1 <= bound(record) <= 1.05
    assert (record.status == "CONVERGED") == (bound(record) <= 1 + TOLERANCE)
    assert record.status == "CONVERGED" or "above its highest bead" in record.reason


def test_a_band_that_a_symmetry_holds_on_its_line_begins_anew_off_it(wells):
    run = wells("two_ways", [(-1.0, 0.0), (1.0, 0.0)], [0.5])
    connect(run, ["connect.method=straight"])
    (record,) = measured(run)
    assert record.start == pytest.approx(2, abs=1e-3) and record.restarts == 1
    assert record.status == "CONVERGED"
    assert bound(record) == pytest.approx(1.049375, abs=1e-4)
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
    assert bound(record) == pytest.approx(1, abs=1e-4)
    assert record.status == "CONVERGED" and record.restarts > 0
    assert record.gradient < 1e-2


def test_a_path_that_is_nowhere_finite_is_lowered_from_off_its_line(wells):
    run = wells("atoms", [(-1.0, 0.0, 1.0, 0.0), (1.0, 0.0, -1.0, 0.0)], [0.5])
    (row,) = connect(run, ["connect.method=straight"])
    assert row.status == "NON_FINITE" and row.max_loss is None
    (record,) = measured(run)
    assert record.start is None and record.restarts > 0
    assert 0.025 <= bound(record) <= 0.03
    assert described(run)["merges"][0]["height"] == bound(record)
    assert measured(run) == [record]


def test_a_barrier_near_the_ends_is_left_and_one_that_cannot_be_lowered_is_kept(ring, wells):
    run = train(ring(levels={"values": [0.01]}))
    assert measured(run) == []  # nothing is known to be joined
    connect(run, ["connect.pairs=tree"])
    for record in measured(run):
        ends = max(record.loss_a, record.loss_b)
        bound = record.max_loss + record.last_change
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
