"""Verify what is not a connection: models' own paths, barriers, shortened strings, failed ones.

Each file is put at odds with its path, with the checksums right: only the landscape can tell.
"""

from dataclasses import replace

import numpy as np
import pytest

from landscape.analysis import topology
from landscape.report import report
from landscape.stages.connect import connect
from landscape.stages.measure.run import measure
from landscape.stages.train import train
from landscape.stages.tree import refresh_trees
from landscape.stages.verify import verify
from landscape.store.files import RunError, load_arrays, read_record, save_arrays


@pytest.fixture
def run(ring, staged):
    config = ring(
        train={"models": 3},
        levels={"values": [0.1, 0.01]},
        measure={"hessian": False, "tolerance": 0.05},
    )
    return staged(config, connect, measure)


def described(run):
    return topology.describe(run.models(), run.rows(), run.snapshots(), run.barriers())


def tampered(file, prefix="", radius=1.6):
    """Put a bead in the middle of a path where the loss is (radius² − 1)²; its ends stay. The
    loss there."""
    arrays, record = load_arrays(file)
    points = arrays[f"{prefix}x"]
    astray = np.array([[radius, 0.0]], points.dtype)
    arrays[f"{prefix}x"] = np.concatenate([points[:1], astray, points[1:]])
    save_arrays(file, arrays, record)
    return (radius**2 - 1) ** 2


def tampered_string(run, row, **changes):
    """The same of a row's string, and other numbers of the row."""
    high = tampered(file_of(run, row))
    checksum = read_record(file_of(run, row))["arrays_sha256"]
    run.append_rows([replace(row, string=checksum, **changes)])
    return high


def lost(run):
    return {record.kind: record for record in verify(run) if not record.agreed}


def test_all_that_results_rest_on_is_judged_and_holds(run):
    before = described(run), report([run])
    found = verify(run)
    kinds = [record.kind for record in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "strings": 6, "snapshots": 3, "barriers": len(run.barriers()), "shortened": 6,
    }  # fmt: skip
    assert kinds.count("barriers") >= 2 and all(record.agreed for record in found)
    for one, other in zip(before, (described(run), report([run])), strict=True):
        for volatile in (one, other):
            volatile.pop("runs", None)
        assert one == other


def test_a_models_own_path_that_does_not_hold(run):
    (row,) = (r for r in run.rows() if (r.a, r.b, r.level) == (0, 1, 0.1))
    for other in run.rows():  # at the higher level all rests on the models' own paths
        if other.level == 0.1:
            run.connection_file(other.set, 0.1, other.a, other.b).unlink()
    run.write_results()
    assert described(run)["levels"][0]["components"] == [[0, 1, 2]]
    high = tampered(run.snapshot_file(1, 0.1))
    record = lost(run)["snapshots"]
    assert record.max_loss == pytest.approx(high, rel=1e-3) and record.limit == row.limit
    (kept,) = (r for r in run.snapshots() if r.model == 1)
    assert kept.status == "NOT_FOUND" and "verify at grid 200 found 2.43" in kept.reason
    assert described(run)["levels"][0]["components"] == [[0, 2], [1]]
    assert "lscape verify downgraded 1 models' own paths on a finer grid" in report([run])["notes"]
    assert not lost(run), "what is downgraded says no more than what holds"


def test_a_barrier_that_does_not_hold(run):
    barrier = run.barriers()[0]
    a, b = barrier.a, barrier.b
    for row in run.rows():  # nothing else joins the two
        run.connection_file(row.set, row.level, row.a, row.b).unlink()
    before = max(merge["height"] for merge in described(run)["merges"])
    assert before == pytest.approx(topology.upper_bound(barrier))
    high = tampered(run.barrier_file(a, b))
    record = lost(run)["barriers"]
    assert record.limit == pytest.approx(before)
    assert f"above the {before:.6g} known" in record.reason
    (raised,) = (r for r in run.barriers() if (r.a, r.b) == (a, b))
    assert raised.status == "RAISED" and raised.max_loss == pytest.approx(high, rel=1e-3)
    (highest,) = (m["height"] for m in described(run)["merges"] if m["height"] > 1)
    assert highest == pytest.approx(high, rel=1e-3)
    assert any("downgraded 1 barriers" in note for note in report([run])["notes"])
    assert not lost(run)


def test_a_shortened_string_that_does_not_hold(run):
    first = run.string_measures()[0]
    tampered(run.string_measure_file(first.measures, first), "shortened.")
    measured = report([run])["measured"]["strings"][0]["normalized_length"]["n"]
    assert lost(run).keys() == {"shortened"}
    assert len(run.string_measures()) == 5
    text = (run.latest_measures_directory / "strings.csv").read_text()
    assert len(text.splitlines()) == 1 + 5
    found = report([run])
    assert found["measured"]["strings"][0]["normalized_length"]["n"] == measured - 1
    said = "what was measured of 1 strings is left out: shortened, they did not hold on a finer"
    assert any(said in note for note in found["notes"])


def test_what_was_measured_of_a_string_that_does_not_hold_is_left_out_and_counted(run):
    row, measured = run.rows()[0], run.string_measures()[0]
    string = file_of(run, row)
    tampered_string(run, row)
    said = "what was measured of 1 strings is left out: they"
    assert f"{said} have been searched again since" in report([run])["notes"]
    file = run.string_measure_file(measured.measures, measured)
    arrays, record = load_arrays(file)  # as if it was that string which was measured
    record["measured"]["source"] = read_record(string)["arrays_sha256"]
    save_arrays(file, arrays, record)
    assert len(run.string_measures()) == 6
    assert lost(run).keys() == {"strings"}
    notes = report([run])["notes"]
    assert "lscape verify downgraded 1 strings on a finer grid" in notes
    assert f"{said} are no longer CONNECTED" in notes and len(run.string_measures()) == 5
    string.unlink()
    assert run.measures_left_out() == {"the files of their strings are gone": 1}


def test_a_failed_string_that_the_graph_rests_on(run):
    """It claims no level, but a bound; the bound must be true."""
    for file in [*run.directory.glob("barriers/*/*"), *run.directory.glob("snapshots/*/*")]:
        file.unlink()
    high = 0.0
    for row in run.rows():
        if row.level == 0.1 or 2 not in (row.a, row.b):
            continue
        failed = {"status": "STUCK", "max_loss": 0.5, "reason": "stuck"}
        high = tampered_string(run, row, **failed)
    found = lost(run)
    assert found.keys() == {"failed"} and found["failed"].limit == pytest.approx(0.5)
    assert max(m["height"] for m in described(run)["merges"]) == pytest.approx(high, rel=1e-3)
    stuck = [row for row in run.rows() if row.status == "STUCK"]
    assert len(stuck) == 2 and all("stuck; verify at grid 200" in row.reason for row in stuck)


def file_of(run, row):
    return run.connection_file(row.set, row.level, row.a, row.b)


def test_a_bound_that_rises_inside_its_limit_leaves_the_searchs_grid(run):
    """verify again, coarser, or measure: nothing depends on what verify wrote."""
    first = run.rows()[0]
    bound = topology.upper_bound(first)
    run.append_rows([replace(first, max_loss=0.5 * first.max_loss)])
    assert not lost(run)
    kept = run.rows()[0]
    assert (kept.status, kept.grid, kept.verified) == ("CONNECTED", first.grid, 200)
    assert topology.upper_bound(kept) == pytest.approx(bound, rel=1e-3)
    assert {record.grid for record in verify(run)} == {200}
    assert {record.grid for record in verify(run, grid=100)} == {100}
    measure(run, ["measure.shorten=false"], levels=[0.1])
    assert {record.grid for record in run.string_measures()} == {first.grid}


def test_a_run_in_which_nothing_was_connected(run):
    for folder in ("barriers/*/*", "snapshots/*/*", "measures/*/strings/*/*/*/*"):
        for file in run.directory.glob(folder):
            file.unlink()
    for row in run.rows():
        low = {"status": "STUCK", "reason": "stuck", "max_loss": 0.5 * row.max_loss}
        run.append_rows([replace(row, **low)])
    with pytest.raises(RunError, match="certified on a grid of 50 or as good; 20 is coarser"):
        verify(run, grid=20)
    found = verify(run)
    assert found and {record.kind for record in found} == {"failed"}
    assert not any(record.agreed for record in found)
    assert "lscape verify downgraded 6 strings on a finer grid" in report([run])["notes"]


TREE = ["connect.pairs=tree"]


@pytest.fixture
def tree(ring):
    made = train(ring(train={"models": 3}, levels={"values": [0.1, 0.01]}))
    connect(made, TREE)
    return made


def test_a_tree_says_what_is_left_and_grows_on(tree, caplog):
    caplog.set_level("INFO", logger="lscape")
    before = tree.tree(tree.sets()[0])
    assert [record.components for record in before] == [[[0, 1, 2]]] * 2
    row = tree.rows()[0]
    tampered_string(tree, row)
    assert lost(tree).keys() == {"strings"}
    after = tree.tree(tree.sets()[0])
    for record, level in zip(after, described(tree)["levels"], strict=True):
        assert len(record.components) == 2
        assert record.components == level["components"]
    connect(tree, TREE)
    assert "nothing to do" not in caplog.text
    assert [r.components for r in tree.tree(tree.sets()[0])] == [[[0, 1, 2]]] * 2
    connect(tree, TREE)
    assert caplog.text.count("nothing to do") == 1


def test_a_failed_string_that_only_a_tree_rests_on(tree):
    """In the disconnectivity graph there is a lower way; a tree knows its own set alone."""
    (name,) = tree.sets()
    row = tree.rows()[0]
    known = {"status": "STUCK", "reason": "stuck", "max_loss": 0.05}
    tree.append_rows([replace(row, **known)])
    other = replace(row, set="other", status="CONNECTED")
    points, profile, film = tree.load_connection(row)
    tree.save_connection(other, points, profile, film)
    refresh_trees(tree)
    assert [len(r.components) for r in tree.tree(name)] == [1, 2]  # at 0.1 it stays below
    tampered_string(tree, replace(row, **known))
    assert lost(tree).keys() == {"failed"}
    assert [len(r.components) for r in tree.tree(name)] == [2, 2]


def test_a_downgraded_string_is_measured_again_on_the_finer_grid(run):
    first = run.string_measures()[0]
    file = run.string_measure_file(first.measures, first)
    tampered(file, "shortened.")
    assert lost(run).keys() == {"shortened"} and len(run.string_measures()) == 5
    measure(run)
    again = run.string_measures()[0]
    assert len(run.string_measures()) == 6 and not run.measures_left_out()
    assert (first.grid, again.grid) == (0, 200)
    assert again.length == pytest.approx(first.length, rel=0.05)
    grids = [record.grid for record in verify(run) if record.kind == "shortened"]
    assert grids == [200] * 6, "the basis is the search's grid"


def test_strings_that_were_measured_at_another_precision(ring):
    double = {"compute": {"precision": "float64"}, "measure": {"hessian": False}}
    run = train(ring(train={"models": 2}, levels={"values": [0.1]}, **double))
    connect(run)
    measure(run, ["compute.precision=float32"])
    (record,) = run.string_measures()
    assert run.load_measures(record)["shortened.x"].dtype == np.float32
    assert [r.agreed for r in verify(run) if r.kind == "shortened"] == [True]


@pytest.mark.parametrize("kind", ["snapshots", "barriers", "shortened"])
def test_altered_files_are_refused(run, kind):
    first = run.string_measures()[0]
    file, prefix = {
        "snapshots": (run.snapshot_file(1, 0.1), ""),
        "barriers": (next(run.directory.glob("barriers/*/*")), ""),
        "shortened": (run.string_measure_file(first.measures, first), "shortened."),
    }[kind]
    arrays, record = load_arrays(file)
    whole = file.read_bytes()
    at = whole.rindex(arrays[f"{prefix}x"].tobytes())
    file.write_bytes(whole[:at] + b"\0\1" + whole[at + 2 :])
    with pytest.raises(RunError, match="altered"):
        verify(run)
    points = arrays[f"{prefix}x"]
    arrays[f"{prefix}x"] = np.concatenate([points[:-1], points[-1:] * np.float32(1.001)])
    save_arrays(file, arrays, record)
    with pytest.raises(RunError, match=r"its end x is not that of .*models"):
        verify(run)
