"""Gauss-Newton steps: against linear programming, and what they do where a step fails."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import linprog

from landscape import config_from
from landscape.config.load import ConfigError
from landscape.core.landscape import bind
from landscape.search.descend import Descender
from landscape.search.gauss_newton import AIM, RADIUS, SHARE, SHRINKAGE, _step, gauss_newton
from landscape.search.polyak import polyak
from landscape.stages.build import bead_optimizer, build_landscape, build_task

QUADRATIC = {
    "task": {"name": "polynomial", "coefficients": [0.1, 0.25, 0.5], "points": 200},
    "levels": {"values": [0.05]},
}


def regression(samples=60, parameters=3):
    drawn = np.random.default_rng(0)
    scales = 10.0 ** -np.arange(parameters)  # of the columns: an ill-conditioned valley
    return drawn.normal(size=(samples, parameters)) * scales, drawn.normal(size=samples)


def least_absolute(a, b):
    """min mean|Ax − b| as a linear program: x, and u ≥ |Ax − b|."""
    n, p = a.shape
    cost = np.concatenate([np.zeros(p), np.full(n, 1 / n)])
    rows = np.block([[a, -np.eye(n)], [-a, -np.eye(n)]])
    return linprog(cost, rows, np.concatenate([b, -b]), bounds=[(None, None)] * (p + n)).fun


def by_sample_of(value, *data):
    """(parameters) → values [n] and their gradients, of a function of one sample."""

    def by_sample(params):
        return jax.vmap(lambda *row: jax.value_and_grad(value)(params, *row))(*data)

    return by_sample


def evaluations(optimizer: Any, energy, start, target, most=2000):
    """How many gradients it takes to come to the target, and where that is."""
    params, state = jnp.asarray(start), optimizer.init(jnp.asarray(start))
    update = jax.jit(optimizer.update)
    for made in range(most):
        value, gradient = jax.value_and_grad(energy)(params)
        if value <= target:
            return made, params
        move, state = update(gradient, state, params, value=value, target=target, reach=jnp.inf)
        params = optax.apply_updates(params, move)
    return most, params


def test_it_comes_near_the_minimum_that_linear_programming_finds():
    a, b = regression()
    lowest = least_absolute(a, b)
    by_sample = by_sample_of(lambda x, row, y: jnp.abs(row @ x - y), jnp.array(a), jnp.array(b))

    def energy(x):
        return jnp.abs(jnp.asarray(a) @ x - jnp.asarray(b)).mean()

    start, target = np.full(3, 3.0, np.float32), 1.003 * lowest
    made, found = evaluations(gauss_newton(by_sample), energy, start, target)
    assert lowest <= energy(found) <= target and made <= 40
    assert evaluations(polyak(), energy, start, target)[0] > 4 * made


@pytest.mark.parametrize("gap", [0.1, 0.5, 0.9])
def test_a_step_is_as_long_as_it_has_to_be(gap):
    """One sample: the plane where it is at the goal is v − goal away, over |g|."""
    gradient = jnp.array([[3.0, 4.0]])
    step = _step(jnp.array([2.0]), gradient, jnp.array(2 - 2 * gap), jnp.array(jnp.inf))
    along = -np.array([0.6, 0.8])
    length = float(step @ along)
    assert np.allclose(step, length * along, atol=1e-6)
    assert length == pytest.approx(2 * gap / 5, rel=1e-5)
    short = _step(jnp.array([2.0]), gradient, jnp.array(0.0), jnp.array(0.01))
    assert np.linalg.norm(short) == pytest.approx(0.01, rel=1e-5)


def test_a_step_that_did_not_lower_the_loss_is_taken_back_and_shortened():
    by_sample = by_sample_of(lambda x, row: jnp.abs(row @ x), jnp.eye(2))
    made: Any = gauss_newton(by_sample)
    start = jnp.array([10.0, 10.0])

    def after(value, state, x):
        return made.update(x, state, x, value=value, target=jnp.array(1.0), reach=jnp.array(1.0))

    move, state = after(jnp.array(10.0), made.init(start), start)
    assert np.linalg.norm(move) == pytest.approx(RADIUS, rel=1e-4)
    for value in (11.0, jnp.nan):
        back, failed = after(jnp.array(value), state, start + move)
        again = start + move + back - start
        assert np.linalg.norm(again) == pytest.approx(SHRINKAGE * RADIUS, rel=1e-3)
        assert failed.loss == 10 and np.array_equal(failed.best, start)


def test_at_the_target_it_stays_once_and_then_goes_on_below():
    by_sample = by_sample_of(lambda x, row: jnp.abs(row @ x), jnp.eye(2))
    made: Any = gauss_newton(by_sample)
    x = jnp.array([1.0, 1.0])
    seen = {"value": jnp.array(1.0), "target": jnp.array(1.0), "reach": jnp.array(100.0)}
    stayed, state = made.update(x, made.init(x), x, **seen)
    assert not stayed.any()
    went, _ = made.update(x, state, x, **seen)
    below = jnp.abs(x + went).mean()
    assert 1 - 4 * AIM < below <= 1 - SHARE * AIM + 1e-6


def test_the_samples_are_the_metric_taken_apart():
    config = config_from(QUADRATIC)
    landscape: Any = bind(build_task(config), "mae", "test")
    params = landscape.init(jax.random.key(3))
    values, gradients = landscape.by_sample(params)
    value, gradient = jax.value_and_grad(landscape.train_objective)(params)
    assert values.shape == (200,) and np.mean(values) == pytest.approx(float(value), rel=1e-5)
    for name, leaf in gradient.items():
        assert gradients[name].shape == (200, *leaf.shape)
        assert np.allclose(gradients[name].mean(0), leaf, atol=1e-6)


@pytest.mark.parametrize("cut", [1, 7])
def test_the_way_down_is_the_same_however_it_is_cut(cut, monkeypatch):
    landscape: Any = bind(build_task(config_from(QUADRATIC)), "mae")
    own = landscape._replace(
        loss=lambda params, carry, key: (landscape.train_objective(params), carry)
    )
    start = jax.tree.map(lambda leaf: np.asarray(leaf)[None], landscape.init(jax.random.key(1)))

    def descend(steps):
        optimizer = gauss_newton(landscape.by_sample)
        descender = Descender(own, optimizer, 10, 100, looks_early=True)
        monkeypatch.setattr(descender._pace, "timed", lambda call: call(steps))
        descent = descender.start(start, np.zeros((1, 2), np.uint32), np.array([0.02]))
        while descender.going(descent).any():
            descent = descender.advance(descent)
        return descent.settled()

    whole, parts = descend(100), descend(cut)
    assert whole.value[0] <= 0.02 and whole.step == parts.step
    for name, leaf in whole.params.items():
        assert np.array_equal(leaf, parts.params[name])


def optimizer_of(**changes):
    config = config_from({key: QUADRATIC.get(key, {}) | changes.get(key, {})
                          for key in ("task", "train", "levels", "connect")})  # fmt: skip
    return bead_optimizer(config, build_landscape(config))


def test_few_parameters_and_a_mean_over_samples_take_it():
    assert optimizer_of() == "gauss-newton"
    assert optimizer_of(task={"hidden": [20, 20]}) == "polyak"
    assert optimizer_of(task={"points": 10_001}) == "polyak"
    assert optimizer_of(connect={"learning_rate": 1e-3}) == "adam"
    assert optimizer_of(connect={"optimizer": "polyak"}) == "polyak"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learning_rate": 0.1}, r"connect\.learning_rate: does not go with"),
        ({"weight_decay": {"rate": 0.1}}, r"connect\.weight_decay: does not go with"),
    ],
)
def test_what_does_not_go_with_it(changes, said):
    with pytest.raises(ConfigError, match=said):
        optimizer_of(connect={"optimizer": "gauss-newton", **changes})


def test_a_metric_that_is_no_mean_over_samples_is_refused():
    config = config_from(
        {"task": {"name": "digits", "hidden": [4]}, "levels": {"values": [0.5]}}
        | {"connect": {"optimizer": "gauss-newton"}}
    )
    landscape = build_landscape(config)._replace(by_sample=None)
    with pytest.raises(ConfigError, match=r"`sample_means` \(allowed: polyak, adabelief, "):
        bead_optimizer(config, landscape)
