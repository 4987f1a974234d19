"""The dense network against flax's own layers."""

from typing import Any

import flax.linen as nn
import jax
import numpy as np
import pytest

from landscape.networks.dense import ACTIVATIONS, MLP
from landscape.networks.initial import HE, Initial


class Plain(nn.Module):
    """The same of flax.linen.Dense."""

    bias: bool

    @nn.compact
    def __call__(self, x):
        draw = HE.initializer()
        normal = nn.initializers.normal(0.5)
        for width in (5, 3):
            x = nn.relu(nn.Dense(width, kernel_init=draw, use_bias=self.bias, bias_init=normal)(x))
        return ACTIVATIONS["tanh"](
            nn.Dense(2, kernel_init=draw, use_bias=self.bias, bias_init=normal)(x)
        )


@pytest.mark.parametrize("bias", [True, False])
def test_it_is_flaxs_dense_in_names_draws_values_and_gradients(bias):
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    biases = Initial(distribution="normal", scale=0.5) if bias else None
    ours, theirs = MLP((5, 3), 2, "relu", "tanh", HE, biases), Plain(bias)
    start: Any = theirs.init(jax.random.key(3), x)
    assert jax.tree.all(jax.tree.map(np.array_equal, ours.init(jax.random.key(3), x), start))

    def both(model):
        return jax.value_and_grad(lambda p: jax.numpy.square(model.apply(p, x)).sum())(start)

    (value, gradient), (expected, wanted) = both(ours), both(theirs)
    assert np.allclose(value, expected, rtol=1e-5)
    assert jax.tree.all(jax.tree.map(lambda a, b: np.allclose(a, b, atol=1e-5), gradient, wanted))
