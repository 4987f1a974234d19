"""The LSTM against flax's cell and, where it is installed, PyTorch's."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.networks.initial import Initial
from landscape.networks.recurrent import LSTM, LanguageModel

WEIGHTS = Initial(distribution="uniform", scale=0.5)
X = np.random.default_rng(0).normal(size=(7, 3, 5)).astype(np.float32)  # time, streams, inputs
STATE = tuple(np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32))


@pytest.fixture(scope="module")
def params():
    made = LSTM(4, WEIGHTS).init(jax.random.key(0), STATE, X)["params"]
    return {**made, "bias": jnp.linspace(-1, 1, 16)}


def apply(params) -> Any:
    return LSTM(4, WEIGHTS).apply({"params": params}, STATE, X)


def test_it_is_flaxs_cell(params):
    gates = dict(zip("igfo", jnp.split(jnp.arange(16), 4), strict=True))
    theirs = {f"i{g}": {"kernel": params["inputs"][:, at]} for g, at in gates.items()}
    theirs |= {
        f"h{g}": {"kernel": params["recurrent"][:, at], "bias": params["bias"][at]}
        for g, at in gates.items()
    }
    cell, state, outs = nn.OptimizedLSTMCell(4), STATE, []
    for x in X:
        state, out = cell.apply({"params": theirs}, state, x)
        outs.append(out)
    after, ours = apply(params)
    assert np.allclose(ours, outs, atol=1e-6)
    assert np.allclose(after[0], state[0], atol=1e-6) and np.allclose(after[1], state[1], atol=1e-6)


@pytest.mark.torch
def test_it_is_pytorchs_layer(params):
    import torch  # pyright: ignore[reportMissingImports]

    order = np.concatenate([np.arange(4) + 4 * gate for gate in (0, 2, 1, 3)])  # i f g o
    layer = torch.nn.LSTM(5, 4)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.tensor(np.asarray(params["inputs"]).T[order]))
        layer.weight_hh_l0.copy_(torch.tensor(np.asarray(params["recurrent"]).T[order]))
        layer.bias_ih_l0.copy_(torch.tensor(np.asarray(params["bias"])[order]))
        layer.bias_hh_l0.zero_()
        cell, hidden = (torch.tensor(part)[None] for part in STATE)
        theirs, _ = layer(torch.tensor(X), (hidden, cell))
    _, ours = apply(params)
    assert np.allclose(ours, theirs.numpy(), atol=1e-6)


def test_a_text_read_in_windows_is_the_text_read_whole():
    model = LanguageModel(11, 4, 2, WEIGHTS)
    words = jnp.asarray(np.random.default_rng(2).integers(0, 11, (3, 12)))
    params = model.init(jax.random.key(0), model.rest(3), words)
    whole, _ = model.apply(params, model.rest(3), words)
    state, parts = model.rest(3), []
    for start in range(0, 12, 4):
        part, state = model.apply(params, state, words[:, start : start + 4])
        parts.append(part)
    assert np.allclose(np.concatenate(parts), whole, atol=1e-6)


def test_the_published_networks_size():
    model = LanguageModel(10_000, 200, 2, WEIGHTS)
    shapes = jax.eval_shape(
        lambda: model.init(jax.random.key(0), model.rest(1), jnp.zeros((1, 20), jnp.int32))
    )
    # Zaremba's small model: 10,000·200 + 2·(400·800 + 800) + 200·10,000 + 10,000
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes)) == 4_651_600
