"""The shortest certified path known: of all searches, shortenings and lower levels."""

import pytest

from landscape.analysis.best_known import Question, best_known, questions
from landscape.store.records.base import made
from landscape.store.records.measures import StringMeasure
from landscape.store.records.strings import SnapshotRecord
from tests.pages import row

LIMITS = {1.0: 1.0, 0.5: 0.5, 0.1: 0.1}


def shortened(a, b, level, length, method="dss", **more):
    return made(
        StringMeasure, measures="m", set=f"{method}-1", method=method, level=level, a=a, b=b,
        shortening="CONVERGED", beads_found=5, beads=9, sweeps=20, grad_evals=100,
        loss_evals=300, seconds=0.5, length=length, chord=2.0, grid=50, source="0" * 64, reason="",
        **{"limit": level} | more,
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
    first, second = best_known(rows, LIMITS, [shortened(0, 1, 0.5, 2.4)])
    assert (first.method, first.form, first.normalized) == ("dss", "shortened", 1.2)
    assert first.method_error == pytest.approx(2.42 / 2.4 - 1) and first.agrees is True
    assert (second.b, second.method_error, second.agrees) == (2, None, None)
    (far,) = best_known(
        [row(0, 1, length=1.5), row(0, 1, length=1.2, method="bezier", set="b-1")], LIMITS
    )
    assert far.agrees is False and far.method_error == pytest.approx(0.25)


def test_a_path_of_a_lower_level_with_the_models_own_paths_is_one_of_every_higher_level():
    """Also where the search at the higher level had found nothing."""
    rows = [row(0, 1, 0.1, length=1.2), row(0, 1, 0.5, length=2.0), row(0, 1, 1.0, "NOT_FOUND")]
    steps = [step(m, *pair, 0.05) for m in (0, 1) for pair in ((1.0, 0.5), (0.5, 0.1))]
    high, middle, low = best_known(rows, LIMITS, snapshots=steps)
    assert (low.form, low.length) == ("found", 2.4)
    assert (middle.form, middle.below) == ("extended", 0.1)
    assert middle.length == pytest.approx(2.5) and high.length == pytest.approx(2.6)
    assert high.form == "extended" and high.below == 0.1 and high.method_error is None
    assert middle.method_error is None, "the same search, at another level"
    alone = best_known(rows, LIMITS, snapshots=steps[:3])  # of one model a step is not known
    assert [one.length for one in alone] == pytest.approx([4.1, 4.0, 2.4])


def test_a_model_that_met_no_snapshot_at_the_lower_level_is_not_extended():
    rows = [row(0, 1, 0.1, length=1.2), row(0, 1, 0.5, length=2.0)]
    steps = [step(0, 0.5, 0.05, 0.1), step(1, 0.5, 0.1, 0.1)]
    assert [one.form for one in best_known(rows, LIMITS, snapshots=steps)] == ["found", "found"]


def test_what_competes_is_below_the_limit_whatever_it_was_searched_for():
    """A looser search's path counts where its certified bound is low enough, and only there."""
    loose = [
        row(0, 1, 0.5, length=1.1, set="bezier-2", method="bezier", limit=0.6, max_loss=loss)
        for loss in (0.55, 0.49)
    ]
    tight = row(0, 1, 0.5, length=1.3)
    (alone,) = best_known([tight, loose[0]], {0.5: 0.5})
    assert alone.length == 2.6 and alone.method_error is None
    (both,) = best_known([tight, loose[1]], {0.5: 0.5})
    assert both.length == 2.2 and both.method_error == pytest.approx(1.3 / 1.1 - 1)
    (wide,) = best_known([tight, loose[0]], {0.5: 0.6})
    assert wide.length == 2.2
    short = shortened(0, 1, 0.5, 2.02, method="bezier", limit=0.6, max_loss=0.55, last_change=0.0)
    assert best_known([tight], {0.5: 0.5}, [short]) == best_known([tight], {0.5: 0.5})


def test_sets_ask_the_same_where_limits_and_parameters_are_the_same():
    rows = [
        row(0, 1, 0.5, set="dss-1"), row(0, 1, 0.1, set="dss-1"),
        row(0, 1, 0.5, set="bezier-1"), row(0, 1, 1.0, set="bezier-1"),
        row(0, 1, 0.5, set="dss-2", limit=0.55), row(0, 1, 0.5, set="dss-3"),
    ]  # fmt: skip
    over = dict.fromkeys(("dss-1", "bezier-1", "dss-2"), "*") | {"dss-3": "*/kernel"}
    assert questions(rows, over) == [
        Question(("dss-1", "bezier-1"), "*", {0.5: 0.5, 0.1: 0.1, 1.0: 1.0}),
        Question(("dss-2",), "*", {0.5: 0.55}),
        Question(("dss-3",), "*/kernel", {0.5: 0.5}),
    ]


def test_a_search_that_missed_what_a_lower_level_has_is_told():
    steps = [step(m, 0.5, 0.1, 0.02) for m in (0, 1)]
    rows = [row(0, 1, 0.1, length=1.2), row(0, 1, 0.5, length=1.26)]
    other = row(0, 1, 0.5, length=1.23, method="bezier", set="bezier-1")
    high, low = best_known([*rows, other], LIMITS, snapshots=steps)
    assert high.nested == pytest.approx(2.44) and low.nested is None
    assert high.missed == {"dss": 2.52} and low.missed == {}
    assert (high.form, high.found) == ("extended", 2.46)


def test_a_straight_path_is_the_shortest_whatever_other_methods_find():
    (one,) = best_known([row(0, 1, length=1.0)], LIMITS)
    assert one.is_straight and one.error == 0.0 and one.method_error is None
    far = row(0, 1, length=1.3, method="bezier", set="bezier-1")
    (two,) = best_known([row(0, 1, length=1.0), far], LIMITS)
    assert two.error == 0.0 and two.agrees is False


def test_curvatures_are_of_the_shortest_shortened_path_and_differ_by_method():
    every = [
        shortened(0, 1, 0.5, 2.4, total_curvature=1.0),
        shortened(0, 1, 0.5, 2.3, total_curvature=1.5),
        shortened(0, 1, 0.5, 2.2, method="bezier", total_curvature=1.25),
    ]
    (one,) = best_known([row(0, 1, 0.5)], LIMITS, every)
    assert one.of_shortened("total_curvature") == (1.25, 0.25)
    (alone,) = best_known([row(0, 1, 0.5)], LIMITS, every[:2])
    assert alone.of_shortened("total_curvature") == (1.5, None)
    (none,) = best_known([row(0, 1, 0.5)], LIMITS)
    assert none.of_shortened("total_curvature") is None
