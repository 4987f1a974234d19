"""Blocks of transformers, for images and for text."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from pydantic import field_validator

from landscape.core.settings import Count, Settings


class Attention(Settings):
    """What networks of attention have in common."""

    width: Count = 32
    """Of the vector of a patch or character."""
    heads: Count = 4
    """Of attention, a divisor of the width."""
    depth: Count = 2
    """Blocks."""

    @field_validator("heads")
    @classmethod
    def _divide(cls, heads: int, info: Any) -> int:
        if info.data.get("width", heads) % heads:
            raise ValueError(f"must divide the width {info.data['width']}, got {heads}")
        return heads


def dense(width: int) -> Any:
    return nn.Dense(width, param_dtype=jnp.result_type(float))


def layer_norm() -> Any:
    return nn.LayerNorm(param_dtype=jnp.result_type(float))


class _MLP(nn.Module):
    """Two dense layers with a GELU between them, that end in as many units as they began with."""

    hidden: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return dense(x.shape[-1])(nn.gelu(dense(self.hidden)(x)))


def mlp(hidden: int) -> Any:
    return _MLP(hidden)


def with_positions(module: nn.Module, x: jax.Array) -> jax.Array:
    """[n, places, width] and a vector for each place that is learnt, a parameter of the module."""
    drawn = nn.initializers.normal(0.02)
    return x + module.param("positions", drawn, (1, *x.shape[1:]), jnp.result_type(float))


def attention_block(x: jax.Array, heads: int, mask: jax.Array | None = None) -> jax.Array:
    """Attention, then an MLP, each after a layer norm and beside a shortcut; mask: who sees whom,
    [n, heads or 1, places, places]."""
    attend = nn.MultiHeadDotProductAttention(heads, param_dtype=jnp.result_type(float))
    x = x + attend(layer_norm()(x), mask=mask)
    return x + mlp(2 * x.shape[-1])(layer_norm()(x))
