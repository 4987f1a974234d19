"""A transformer that reads text."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from landscape.networks.attention import (
    Attention,
    attention_block,
    dense,
    layer_norm,
    with_positions,
)


class Transformer(Attention):
    """Positions that are learnt, and blocks of causal attention and an MLP, each after a layer
    norm."""

    def module(self, vocabulary: int) -> nn.Module:
        return _Transformer(self.width, self.heads, self.depth, vocabulary)


class _Transformer(nn.Module):
    """Radford et al. 2019, without dropout: characters [n, time], integers → logits [n, time,
    vocabulary] of those that follow."""

    width: int
    heads: int
    depth: int
    vocabulary: int

    @nn.compact
    def __call__(self, characters: jax.Array) -> jax.Array:
        kind = jnp.result_type(float)
        x = with_positions(
            self, nn.Embed(self.vocabulary, self.width, param_dtype=kind)(characters)
        )
        past = nn.make_causal_mask(characters)
        for _ in range(self.depth):
            x = attention_block(x, self.heads, past)
        return dense(self.vocabulary)(layer_norm()(x))
