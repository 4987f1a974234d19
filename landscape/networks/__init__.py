"""Networks in flax.linen, and what every task needs of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


def predictor(model: nn.Module) -> Callable[[Any, jax.Array], jax.Array]:
    """(parameters, inputs) → outputs, deterministic, in the parameters' type."""

    def predict(params: Any, x: jax.Array) -> jax.Array:
        out = model.apply({"params": params}, x.astype(jnp.result_type(*jax.tree.leaves(params))))
        assert isinstance(out, jax.Array)
        return out

    return predict


def initialiser(model: nn.Module, sample: jax.Array) -> Callable[[jax.Array], Any]:
    """key → the model's parameters, for inputs shaped and typed like the sample."""
    return lambda key: model.init(key, sample)["params"]
