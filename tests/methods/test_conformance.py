"""Every method on every analytic landscape, and the known answers of ../analytic.py."""

import math
from typing import Any

import jax
import numpy as np
import optax
import pytest

from landscape.core.certificate import segment_evaluator
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.methods.dss import DSS
from landscape.methods.registry import METHODS, load_method
from landscape.search.descend import Descender
from landscape.search.driver import finish, start
from landscape.search.state import Problem, Search
from tests.analytic import (
    CONVEX,
    DOUBLE_WELL_ABOVE,
    DOUBLE_WELL_BELOW,
    EVERY,
    RING,
    Analytic,
    search,
)

# a construction is held to its theorem
SEARCHES = [name for name in METHODS.names() if "constructions" not in load_method(name).__module__]


def densely(analytic: Analytic, points: np.ndarray, count: int = 4001) -> np.ndarray:
    """The loss along a polyline [beads, n], evaluated by NumPy's interpolation in float64."""
    t = np.linspace(0, len(points) - 1, count)
    columns = [np.interp(t, np.arange(len(points)), column) for column in points.T]
    return np.asarray(jax.vmap(analytic.energy)(np.stack(columns, 1).astype(np.float32)))


def few_rounds(method) -> dict[str, Any]:
    return {"max_rounds": 6} if "max_rounds" in load_method(method).model_fields else {}


@pytest.mark.parametrize("method", SEARCHES)
@pytest.mark.parametrize("name", EVERY)
def test_conforms(name, method):
    analytic = EVERY[name]
    found = search(analytic, method, max_beads=33, **few_rounds(method))["0-1"]
    points = found.string.points["params"]
    assert np.array_equal(points[0], np.array(analytic.a, np.float32))
    assert np.array_equal(points[-1], np.array(analytic.b, np.float32))
    assert found.length >= found.chord * (1 - 1e-6)
    assert found.beads <= 33
    if few_rounds(method):
        assert found.string.rounds <= 6
    highest = densely(analytic, points).max()
    assert highest <= found.certificate.maximum + 1e-4 * abs(analytic.level)
    if found.status is Status.CONNECTED:
        assert highest <= analytic.level + 1e-6
        assert found.reason == ""
    else:
        assert found.certificate.maximum > analytic.level
        assert "worst" in found.reason


@pytest.mark.parametrize("method", SEARCHES)
def test_below_the_barrier_of_a_double_well_nothing_connects(method):
    found = search(DOUBLE_WELL_BELOW, method)["0-1"]
    assert found.status is not Status.CONNECTED
    assert found.certificate.maximum >= 1 - 1e-5  # the saddle's energy is exactly 1


@pytest.mark.parametrize("method", SEARCHES)
def test_above_the_barrier_of_a_double_well(method):
    assert search(DOUBLE_WELL_ABOVE, method)["0-1"].status is Status.CONNECTED


@pytest.mark.parametrize("method", SEARCHES)
def test_a_convex_loss_needs_no_bead(method):
    found = search(CONVEX, method)["0-1"]
    assert (found.status, found.beads, found.string.grad_evals) == (Status.CONNECTED, 2, 0)
    assert found.normalized_length == pytest.approx(1, abs=1e-6)


def test_straight_between_antipodes_peaks_at_one():
    antipodes = {"0-1": ((1.0, 0.0), (-1.0, 0.0))}
    found = search(RING, "straight", antipodes)["0-1"]
    assert found.certificate.maximum == 1 and found.certificate.barrier == 1
    assert found.certificate.max_at == 0.5
    assert found.status is Status.NOT_FOUND


def test_double_well_barrier_is_one():
    wells = {"0-1": ((1.0, 0.0), (-1.0, 0.0))}
    found = search(DOUBLE_WELL_BELOW, "straight", wells)["0-1"]
    assert found.certificate.barrier == 1 and found.certificate.maximum == 1


@pytest.mark.parametrize("insert", ["max", "midpoint"])
def test_ring_strings_are_no_shorter_than_the_geodesic(insert):
    found = search(RING, "dss", insert=insert)["0-1"]
    assert found.status is Status.CONNECTED
    s = math.sqrt(RING.level)
    r = math.sqrt(1 - s)
    angle = math.atan2(RING.b[1], RING.b[0])
    # tangent – arc – tangent around the inner circle, between points of the unit circle
    shortest = 2 * math.sqrt(s) + r * (angle - 2 * math.acos(r))
    assert shortest <= found.length <= 1.2 * shortest


@pytest.mark.parametrize(("insert", "place"), [("max", 0.3), ("midpoint", 0.5)])
def test_a_new_bead_starts_where_insert_says(insert, place):
    slope = Analytic(lambda x: 1 - (x[0] - 0.3) ** 2 - x[1], (0.0, 0.05), (1.0, 0.05), 0.9)
    found = search(slope, "dss", insert=insert, max_rounds=1)["0-1"]
    assert found.beads == 3 and found.string.grad_evals == 10
    assert found.string.points["params"][1, 0] == pytest.approx(place, abs=0.11)


def test_the_first_midpoint_is_compulsory_when_asked_for():
    found = search(CONVEX, "dss", first_midpoint=True)["0-1"]
    assert (found.status, found.beads, found.string.rounds) == (Status.CONNECTED, 3, 0)


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"max_rounds": 1}, "max_rounds (1)"), ({"max_beads": 3}, "max_beads (3)")],
)
def test_a_spent_budget_is_named(settings, word):
    found = search(RING, "dss", **settings)["0-1"]
    assert found.status is Status.NOT_FOUND
    assert word in found.reason


def test_a_pair_alone_is_the_same_as_in_a_batch():
    angles = np.linspace(0.3, 3.0, 9)
    pairs = {f"0-{i}": ((1.0, 0.0), (math.cos(t), math.sin(t))) for i, t in enumerate(angles)}
    together = search(RING, "dss", pairs)
    for name in ("0-3", "0-8"):
        alone = search(RING, "dss", {name: pairs[name]})[name]
        assert np.array_equal(alone.string.points["params"], together[name].string.points["params"])
        assert alone.string.grad_evals == together[name].string.grad_evals > 0


def test_a_loss_that_is_not_finite_is_marked_and_the_rest_goes_on():
    def energy(x):
        bump = jax.numpy.where(x[1] > 0.5, jax.numpy.nan, 0.0)
        return (jax.numpy.sum(x**2) - 1) ** 2 + bump

    pairs = {
        "0-1": ((1.0, 0.0), (-0.9, 0.4)),
        "0-2": ((1.0, 0.0), (math.cos(-1.5), math.sin(-1.5))),
    }
    found = search(RING._replace(energy=energy), "dss", pairs)
    assert found["0-1"].status is Status.NON_FINITE
    assert found["0-2"].status is Status.CONNECTED


def test_the_second_search_compiles_nothing_new():
    traces = []

    def energy(x):
        traces.append(1)
        return (jax.numpy.sum(x**2) - 1) ** 2

    counted = RING._replace(energy=energy)
    landscape = counted.landscape
    at, peaks = LevelSpec(counted.level), segment_evaluator(landscape, 50)
    descender = Descender(landscape, optax.adam(1e-2), 10, 1000)

    def once(b):
        stepper = DSS().bind(Problem(landscape, peaks, lambda held: descender), at)
        ends = ({"params": np.array(x, np.float32)} for x in (counted.a, b))
        return finish(stepper, Search([start("0-1", *ends)])).strings[0]

    once(counted.b)
    before = len(traces)
    assert once((math.cos(2.0), math.sin(2.0))).rounds > 1
    assert len(traces) == before


def test_a_bead_that_a_symmetry_holds_is_freed_by_jitter():
    antipodes = {"0-1": ((1.0, 0.0), (-1.0, 0.0))}
    found = search(RING, "dss", antipodes, jitter=0.01)["0-1"]
    assert found.status is Status.CONNECTED and found.string.restarts == 0


def test_freed_from_the_ridge_between_two_wells_a_search_ends_with_its_budget():
    wells = {"0-1": ((1.0, 0.0), (-1.0, 0.0))}
    for settings in ({}, {"jitter": 0.01, "retries": 3}):
        found = search(DOUBLE_WELL_BELOW, "dss", wells, max_rounds=5, **settings)["0-1"]
        assert found.status is Status.NOT_FOUND and "max_rounds (5) spent" in found.reason
        assert found.string.restarts == (0 if settings else 1)
        heights = [one.highest for one in found.string.history]
        assert len(heights) == 6 and min(heights) >= 1 - 1e-3  # the ridge stays


def test_a_bead_is_stuck_when_its_retries_are_spent():
    wells = {"0-1": ((1.0, 0.0), (-1.0, 0.0))}
    found = search(DOUBLE_WELL_BELOW, "constrained", wells)["0-1"]
    assert found.status is Status.STUCK
    flat = RING._replace(energy=lambda x: jax.numpy.where(abs(x[0]) > 0.9, 0.0, 1.0), level=0.5)
    found = search(flat, "dss", wells, max_steps=20, jitter=0.01, retries=4, insert="midpoint")[
        "0-1"
    ]
    assert found.status is Status.STUCK and "tried 5 times" in found.reason
    assert found.string.grad_evals == 5 * 10  # nothing moves in the first ten steps
    slope = RING._replace(energy=lambda x: 2 - jax.numpy.abs(x[0]) + 1e-3 * x[1], level=0.5)
    wells = {"0-1": ((1.9, 0.0), (-1.9, 0.0))}
    found = search(slope, "dss", wells, max_steps=20, jitter=0.01, retries=2)["0-1"]
    assert found.status is Status.STUCK and "tried 3 times" in found.reason
    assert found.string.grad_evals == 3 * 20 and "connect.retries" in found.reason
