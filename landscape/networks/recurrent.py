"""The LSTM of Freeman & Bruna 2017, Figure 1 (Zaremba et al. 2014, without dropout)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from landscape.networks.initial import Initial

State = tuple[tuple[jax.Array, jax.Array], ...]


class LSTM(nn.Module):
    """One layer over time: state (c, h), each [n, width], and x [time, n, inputs] →
    state, [time, n, width]. The inputs' part is one matrix product for all times."""

    width: int
    weights: Initial

    @nn.compact
    def __call__(
        self, state: tuple[jax.Array, jax.Array], x: jax.Array
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        draw, kind = self.weights.initializer(), x.dtype
        inputs = self.param("inputs", draw, (x.shape[-1], 4 * self.width), kind)
        recurrent = self.param("recurrent", draw, (self.width, 4 * self.width), kind)
        bias = self.param("bias", nn.initializers.zeros, (4 * self.width,), kind)

        def tick(state: tuple[jax.Array, jax.Array], fed: jax.Array) -> Any:
            cell, hidden = state
            enter, new, forget, leave = jnp.split(fed + hidden @ recurrent, 4, axis=-1)
            cell = nn.sigmoid(forget) * cell + nn.sigmoid(enter) * jnp.tanh(new)
            hidden = nn.sigmoid(leave) * jnp.tanh(cell)
            return (cell, hidden), hidden

        return jax.lax.scan(tick, state, x @ inputs + bias[None, None])


class LanguageModel(nn.Module):
    """Words [n, time], integers, and a state → logits [time, n, vocabulary] of the words that
    follow, and the state after them."""

    vocabulary: int
    width: int
    layers: int
    weights: Initial

    @nn.compact
    def __call__(self, state: State, words: jax.Array) -> tuple[jax.Array, State]:
        draw, kind = self.weights.initializer(), jnp.result_type(float)
        embedding = self.param("embedding", draw, (self.vocabulary, self.width), kind)
        x, after = embedding[words.T], []
        for layer in range(self.layers):
            name = f"LSTM_{layer}"
            out, x = LSTM(self.width, self.weights, name=name)(state[layer], x)
            after.append(out)
        kernel = self.param("softmax", draw, (self.width, self.vocabulary), kind)
        bias = self.param("softmax_bias", draw, (self.vocabulary,), kind)
        return x @ kernel + bias[None, None], tuple(after)

    def rest(self, streams: int) -> State:
        """The state of every layer before the first word: zeros."""
        zeros = jnp.zeros((streams, self.width))
        return tuple((zeros, zeros) for _ in range(self.layers))
