"""The certificate that chooses its points, against fine grids."""

import itertools

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.core import certificate
from landscape.core.adaptive import MOST_POINTS, SETTLED, adaptive_maxima
from landscape.core.certificate import certify, curve_evaluator, segment_evaluator
from landscape.core.grid import FALLBACK_GRID
from landscape.core.level import LevelSpec
from landscape.core.segments import Memoized, along
from landscape.core.settings import ADAPTIVE
from landscape.core.status import Status
from landscape.methods.dss import DSS
from landscape.search.descend import Descender
from landscape.search.driver import finish, judge, start
from landscape.search.state import Problem, Search
from tests.analytic import RING
from tests.test_paths import landscape_of, line

FINE = np.linspace(0, 1, 4001)


def found(function, n=1, limit=1.0, only_below=False):
    """function: (segment, t) → loss."""
    asked = []

    def evaluate(rows, t):
        asked.extend(zip(rows.tolist(), t.tolist(), strict=True))
        return np.asarray(function(rows, t), float)

    maxima = adaptive_maxima(evaluate, np.full((n, 2), np.nan), limit, only_below)
    assert maxima.losses.sum() == len(asked)
    return maxima


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 6), st.floats(0, 6)), min_size=1))
@settings(max_examples=200, deadline=None)
def test_a_smooth_loss_is_bounded_by_few_points(waves):
    """Sums of waves, of one period on a segment at most."""
    amplitude, frequency, phase = np.array(waves).T

    def loss(rows, t):
        return 3 + (amplitude * np.sin(np.outer(t, frequency) + phase)).sum(1) / len(waves)

    maxima, true = found(loss), loss(0, FINE).max()
    assert maxima.maximum[0] <= true + 1e-5
    assert maxima.maximum[0] + maxima.change[0] >= true - SETTLED
    assert maxima.change[0] <= SETTLED * 4
    assert maxima.losses[0] <= 20


@given(st.floats(0.05, 0.95), st.floats(0.2, 5), st.floats(0.2, 5))
@settings(max_examples=100, deadline=None)
def test_a_kink_is_found(centre, left, right):
    def loss(rows, t):
        return 1 - np.where(t < centre, left * (centre - t), right * (t - centre))

    maxima = found(loss)
    assert maxima.maximum[0] <= 1 and maxima.maximum[0] + maxima.change[0] >= 1 - 3 * SETTLED


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4))
def test_a_cubic_is_known_from_nine_points_and_its_maximum(coefficients):
    maxima = found(lambda rows, t: np.polyval(coefficients, t), limit=100.0)
    assert maxima.losses[0] <= 10
    assert maxima.maximum[0] == pytest.approx(np.polyval(coefficients, FINE).max(), abs=1e-2)


def test_above_the_limit_five_points_are_enough():
    def loss(rows, t):
        return np.where(rows == 0, 0.4, 2.0) + t * (1 - t)

    maxima = found(loss, n=2, only_below=True)
    assert maxima.losses.tolist() == [9, 5]
    assert maxima.place[1] == pytest.approx(0.5)
    whole = found(loss, n=2)
    assert whole.losses[1] >= 9 and whole.maximum[1] == pytest.approx(2.25)


def test_what_no_cubic_follows_is_looked_at_on_a_grid():
    noise = np.random.default_rng(0).uniform(0.5, 0.9, 10_001)
    maxima = found(lambda rows, t: noise[np.round(t * 10_000).astype(int)])
    assert maxima.losses[0] > MOST_POINTS + FALLBACK_GRID
    assert maxima.maximum[0] >= max(noise[:: 10_000 // FALLBACK_GRID])
    assert maxima.ts.shape == (1, FALLBACK_GRID + 1)


def test_segments_do_not_depend_on_those_beside_them():
    def loss(rows, t):
        return 1 + np.sin((rows + 1) * 4 * t) / 2

    together = found(loss, n=5)
    for row in range(5):
        alone = found(lambda rows, t, row=row: loss(rows + row, t))
        for ours, theirs in zip(vars(alone).values(), vars(together).values(), strict=True):
            assert np.array_equal(ours[0], theirs[row])


def test_not_finite_counts_as_infinite():
    maxima = found(lambda rows, t: np.where(t > 0.9, np.inf, 1.0))
    assert maxima.maximum[0] == np.inf and maxima.change[0] == 0 and maxima.losses[0] == 5


def test_a_path_is_certified_as_on_a_grid():
    angles = np.linspace(0, np.pi, 9)
    points = {"params": np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)}
    grid, chosen = (
        certify(points, segment_evaluator(RING.landscape, grid), 0.1) for grid in (400, ADAPTIVE)
    )
    assert chosen.maximum == pytest.approx(grid.maximum, abs=1e-4 * 0.1)
    assert chosen.max_at % 0.125 == pytest.approx(grid.max_at % 0.125, abs=1e-3)
    assert chosen.loss_evals.max() <= 16 < grid.loss_evals.min()
    assert chosen.resolution == pytest.approx(1 / 8 / 8, rel=1e-3) and chosen.grid == ADAPTIVE
    assert chosen.profile[[0, -1], 0].tolist() == [0, 1]
    assert (np.diff(chosen.profile[:, 0]) > 0).all()


def test_a_curve_is_certified_from_few_points():
    def around(pieces, t):
        angle = np.pi * (pieces + t) / 4
        return {"params": np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)}

    maxima = curve_evaluator(RING.landscape, ADAPTIVE)(around, 4, 0.1)
    assert maxima.losses.max() <= 16 and maxima.maximum.max() < 1e-6


def test_a_metric_that_goes_in_steps_is_looked_at_on_a_grid():
    landscape = landscape_of(lambda x: x[0] ** 2)._replace(differentiable_level=None)
    assert certify(line(0, 1), segment_evaluator(landscape, ADAPTIVE), 2.0).loss_evals[0] > 50


def test_beads_are_evaluated_where_they_are_not_known():
    """A spike that is narrower than what is looked at between beads, at one of them."""
    spiked = landscape_of(lambda x: jnp.exp(-((x[0] - 0.5) ** 2) / 1e-6))
    points = line(0, 0.25, 0.5, 0.75, 1)
    evaluate, losses = segment_evaluator(spiked, ADAPTIVE), [0, 0, 1, 0, 0]
    for mask in itertools.product([False, True], repeat=5):
        known = np.where(mask, np.nan, losses)
        found = certify(points, evaluate, 0.1, known)
        assert found.maximum == 1 and not found.holds(0.1)
        assert found.profile[found.profile[:, 0] == 0.5].tolist() == [[0.5, 1]]


def test_a_bead_is_evaluated_once_for_both_of_its_segments():
    angles = np.linspace(0, np.pi, 9)
    points = {"params": np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)}
    for grid in (50, ADAPTIVE):
        evaluate = segment_evaluator(RING.landscape, grid)
        apart = evaluate({"params": points["params"][:-1]}, {"params": points["params"][1:]}, 0.1)
        known = evaluate.at(points)
        assert known[:-1].tolist() == apart.values[:, 0].tolist()
        for losses, saved in ((None, [0, 1]), (known, [2, 2])):
            together = along(points, evaluate, 0.1, known=losses)
            assert (apart.losses - together.losses).tolist() == [saved[0]] + 7 * [saved[1]]
            for part in ("ts", "values", "maximum", "place", "change"):
                assert np.array_equal(getattr(together, part), getattr(apart, part)), part


def test_every_loss_along_segments_is_counted(monkeypatch):
    made, evaluated = [], certificate._evaluated

    def counted(by, lefts, rights, rows, t):
        made.append(len(rows))
        return evaluated(by, lefts, rights, rows, t)

    monkeypatch.setattr(certificate, "_evaluated", counted)
    at, evaluate = LevelSpec(RING.level), Memoized(segment_evaluator(RING.landscape, ADAPTIVE))
    problem = Problem(
        RING.landscape,
        evaluate,
        lambda held=None: Descender(RING.landscape, optax.adam(1e-2), 10, 1000, held),
    )
    ends = ({"params": np.array(end, np.float32)} for end in (RING.a, RING.b))
    stepper = DSS(insert="midpoint").bind(problem, at)
    (string,) = finish(stepper, Search([start("0-1", *ends)])).strings
    found = judge(string, evaluate, at)
    assert found.status == Status.CONNECTED and found.beads > 3
    assert string.loss_evals == sum(made) + (found.certificate.rounding is not None)
