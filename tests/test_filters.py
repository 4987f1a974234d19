"""Which axes number an array's filters: given, declared, or derived from the loss."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core import trees
from landscape.measures.filters import filter_axes, traced
from landscape.networks.dense import MLP
from landscape.networks.initial import HE, ZERO, Initial
from landscape.networks.recurrent import LanguageModel

X = jnp.asarray(np.random.default_rng(0).normal(size=(7, 5)), jnp.float32)
IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(3, 8, 8, 2)), jnp.float32)


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


def axes(function, **sizes):
    return traced(lambda p: jnp.sum(function(**p) ** 2), {n: shape(*s) for n, s in sizes.items()})


@pytest.mark.parametrize(
    "function, sizes, found",
    [
        (lambda w: X @ w, (5, 4), (1,)),
        (lambda w: X @ w.T, (4, 5), (0,)),
        (lambda w: w @ X.T, (4, 5), (0,)),
        (lambda w: jnp.einsum("ni,oi->on", X, w), (4, 5), (0,)),
        (lambda w: jax.vmap(lambda x: jnp.tanh(w) @ x)(X), (4, 5), (0,)),
        (lambda w: X @ w.reshape(5, 6), (5, 2, 3), (1, 2)),
        (lambda w: X.reshape(-1) @ w.reshape(-1, 4), (7, 5, 4), (2,)),
        (lambda w: jnp.einsum("ni,ihd->nhd", X, w), (5, 2, 3), (1, 2)),
        (lambda w: X @ (w / jnp.linalg.norm(w, axis=0, keepdims=True)), (5, 4), (1,)),
        (lambda w: X @ jnp.concatenate([w, 2 * w], 1), (5, 4), (1,)),
        (lambda w: jnp.tanh(jnp.tanh(X @ w) @ w), (5, 5), (1,)),
        (lambda w: jax.checkpoint(lambda x: jax.nn.relu(x @ w))(X), (5, 4), (1,)),
        (lambda w: jax.lax.map(lambda x: x @ w, X, batch_size=2), (5, 4), (1,)),
        (lambda w: X[:, :1] @ w, (1, 4), (1,)),
    ],
)  # fmt: skip
def test_what_a_product_with_data_keeps(function, sizes, found):
    assert axes(function, w=sizes)["w"] == found


def test_layers_that_a_scan_runs_through_are_found_inside_it():
    def stacked(w):
        return jax.lax.scan(lambda h, v: (jnp.tanh(h @ v.T), 0), X, w)[0]

    assert axes(stacked, w=(3, 5, 5)) == {"w": (0, 1)}  # the layers are filters' places, too


def convolution(spec, kernel):
    return jax.lax.conv_general_dilated(
        IMAGES, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", spec, "NHWC")
    )


def test_convolutions_in_both_layouts():
    assert axes(lambda w: convolution("HWIO", w), w=(3, 3, 2, 4)) == {"w": (3,)}
    assert axes(lambda w: convolution("OIHW", w), w=(4, 2, 3, 3)) == {"w": (0,)}


@pytest.mark.parametrize(
    "function, sizes",
    [
        (lambda w: w, (4, 5)),  # no product
        (lambda w: w[jnp.array([0, 1])], (4, 5)),  # looked up
        (lambda w: X @ w @ w.T, (5, 4)),  # an autoencoder's, used both ways
        (lambda w: X[:, :2] @ w.reshape(2, 10), (4, 5)),  # half of an axis
        (lambda w: jnp.linalg.inv(w) @ X.T, (5, 5)),
        (lambda w: X @ (w * (np.ones((5, 4)) - np.eye(5, 4))), (5, 4)),  # a mask is data, too
    ],
)
def test_what_cannot_be_told(function, sizes):
    assert axes(function, w=sizes) == {}


def test_parameters_multiplied_with_each_other_tell_nothing():
    """Of W₂W₁x the product W₂W₁ sums over the outputs of W₁."""
    assert axes(lambda a, b: (b @ a) @ X.T, a=(4, 5), b=(3, 4)) == {}
    assert axes(lambda a, b: b @ (a @ X.T), a=(4, 5), b=(3, 4)) == {"a": (0,), "b": (0,)}


def test_flax_has_its_outputs_last():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.LayerNorm()(nn.Conv(4, (3, 3))(x)))
            x = nn.MultiHeadDotProductAttention(2)(nn.Dense(6)(x).reshape(len(x), -1, 6))
            return nn.Dense(3)(x.mean(1))

    net = Net()
    named = jax.eval_shape(lambda key: trees.to_named(net.init(key, IMAGES)), jax.random.key(0))
    template = jax.eval_shape(net.init, jax.random.key(0), IMAGES)

    def loss(p):
        out: Any = net.apply(trees.from_named(template, p), IMAGES)
        return jnp.sum(out**2)

    with pytest.raises(ValueError, match=r"key\.bias, of shape \(2, 3\)"):
        filter_axes(loss, named)  # a bias of two axes
    found = filter_axes(loss, named, {"*.bias": None})
    assert found.keys() == {name for name, leaf in named.items() if len(leaf.shape) > 1}
    for name, kept in found.items():
        if name.endswith("bias"):
            assert kept is None
            continue
        heads = any(part in name for part in ("query", "key", "value"))
        count = len(named[name].shape)
        assert kept == ((count - 2, count - 1) if heads else (count - 1,)), name


def test_our_networks():
    model = MLP((4,), 2, "relu", "linear", HE, ZERO)
    named = jax.eval_shape(lambda k: trees.to_named(model.init(k, X)["params"]), jax.random.key(0))
    template = jax.eval_shape(lambda k: model.init(k, X)["params"], jax.random.key(0))

    def loss(p):
        out: Any = model.apply({"params": trees.from_named(template, p)}, X)
        return jnp.sum(out**2)

    assert filter_axes(loss, named) == {"Dense_0.kernel": (1,), "Dense_1.kernel": (1,)}


def test_an_lstm_needs_its_embedding_declared():
    model = LanguageModel(11, 4, 1, Initial(distribution="uniform"))
    words, rest = jnp.zeros((2, 3), jnp.int32), model.rest(2)
    template = jax.eval_shape(lambda k: model.init(k, rest, words)["params"], jax.random.key(0))

    def loss(p):
        out: Any = model.apply({"params": trees.from_named(template, p)}, rest, words)
        return jnp.sum(out[0] ** 2)

    named = trees.to_named(template)
    with pytest.raises(ValueError, match="embedding, of shape"):
        filter_axes(loss, named)
    found = filter_axes(loss, named, {"embedding": 0})
    assert found == {
        "LSTM_0.inputs": (1,), "LSTM_0.recurrent": (1,), "embedding": (0,), "softmax": (1,)
    }  # fmt: skip


def test_what_is_given_stands_before_what_is_declared_and_derived():
    shapes = {"a.w": shape(5, 4), "b.w": shape(4, 4), "c": shape(4), "d": shape(2, 2)}

    def loss(p):
        return jnp.sum(jnp.tanh(X @ p["a.w"]) @ p["b.w"] + p["c"][None])

    given = {"a.w": -2, "*.w": [0, -1]}
    found = filter_axes(loss, shapes, given, {"b.w": 0, "d": None})
    assert found == {"a.w": (0,), "b.w": (0, 1), "d": None}
    assert filter_axes(loss, shapes, {"d": ()}) == {"a.w": (1,), "b.w": (1,), "d": ()}
    for wrong, said in (({"e*": 0}, "'e\\*' matches none of: a.w, b.w"), ({"d": 2}, "no axis 2")):
        with pytest.raises(ValueError, match=said):
            filter_axes(loss, shapes, wrong)
    with pytest.raises(ValueError, match=r"d, of shape \(2, 2\): which of its axes"):
        filter_axes(loss, shapes)


def test_without_an_array_of_two_axes_each_array_is_a_filter():
    assert filter_axes(lambda p: p["x"].sum(), {"x": shape(2), "y": shape()}) == {"x": (), "y": ()}
