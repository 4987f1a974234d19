"""Beads that cannot leave where they are put begin anew off their segment, whatever they descend
by."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from landscape.core import paths
from landscape.core.certificate import segment_evaluator
from landscape.core.landscape import bind
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.core.task import energy_task
from landscape.methods.registry import load_method
from landscape.search import driver
from landscape.search.descend import Descender
from landscape.search.driver import finish, judge, start
from landscape.search.gauss_newton import gauss_newton
from landscape.search.polyak import polyak
from landscape.search.state import Problem, Search, String
from landscape.search.strings import RESTARTS
from landscape.search.trust import near_start, within_radius
from tests.analytic import ring_energy

ENDS = np.array([-1.0, 0.0], np.float32), np.array([1.0, 0.0], np.float32)
BAND = LevelSpec(0.1)
STEPS = 2000


def by_sample(energy):
    def one(params):
        value, gradient = jax.value_and_grad(lambda p: energy(p["params"]))(params)
        return value[None], jax.tree.map(lambda leaf: leaf[None], gradient)

    return one


WAYS: dict[str, Callable[[Any], Any]] = {
    "gauss-newton": lambda energy: gauss_newton(by_sample(energy)),
    "polyak": lambda energy: near_start(polyak()),
    "adam": lambda energy: near_start(within_radius(optax.adam(1e-2))),
    "sgd": lambda energy: near_start(within_radius(optax.sgd(1e-2))),
}


def searched(
    energy, method="dss", way="adam", ends=ENDS, points=None, band=BAND, seed=0, **settings
):
    shape = ends[0].shape
    landscape = bind(energy_task(energy, lambda key: jax.random.normal(key, shape)))
    peaks = segment_evaluator(landscape, 50)
    early = way in ("polyak", "gauss-newton")

    def descend(held=None):
        return Descender(landscape, WAYS[way](energy), 10, STEPS, held, looks_early=early)

    problem = Problem(landscape, peaks, descend, seed=seed)
    find = load_method(method)(**settings).bind(problem, band)
    a, b = ({"params": end} for end in ends)
    string = start("0-1", a, b)
    if points is not None:
        string = driver.chained("0-1", a, b, {"params": np.array(points, np.float32)}, 1.0)
    return judge(finish(find, Search([string])).strings[0], peaks, band)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["dss", "constrained"])
def test_between_antipodes_of_a_ring(method, way):
    """The straight line passes the maximum, where the gradient is exactly zero."""
    found = searched(ring_energy, method, way)
    assert found.status is Status.CONNECTED and found.reason == ""
    assert found.string.restarts == 1 and found.record()["restarts"] == 1
    assert found.length >= 2 * 1.3  # around, not through
    again = searched(ring_energy, method, way)
    assert np.array_equal(again.string.points["params"], found.string.points["params"])
    other = searched(ring_energy, method, way, seed=1)
    assert not np.array_equal(other.string.points["params"], found.string.points["params"])


@pytest.mark.parametrize("way", WAYS)
def test_however_high_the_maximum_is(way):
    """The length of a Polyak step is the gap over the gradient's square, which is zero."""
    found = searched(lambda x: 1e4 * ring_energy(x), way=way, band=LevelSpec(1e3))
    assert found.status is Status.CONNECTED and found.string.restarts == 1


@pytest.mark.parametrize("method", ["dss", "constrained"])
def test_where_the_loss_is_infinite(method):
    """Two that repel each other and change places; on the line they pass through each other."""

    def energy(x):
        apart = jnp.sum((x[:2] - x[2:]) ** 2)
        return (jnp.sum(x**2) - 2) ** 2 + 0.1 / apart

    ends = np.array([-1, 0, 1, 0], np.float32), np.array([1, 0, -1, 0], np.float32)
    found = searched(energy, method, "polyak", ends)
    assert found.status is Status.CONNECTED and found.string.restarts > 0
    assert 0.025 <= found.certificate.maximum <= BAND.limit


@pytest.mark.parametrize("method", ["dss", "constrained"])
@pytest.mark.parametrize("value", [0.5, np.inf])
def test_where_no_start_has_a_way_down_the_reason_says_so(method, value):
    def energy(x):
        return jnp.where(jnp.abs(x[0]) > 0.9, 0.0, value)

    middle: dict[str, Any] = {"insert": "midpoint"} if method == "dss" else {}
    found = searched(energy, method, **middle)
    assert found.status is (Status.STUCK if value == 0.5 else Status.NON_FINITE)
    assert found.string.restarts == RESTARTS
    assert found.string.grad_evals == (10 * (1 + RESTARTS) if value == 0.5 else 0)
    if value == 0.5:
        assert "no way down from where they began" in found.reason
        assert "connect.jitter" in found.reason


def test_a_bead_that_a_string_begins_with_is_left_off():
    """At the maximum there is no way down; what is left of the string is the straight line."""
    found = searched(ring_energy, points=[[0.0, 0.0]])
    assert found.status is Status.CONNECTED and found.string.restarts == 2
    assert (np.linalg.norm(found.string.points["params"], axis=1) > 0.5).all()


def test_a_bead_with_a_slope_begins_where_it_always_did():
    """Restarts cost nothing where there is nothing to restart."""
    ends = ENDS[0], np.array([0.9987503, 0.0499792], np.float32)
    found = searched(ring_energy, ends=ends)
    assert found.status is Status.CONNECTED and found.string.restarts == 0


def test_a_model_in_training_that_does_not_move_is_trained_on():
    landscape = bind(energy_task(ring_energy, lambda key: jnp.zeros(2)))
    descender = Descender(landscape, optax.adam(1e-2), 10, 50)
    descent = descender.start({"params": np.zeros((1, 2), np.float32)}, np.zeros((1, 2), np.uint32),
                              np.array([0.1]))  # fmt: skip
    while descender.going(descent).any():
        descent = descender.advance(descent)
    assert descent.step[0] == 50 and not descent.stayed[0]


def test_a_bead_that_waits_at_its_target_has_not_stayed():
    """What it descends is at the target, and the level is not: it goes on below."""
    landscape = bind(energy_task(lambda x: jnp.sum(x**2), lambda key: jnp.zeros(2)))
    low = landscape._replace(loss=lambda p, c, k: (0.5 * landscape.level(p), c))
    for every in (1, 10):
        descender = Descender(low, near_start(polyak()), every, STEPS, looks_early=True)
        start = {"params": np.array([[1.0, 0.0]], np.float32)}
        descent = descender.start(start, np.zeros((1, 2), np.uint32), np.array([0.6]), np.ones(1))
        while descender.going(descent).any():
            descent = descender.advance(descent)
        assert descent.value[0] <= 0.6 and not descent.stayed[0]


@pytest.mark.parametrize("tilt, beside", [(1.0, True), (-1.0, False)])
def test_a_bead_starts_on_the_cubic_where_the_loss_is_lower(tilt, beside):
    """Four beads whose cubic is below the axis between the two in the middle."""

    def hill(x):
        return jnp.exp(-(((x[0] - 1.5) / 0.2) ** 2)) * (2 + tilt * x[1])

    points = {"params": np.array([[0, 1], [1, 0], [2, 0], [3, 1]], np.float32)}
    landscape = bind(energy_task(hill, lambda key: jnp.zeros(2)))

    def descend(held=None):
        return Descender(landscape, optax.sgd(1e-2), 10, STEPS, held)

    problem = Problem(landscape, segment_evaluator(landscape, 50), descend)
    search = Search([String("0-1", points)])
    load_method("dss")().bind(problem, LevelSpec(1.0))(search)
    assert search.pending is not None and search.pending.place.tolist() == [1]
    (bead,) = search.pending.descent.params["params"]
    assert bead[0] == pytest.approx(1.5, abs=1e-2)
    cubic = paths.on_cubic(points, 1, 0.5)
    assert cubic is not None and cubic["params"][1] < -0.05
    assert bead[1] == pytest.approx(cubic["params"][1] if beside else 0, abs=1e-3)
    assert search.pending.descent.value[0] == pytest.approx(float(hill(bead)))
    (string,) = search.strings
    grid = 4 + 3 * 49  # and four a zoom
    assert (string.loss_evals - grid) % 4 == (not beside), "one more where the cubic is higher"
