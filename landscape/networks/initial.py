"""Distributions of initial parameters, as a config names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax
from pydantic import BaseModel, ConfigDict


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
