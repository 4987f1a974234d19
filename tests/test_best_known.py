"""The shortest certified path known: of all searches, shortenings and lower levels."""

import pytest

from landscape.analysis.best_known import best_known
from landscape.store.records.base import made
from landscape.store.records.measures import StringMeasure
from landscape.store.records.strings import SnapshotRecord
from tests.pages import row


def shortened(a, b, level, length, method="dss"):
    return made(
        StringMeasure, measures="m", set=f"{method}-1", method=method, level=level, a=a, b=b,
        limit=level, shortening="CONVERGED", beads_found=5, beads=9, sweeps=20, grad_evals=100,
        seconds=0.5, length=length, chord=2.0, grid=50, source="0" * 64, reason="",
    )  # fmt: skip


def step(model, level, lower, length):
    return made(
        SnapshotRecord, model=model, level=level, lower=lower, limit=level, status="CONNECTED",
        max_loss=level, last_change=0.0, max_at=0.0, resolution=0.01, grid=50, beads=2,
        length=length, chord=length, normalized_length=1.0, grad_evals=0, seconds=0.1, reason="",
    )  # fmt: skip


def test_the_shortest_of_all_searches_with_the_next_methods_distance():
    rows = [
        row(0, 1, 0.5, length=1.5), row(0, 1, 0.5, length=1.21, method="bezier", set="bezier-1"),
        row(0, 2, 0.5, length=1.3), row(1, 2, 0.5, "NOT_FOUND", reason="spent"),
    ]  # fmt: skip
    first, second = best_known(rows, [shortened(0, 1, 0.5, 2.4)])
    assert (first.method, first.form, first.normalized) == ("dss", "shortened", 1.2)
    assert first.method_error == pytest.approx(2.42 / 2.4 - 1) and first.agrees is True
    assert (second.b, second.method_error, second.agrees) == (2, None, None)
    (far,) = best_known([row(0, 1, length=1.5), row(0, 1, length=1.2, method="bezier", set="b-1")])
    assert far.agrees is False and far.method_error == pytest.approx(0.25)


def test_a_path_of_a_lower_level_with_the_models_own_paths_is_one_of_every_higher_level():
    """Also where the search at the higher level had found nothing."""
    rows = [row(0, 1, 0.1, length=1.2), row(0, 1, 0.5, length=2.0), row(0, 1, 1.0, "NOT_FOUND")]
    steps = [step(m, *pair, 0.05) for m in (0, 1) for pair in ((1.0, 0.5), (0.5, 0.1))]
    high, middle, low = best_known(rows, snapshots=steps)
    assert (low.form, low.length) == ("found", 2.4)
    assert (middle.form, middle.below) == ("extended", 0.1)
    assert middle.length == pytest.approx(2.5) and high.length == pytest.approx(2.6)
    assert high.form == "extended" and high.below == 0.1 and high.method_error is None
    assert middle.method_error is None, "the same search, at another level"
    alone = best_known(rows, snapshots=steps[:3])  # of one model a step is not known
    assert [one.length for one in alone] == pytest.approx([4.1, 4.0, 2.4])


def test_a_model_that_met_no_snapshot_at_the_lower_level_is_not_extended():
    rows = [row(0, 1, 0.1, length=1.2), row(0, 1, 0.5, length=2.0)]
    steps = [step(0, 0.5, 0.05, 0.1), step(1, 0.5, 0.1, 0.1)]
    assert [one.form for one in best_known(rows, snapshots=steps)] == ["found", "found"]
