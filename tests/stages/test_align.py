"""Pairs whose second end is permuted onto the first, beside the pairs as they are."""

# pyright: reportOptionalOperand=false
# a number that a record leaves out fails a test without that

from __future__ import annotations

import numpy as np
import pytest

from landscape import ConfigError, RunError, config_from, connect, train, verify
from landscape.analysis.topology import upper_bound
from landscape.core.permute import reordered
from landscape.core.trees import take
from landscape.report import report
from landscape.report.data.alignments import pair_row_of, row_of
from landscape.report.data.modulo import rows_of
from landscape.stages.align import align
from landscape.stages.measure.barriers import measure_snapshots
from landscape.store.files import load_arrays, save_arrays
from landscape.store.records.strings import between_models
from landscape.symmetry.straight_through import straight_through
from tests.stages.wells import measured

LEVELS = [0.5, 0.2]
TWIN = {
    "endpoints": "permuted",
    "permute": {
        "units": [3, 1, 0, 2, 5, 4],
        "axes": {"Dense_0.kernel": 1, "Dense_0.bias": 0, "Dense_1.kernel": 0},
    },
}


def config(levels=LEVELS, train=None, **searches):
    section = {"models": 2, "learning_rate": 1e-2, "max_steps": 3000} | (train or {})
    return config_from(
        {
            "task": {"name": "digits", "hidden": [6]},
            "train": section,
            "levels": {"values": levels},
            "connect": {"method": "straight", **searches},
        }
    )


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """A network and itself with its units in another order, and what was searched."""
    run = train(config(train=TWIN, align="weights"), tmp_path_factory.mktemp("twins"))
    return run, connect(run)


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """Two networks that were trained apart."""
    run = train(config(levels=[0.2]), tmp_path_factory.mktemp("strangers"))
    return run, connect(run, ["connect.align=weights"])


def test_raw_and_aligned_pairs_are_rows_side_by_side(twins):
    run, rows = twins
    assert len(run.rows()) == len(rows) == 2 * len(LEVELS)
    assert {row.align for row in rows} == {None, "weights"}
    assert len({row.set for row in rows}) == 2
    for row in rows:
        assert row.status == ("CONNECTED" if row.align else "NOT_FOUND")


def test_a_permuted_twin_is_permuted_back_bit_for_bit(twins):
    run, _ = twins
    for record in run.alignments():
        orders, _, kept = run.load_alignment(record.align, record.level, record.a, record.b)
        assert kept == record
        a, b = (load_arrays(run.model_file(model, record.level))[0] for model in (0, 1))
        back = reordered(b, orders)
        assert all(np.array_equal(back[name], a[name]) for name in a)
        assert record.aligned.chord == 0 and record.raw.chord > 0
        assert record.raw.barrier is not None and record.raw.barrier > 0.1
        assert record.aligned.barrier == pytest.approx(0, abs=1e-6)
        assert record.objective == max(record.objectives) > record.before
        for line in (record.raw, record.aligned):
            assert line.halfway <= line.barrier + 1e-6 and line.stale is None
        assert record.aligned.repaired == pytest.approx(0, abs=1e-5)
        assert record.raw.repaired != pytest.approx(record.raw.halfway, rel=1e-3)


def test_what_is_aligned_joins_no_components(twins):
    run, _ = twins
    found = report([run])
    (topology,) = found["topology"]
    assert all(len(level["components"]) == 2 for level in topology["levels"])
    modulo = topology["modulo_permutations"]
    assert [len(at["components"]) for at in modulo["levels"]] == [1] * len(LEVELS)
    assert [row[2:] for row in rows_of(topology)] == [["2", "1"]] * len(LEVELS)
    (raw,), (merge,) = topology["merges"], modulo["merges"]
    assert merge["height"] < raw["height"]
    assert {level["align"] for level in found["levels"]} == {None, "weights"}
    assert all(claim["method"] == "straight" for claim in found["claims"])
    one = found["alignments"][0]
    assert one["barrier"]["raw"]["mean"] > one["barrier"]["aligned"]["mean"]


def test_a_string_ends_at_the_permuted_model(strangers):
    run, rows = strangers
    (aligned,) = (row for row in rows if row.align)
    (raw,) = between_models(rows)
    points = {row.align: run.load_connection(row)[0] for row in (aligned, raw)}
    a, b = (load_arrays(run.model_file(model, 0.2))[0] for model in (0, 1))
    orders, _, record = run.load_alignment("weights", 0.2, 0, 1)
    for how, end in (("weights", reordered(b, orders)), (None, b)):
        first, last = take(points[how], 0), take(points[how], -1)
        assert all(np.array_equal(first[name], a[name]) for name in a)
        assert all(np.array_equal(last[name], end[name]) for name in b)
    assert aligned.chord == pytest.approx(record.aligned.chord)
    assert aligned.chord < raw.chord
    assert aligned.loss_b == pytest.approx(raw.loss_b, rel=1e-4)


def test_what_is_there_is_not_made_again(strangers):
    run, rows = strangers
    file = run.alignment_file("weights", 0.2, 0, 1)
    before = file.stat().st_mtime_ns
    assert connect(run, ["connect.align=weights"]) == rows
    assert [one.align for one in align(run)] == ["weights"]
    assert file.stat().st_mtime_ns == before
    by_both = align(run, "activations")
    assert by_both[0].raw == align(run)[0].raw


def test_where_no_loss_halfway_is_finite_there_is_no_objective(strangers, monkeypatch):
    def nowhere(a, b, spec, loss, gradient, **drawn):
        return straight_through(a, b, spec, lambda _: np.nan, gradient, **drawn)

    monkeypatch.setattr("landscape.symmetry.straight_through.STEPS", 1)
    monkeypatch.setattr("landscape.symmetry.align.straight_through", nowhere)
    run, _ = strangers
    (found,) = align(run, "straight-through")
    assert found in run.alignments()
    assert found.before is found.objective is None and set(found.objectives) == {None}
    assert found.aligned == found.raw
    one = next(o for o in report([run])["alignments"] if o["align"] == "straight-through")
    assert one["spread"] is None and one["barrier"]["raw"]["mean"] == found.raw.barrier
    assert row_of(one)[-1] == "–" and pair_row_of(found)[3:7] == ["–"] * 4


def test_aligned_strings_are_verified_with_their_permutation(twins):
    run, _ = twins
    judged = [one for one in verify(run) if one.kind == "strings"]
    assert len(judged) == len(LEVELS) and all(one.agreed for one in judged)
    file = run.alignment_file("weights", LEVELS[0], 0, 1)
    arrays, record = load_arrays(file)
    kept = file.read_bytes()
    save_arrays(file, {name: np.roll(order, 1) for name, order in arrays.items()}, record)
    with pytest.raises(RunError, match="is not that of"):
        verify(run)
    save_arrays(file, {name: 0 * order for name, order in arrays.items()}, record)
    with pytest.raises(RunError, match="no order of the places"):
        verify(run)
    file.write_bytes(kept)
    assert all(one.agreed for one in verify(run))


def test_barriers_to_aligned_models_are_lowered_apart(tmp_path):
    """From where the models were matched, by the second's own path, to its deepest snapshot."""
    run = train(config(), tmp_path)
    connect(run, ["connect.align=weights"], levels=[0.5])
    measured(run, measure_snapshots)
    (first,) = report([run])["topology"]
    raw, aligned = measured(run)
    assert raw.rounding is not None
    assert run.barriers() == [raw] and run.aligned_barriers() == [aligned]
    assert (raw.align, raw.matched_at) == (None, None)
    assert (aligned.align, aligned.matched_at, aligned.level_b) == ("weights", 0.5, 0.2)
    file = run.barrier_file(0, 1, "weights")
    points, *_ = run.load_path(file)
    orders, *_ = run.load_alignment("weights", 0.5, 0, 1)
    b, _ = load_arrays(run.model_file(1, 0.2))
    end = take(points, -1)
    assert all(np.array_equal(end[name], leaf) for name, leaf in reordered(b, orders).items())
    assert aligned.start is not None and upper_bound(aligned) <= aligned.start
    (now,) = report([run])["topology"]
    bounds = upper_bound(raw), upper_bound(aligned)
    for topology, bound in ((now, bounds[0]), (now["modulo_permutations"], min(bounds))):
        assert [merge["height"] for merge in topology["merges"]] == [bound]
    before = first["modulo_permutations"]["merges"][0]["height"]
    assert upper_bound(aligned) < before
    assert measured(run) == [raw, aligned]
    judged = [one for one in verify(run) if one.kind == "barriers"]
    assert [one.name for one in judged if one.agreed] == [
        "the barrier of pair 0-1", "the barrier of pair 0-1, aligned by weights",
    ]  # fmt: skip
    arrays, record = load_arrays(file)
    save_arrays(file, {name: np.flip(leaf, 0) for name, leaf in arrays.items()}, record)
    with pytest.raises(RunError, match="is not that of"):
        verify(run)


def test_a_path_from_a_file_is_between_models_as_they_are(strangers, tmp_path):
    run, rows = strangers
    file = run.connection_file(rows[0].set, 0.2, 0, 1)
    with pytest.raises(ConfigError, match=r"connect.align must be null"):
        connect(run, [f"connect.start={file}", "connect.align=weights", "connect.method=dss"])


def test_what_cannot_be_aligned_by_is_refused():
    with pytest.raises(ConfigError, match=r"connect.align: .*weights"):
        config(align="height")


def test_bent_paths_begin_from_the_permuted_end_and_chain(tmp_path):
    run = train(config(levels=[0.2, 0.1]), tmp_path)
    rows = connect(run, ["connect.align=activations", "connect.method=dss"])
    assert {row.status for row in rows} == {"CONNECTED"}
    raw, aligned = ([row for row in rows if bool(row.align) is kind] for kind in (False, True))
    assert sum(row.chord or 0 for row in aligned) < sum(row.chord or 0 for row in raw)
    assert all(one.agreed for one in verify(run))
