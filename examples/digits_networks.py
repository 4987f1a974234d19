"""Networks on real digits that lscape was not built for: attention, and convolutions.

configs/claims/attention.yaml and configs/claims/convolution.yaml ask whether what holds for dense
networks holds for these.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

from landscape import Outputs, Task


class Attention(nn.Module):
    """Sixteen patches of 2 × 2 pixels, in blocks of attention and a dense layer (pre-norm)."""

    width: int
    blocks: int

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        patches = images.reshape(-1, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 16, 4)
        x = nn.Dense(self.width)(patches)
        x = x + self.param("place", nn.initializers.normal(0.1), (16, self.width))
        for _ in range(self.blocks):
            y = nn.LayerNorm()(x)
            x = x + nn.MultiHeadDotProductAttention(num_heads=2)(y, y)
            y = nn.gelu(nn.Dense(2 * self.width)(nn.LayerNorm()(x)))
            x = x + nn.Dense(self.width)(y)
        return nn.Dense(10)(nn.LayerNorm()(x).mean(1))


class Convolution(nn.Module):
    """Two convolutions of 3 × 3, each of stride 2."""

    filters: int

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = images.reshape(-1, 8, 8, 1)
        x = nn.relu(nn.Conv(self.filters, (3, 3), strides=2)(x))
        x = nn.relu(nn.Conv(2 * self.filters, (3, 3), strides=2)(x))
        return nn.Dense(10)(x.reshape(len(x), -1))


def attention(width: int = 16, blocks: int = 1, images: int = 600) -> Task:
    """Classification by attention: 2,762 parameters by default."""
    return _classified(Attention(width, blocks), images)


def convolution(filters: int = 8, images: int = 600) -> Task:
    """Classification by convolutions: 1,898 parameters by default."""
    return _classified(Convolution(filters), images)


def _classified(network: nn.Module, images: int) -> Task:
    x, y = load_digits(return_X_y=True)
    data = jnp.asarray(x[:images] / 16, jnp.float32), jnp.asarray(y[:images])
    predict: Callable[..., jax.Array] = jax.jit(network.apply)

    def cross_entropy(params, data):
        logits = predict(params, data[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, data[1]).mean()

    return Task(
        init=lambda key: network.init(key, data[0][:1]),
        loss=lambda params, carry, batch, key: (cross_entropy(params, batch), carry),
        metrics={"loss": cross_entropy},
        sample_means=("loss",),
        outputs=Outputs(lambda params, data: predict(params, data[0]), "jsd"),
        data={"train": data},
    )
