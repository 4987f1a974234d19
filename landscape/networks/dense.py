"""Dense networks in flax.linen, and what the configs may say of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from pydantic import Field

from landscape.networks.initial import HE, ZERO, Initial

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "sigmoid": nn.sigmoid,
    "tanh": jnp.tanh,
    "gelu": nn.gelu,
    "linear": lambda x: x,
}

Activation = Literal["relu", "sigmoid", "tanh", "gelu", "linear"]
Widths = tuple[Annotated[int, Field(ge=1)], ...]


class MLP(nn.Module):
    """Dense layers: [samples, inputs] → [samples, outputs]."""

    hidden: Widths
    outputs: int
    activation: str = "relu"
    output_activation: str = "linear"
    weights: Initial = HE
    biases: Initial | None = ZERO

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        widths = (*self.hidden, self.outputs)
        names = (*[self.activation] * len(self.hidden), self.output_activation)
        bias: dict[str, Any] = (
            {"use_bias": False} if self.biases is None else {"bias_init": self.biases.initializer()}
        )
        for width, name in zip(widths, names, strict=True):
            kernel = self.weights.initializer()
            x = nn.Dense(width, kernel_init=kernel, param_dtype=x.dtype, **bias)(x)
            x = ACTIVATIONS[name](x)
        return x
