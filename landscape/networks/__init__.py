"""Networks in flax.linen, and what every task needs of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp

STATISTICS = "batch_stats"  # flax's collection of batch norm's
NONE: Mapping[str, Any] = {}


class Predict(Protocol):
    """(parameters, inputs, statistics of batch norm, where there are any) → outputs."""

    def __call__(
        self, params: Any, x: jax.Array, statistics: Mapping[str, Any] = NONE, /
    ) -> jax.Array: ...


def predictor(model: nn.Module) -> Predict:
    """The network as a function: deterministic, in the parameters' type."""

    def predict(params: Any, x: jax.Array, statistics: Mapping[str, Any] = NONE, /) -> jax.Array:
        out = model.apply({"params": params, **statistics}, _typed(x, params))
        assert isinstance(out, jax.Array)
        return out

    return predict


def learner(model: nn.Module, stored: Mapping[str, Any]) -> Callable[[Any, jax.Array], Any]:
    """(parameters, inputs) → outputs and statistics, where batch norm takes those of the inputs;
    `stored`: such statistics, as `initial_statistics` has them."""

    def learn(params: Any, x: jax.Array) -> Any:
        variables = {"params": params, **stored}
        return model.apply(variables, _typed(x, params), training=True, mutable=STATISTICS)

    return learn


def _typed(x: jax.Array, params: Any) -> jax.Array:
    return x.astype(jnp.result_type(*jax.tree.leaves(params)))


def initialiser(model: nn.Module, sample: jax.Array) -> Callable[[jax.Array], Any]:
    """key → the model's parameters, for inputs shaped and typed like the sample."""
    return lambda key: model.init(key, sample)["params"]


def initial_statistics(model: nn.Module, sample: jax.Array) -> dict[str, Any]:
    """Those of batch norm before training; {} of a network without it."""
    first = jax.eval_shape(model.init, jax.random.key(0), sample)
    if STATISTICS not in first:
        return {}
    return {STATISTICS: model.init(jax.random.key(0), sample)[STATISTICS]}
