"""The layers against XLA's own, NumPy's and, where it is installed, PyTorch's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.networks import convolutional
from landscape.networks.convolutional import (
    CifarNet,
    MnistNet,
    convolve,
    max_pool,
    normalise_locally,
)

X = np.random.default_rng(0).normal(size=(3, 9, 7, 6)).astype(np.float32)
KERNEL = np.random.default_rng(1).normal(size=(5, 5, 6, 4)).astype(np.float32)


def xla(x, kernel):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)


@pytest.mark.parametrize(("samples", "most"), [(32, 16), (2, 16), (1, 2)])
def test_the_gradients_are_xlas(monkeypatch, samples, most):
    monkeypatch.setattr(convolutional, "IN_CACHE", samples)
    monkeypatch.setattr(convolutional, "MOST_PARTS", most)

    def total(convolve):
        return jax.grad(lambda x, k: jnp.sin(convolve(x, k)).sum(), argnums=(0, 1))(X, KERNEL)

    for ours, theirs in zip(total(convolve), total(xla), strict=True):
        assert np.allclose(ours, theirs, atol=1e-3)


def test_a_hessians_product_is_a_difference_of_gradients(float64):
    x, kernel = X[:1].astype(float), KERNEL.astype(float)
    along = np.ones_like(x), np.random.default_rng(2).normal(size=kernel.shape)
    gradient = jax.jit(jax.grad(lambda x, k: jnp.sin(convolve(x, k)).sum(), argnums=(0, 1)))

    _, products = jax.jvp(gradient, (x, kernel), along)
    above, below = (
        gradient(x + step * along[0], kernel + step * along[1]) for step in (1e-5, -1e-5)
    )
    for product, up, down in zip(products, above, below, strict=True):
        assert np.allclose(product, (up - down) / 2e-5, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 2), (3, 1), (2, 3), (5, 2)])
def test_pools_as_tensorflow_does(window, stride):
    def theirs(x):
        return nn.max_pool(x, (window, window), (stride, stride), "SAME")

    def ours(x):
        return max_pool(x, window, stride)

    assert np.array_equal(ours(jnp.asarray(X)), theirs(X))
    slopes = (jax.grad(lambda x, pool=pool: jnp.sin(pool(x)).sum())(X) for pool in (ours, theirs))
    assert np.allclose(*slopes, rtol=1e-6, atol=1e-6)


def test_a_pools_slope_goes_to_the_first_of_equals():
    flat = jnp.zeros((1, 4, 4, 1))
    slope = jax.grad(lambda x: max_pool(x, 2, 2).sum())(flat)
    assert np.array_equal(slope[0, :, :, 0], [[1, 0, 1, 0], [0, 0, 0, 0]] * 2)


def test_a_pool_has_hessian_products(float64):
    """By jvp of grad. A pool is linear near x, so that differences of gradients are exact."""
    x, along = X.astype(float), np.random.default_rng(3).normal(size=X.shape)
    gradient = jax.grad(lambda x: (max_pool(x, 3, 2) ** 2).sum())
    found = jax.jvp(gradient, (x,), (along,))[1]
    step = 1e-6
    difference = (gradient(x + step * along) - gradient(x - step * along)) / (2 * step)
    assert np.allclose(found, difference, atol=1e-6)


def test_local_response_normalisation_is_its_formula():
    ours = np.asarray(normalise_locally(jnp.asarray(X), radius=2, bias=1.5, alpha=0.3, beta=0.6))
    for c in range(6):
        near = X[..., max(0, c - 2) : c + 3]
        expected = X[..., c] / (1.5 + 0.3 * (near**2).sum(-1)) ** 0.6
        assert np.allclose(ours[..., c], expected, rtol=1e-5)


@pytest.mark.torch
def test_local_response_normalisation_is_pytorchs():
    import torch  # pyright: ignore[reportMissingImports]

    x = torch.tensor(X.transpose(0, 3, 1, 2))
    theirs = torch.nn.LocalResponseNorm(5, alpha=0.3 * 5, beta=0.6, k=1.5)(x)  # a mean, not a sum
    ours = normalise_locally(jnp.asarray(X), radius=2, bias=1.5, alpha=0.3, beta=0.6)
    assert np.allclose(ours, theirs.numpy().transpose(0, 2, 3, 1), rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "shape", "parameters"),
    [
        (MnistNet((32, 64), 1024, 0.5), (1, 28, 28, 1), 3_274_634),
        (CifarNet((64, 64), (384, 192)), (1, 24, 24, 3), 1_068_298),
    ],
)
def test_the_published_networks_sizes(model, shape, parameters):
    found = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros(shape)))
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(found)) == parameters


def test_both_convolutions_make_the_same_network(monkeypatch):
    model, x = MnistNet((3, 4), 8, 0.5), jnp.asarray(X[:, :, :, :1])
    params = model.init(jax.random.key(0), x)
    outs = []
    for loops_slow in (True, False):
        monkeypatch.setattr(convolutional, "loops_slow_convolutions", lambda: loops_slow)  # noqa: B023
        outs.append(model.apply(params, x))
    assert np.allclose(*outs, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "shape", "scales", "biases"),
    [
        (MnistNet((32, 64), 1024, 0.5), (1, 28, 28, 1), [0.1] * 4, [0.1] * 4),
        (
            CifarNet((64, 64), (384, 192)),
            (1, 24, 24, 3),
            [0.05, 0.05, 0.04, 0.04, 1 / 192],
            [0, 0.1, 0.1, 0.1, 0],
        ),
    ],
)
def test_the_initial_parameters_are_the_published_ones(model, shape, scales, biases):
    found = jax.jit(model.init)(jax.random.key(0), jnp.zeros(shape))
    layers = [layer for _, layer in sorted(found["params"].items())]
    for layer, scale, bias in zip(layers, scales, biases, strict=True):
        kernel = np.asarray(layer["kernel"])
        assert abs(kernel).max() <= 2 * scale
        cut = 0.8796  # a normal's deviation when it is cut at 2
        assert kernel.std() == pytest.approx(scale * cut, rel=0.1)
        assert np.allclose(layer["bias"], bias)
