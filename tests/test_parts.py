"""Means over samples a part at a time: the same number, gradient and second derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core import devices
from landscape.core.parts import in_parts, intermediate_bytes, sample_mean, samples_within
from landscape.core.state import Variables
from landscape.networks.convolutional import convolve


def error(point, data):
    x, y = data
    return ((jnp.tanh(x @ point["a"]) @ point["b"] - y) ** 2).mean()


def a_point(rows=5, hidden=7):
    drawn = np.random.default_rng(0)
    return {
        "a": jnp.asarray(drawn.normal(size=(rows, hidden)), jnp.float32),
        "b": jnp.asarray(drawn.normal(size=hidden), jnp.float32),
    }


def some_data(samples, rows=5):
    drawn = np.random.default_rng(1)
    return (
        jnp.asarray(drawn.normal(size=(samples, rows)), jnp.float32),
        jnp.asarray(drawn.normal(size=samples), jnp.float32),
    )


@pytest.fixture
def small_cache(monkeypatch):
    """Of which a hundredth or so of the samples' way has room."""
    monkeypatch.setattr(devices, "CACHED", 1)
    monkeypatch.setattr("landscape.core.parts.PARAMETERS", 2)


def loops(function, point):
    return str(jax.make_jaxpr(jax.grad(function))(point)).count("scan[")


@pytest.mark.parametrize("samples", [600, 601, 1009])  # 601 and 1009 are primes: with a rest
def test_value_and_derivatives_are_the_wholes(small_cache, samples):
    point, data = a_point(), some_data(samples)
    mean = sample_mean(error, data)
    assert loops(mean, point) >= 1
    direction = jax.tree.map(lambda leaf: jnp.cos(7 * leaf), point)

    def derivatives(function):
        gradient = jax.grad(function)
        slope = jax.jvp(function, (point,), (direction,))[1]
        product = jax.jvp(gradient, (point,), (direction,))[1]
        hessian = jax.jacrev(gradient)(point)["b"]["b"]
        several = jax.vmap(gradient)(jax.tree.map(lambda leaf: jnp.stack([leaf, -leaf]), point))
        return function(point), gradient(point), slope, product, hessian, several

    for ours, theirs in zip(
        jax.tree.leaves(derivatives(mean)),
        jax.tree.leaves(derivatives(lambda point: error(point, data))),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


def test_the_gradient_goes_through_state(small_cache):
    data = some_data(600)

    def normed(variables, data):
        x, y = data
        return error(variables.params, (x - variables.state["mean"][None], y))

    def through(mean):
        return lambda point: mean(Variables(point, {"mean": point["a"].sum(1)}))

    point = a_point()
    ours = jax.grad(through(sample_mean(normed, data)))(point)
    theirs = jax.grad(through(lambda variables: normed(variables, data)))(point)
    for name in point:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-5)


def test_all_at_once_where_nothing_is_gained(small_cache, monkeypatch):
    point, data = a_point(), some_data(600)
    with monkeypatch.context() as patch:
        patch.setattr(devices, "cached_bytes", lambda: None)
        assert not loops(sample_mean(error, data), point), "not a CPU"
    with monkeypatch.context() as patch:
        patch.setattr("landscape.core.parts.PARAMETERS", 10_000)
        assert not loops(sample_mean(error, data), point), "parameters are large"
    coarse = sample_mean(lambda p, d: error(p, d).astype(jnp.bfloat16).astype(jnp.float32), data)
    assert not loops(coarse, point), "sums of halves would round"

    def outside(point, data):
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return jax.pure_callback(lambda x: x, shape, error(point, data))

    assert float(sample_mean(outside, data)(point)) == pytest.approx(float(error(point, data)))
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), point)
    assert not loops(sample_mean(error, data), half), "a sum would round"

    images, weights = jnp.ones((600, 8, 8, 1)), jnp.ones((3, 3, 1, 2))

    def convolved(point, data):
        return jnp.square(convolve(data, point)).mean()

    assert not loops(sample_mean(convolved, images), weights), "slow in a loop"


def test_a_part_is_small_enough():
    seen = []

    def function(w, data):
        seen.append(data.shape)
        return jnp.tanh(data @ w).mean()

    shape = jax.ShapeDtypeStruct((10,), jnp.float32)
    bytes_of = intermediate_bytes(function, shape, jax.ShapeDtypeStruct((100, 10), jnp.float32))
    assert 2 * 400 <= bytes_of <= 3 * 400
    for samples, parts in (1000, {50}), (1009, {90, 1009 % 90}):  # 20 even parts, and a rest
        data = jnp.ones((samples, 10))
        part = samples_within(8 * 90, function, shape, data)
        assert part == 90
        seen.clear()
        assert float(in_parts(function, data, part)(jnp.ones(10))) == pytest.approx(np.tanh(10))
        assert {count for count, _ in seen} == parts
