"""Networks in flax.linen, and what the configs may say of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from pydantic import BaseModel, ConfigDict, Field

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "sigmoid": nn.sigmoid,
    "tanh": jnp.tanh,
    "gelu": nn.gelu,
    "linear": lambda x: x,
}

Activation = Literal["relu", "sigmoid", "tanh", "gelu", "linear"]
Widths = tuple[Annotated[int, Field(ge=1)], ...]


class Initial(BaseModel):
    """A distribution of initial values: uniform on ±scale, normal or truncated normal of standard
    deviation scale, constant scale, or lecun/he (variance 1/inputs or 2/inputs; scale multiplies).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    distribution: Literal["uniform", "normal", "truncated_normal", "constant", "lecun", "he"]
    scale: float = 1.0

    def initializer(self) -> Callable[..., jax.Array]:
        scale = self.scale
        if self.distribution == "uniform":
            return lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -scale, scale)
        if self.distribution == "normal":
            return nn.initializers.normal(scale)
        if self.distribution == "truncated_normal":
            # TensorFlow's: cut at two standard deviations of the parent, not rescaled
            return lambda key, shape, dtype: (
                jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype) * scale
            )
        if self.distribution == "constant":
            return nn.initializers.constant(scale)
        gain = {"lecun": 1.0, "he": 2.0}[self.distribution] * scale**2
        return nn.initializers.variance_scaling(gain, "fan_in", "truncated_normal")


HE = Initial(distribution="he")
ZERO = Initial(distribution="constant", scale=0.0)
UNIT_UNIFORM = Initial(distribution="uniform", scale=1.0)


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


def predictor(model: nn.Module) -> Callable[[Any, jax.Array], jax.Array]:
    """(parameters, inputs) → outputs, deterministic."""

    def predict(params: Any, x: jax.Array) -> jax.Array:
        out = model.apply({"params": params}, x)
        assert isinstance(out, jax.Array)
        return out

    return predict


def initialiser(model: nn.Module, sample: jax.Array) -> Callable[[jax.Array], Any]:
    """key → the model's parameters, for inputs shaped and typed like the sample."""
    return lambda key: model.init(key, sample)["params"]
