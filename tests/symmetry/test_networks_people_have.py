"""Networks as people have them, in flax: their classes, each proved at random parameters."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core import trees
from landscape.core.permute import reordered
from landscape.symmetry.derive import derive
from landscape.symmetry.match import match
from landscape.symmetry.prove import check
from tests.symmetry.networks import random_like, random_units, sizes

IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(4, 8, 8, 3)), jnp.float32)
WORDS = jnp.asarray(np.random.default_rng(0).integers(0, 11, size=(3, 7)))


class Block(nn.Module):
    filters: int
    stride: int
    norm: type[nn.Module]

    @nn.compact
    def __call__(self, x):
        def normed(x):
            if self.norm is nn.GroupNorm:
                return nn.GroupNorm(num_groups=2)(x)
            return nn.BatchNorm(use_running_average=False)(x)

        def convolved(x, side, stride):
            return nn.Conv(self.filters, (side, side), (stride, stride), use_bias=False)(x)

        y = nn.relu(normed(convolved(x, 3, self.stride)))
        y = normed(convolved(y, 3, 1))
        if x.shape != y.shape:
            x = normed(convolved(x, 1, self.stride))
        return nn.relu(x + y)


class ResNet(nn.Module):
    norm: type[nn.Module]

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(4, (3, 3))(x))
        x = Block(4, 1, self.norm)(x)
        x = Block(6, 2, self.norm)(x)
        x = nn.max_pool(nn.avg_pool(x, (2, 2), (2, 2)), (2, 2), (2, 2))
        return nn.Dense(5)(x.reshape(len(x), -1))


class Transformer(nn.Module):
    """Causal, with a tied embedding."""

    @nn.compact
    def __call__(self, words):
        embedding = nn.Embed(11, 8)
        x = embedding(words) + self.param("place", nn.initializers.normal(1.0), (1, 7, 8))
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=2)(y, y, mask=nn.make_causal_mask(words))
        x = x + nn.Dense(8)(nn.gelu(nn.Dense(12)(nn.RMSNorm()(x))))
        return embedding.attend(nn.LayerNorm()(x))


class FusedAttention(nn.Module):
    """One kernel for queries, keys and values, cut and reshaped to heads."""

    @nn.compact
    def __call__(self, words):
        x = nn.Embed(11, 8)(words)
        parts = jnp.split(nn.Dense(24)(x), 3, -1)
        q, k, v = (part.reshape(*part.shape[:2], 2, 4) for part in parts)
        mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        return nn.Dense(11)(x + nn.Dense(8)(mixed.reshape(*x.shape)))


class Recurrent(nn.Module):
    @nn.compact
    def __call__(self, words):
        x = nn.Embed(11, 5)(words)
        for cell in (nn.GRUCell(6), nn.OptimizedLSTMCell(4), nn.LSTMCell(3)):
            x = nn.RNN(cell)(x)
            assert isinstance(x, jax.Array)
        return nn.Dense(11)(x)


class Gated(nn.Module):
    """A gated layer, then one of normalised weights."""

    @nn.compact
    def __call__(self, x):
        inner, gate = jnp.split(nn.Dense(16)(x.reshape(len(x), -1)), 2, -1)
        return nn.Dense(3)(nn.WeightNorm(nn.Dense(6))(nn.silu(inner) * gate))


@pytest.mark.parametrize(
    "network, data, classes",
    [
        (ResNet(nn.BatchNorm), IMAGES, [4, 4, 6, 6]),
        (ResNet(nn.GroupNorm), IMAGES, [2, 2, 2, 2, 2, 3, 2, 3]),  # groups, and within them
        (Transformer(), WORDS, [8, 12, 2, 4, 4]),
        (FusedAttention(), WORDS, [8, 2, 4, 4]),
        (Recurrent(), WORDS, [5, 6, 4, 3]),
        (Gated(), IMAGES, [8, 6]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_classes_are_found_and_proved_and_recovered(network, data, classes):
    with jax.numpy_rank_promotion("allow"):
        made = network.init(jax.random.key(0), data)
        params = {name: np.asarray(leaf) for name, leaf in trees.to_named(made["params"]).items()}
        rest = {name: one for name, one in made.items() if name != "params"}

        def outputs(named):
            own = {"params": trees.from_named(made["params"], named), **rest}
            return network.apply(own, data, mutable=["batch_stats"])[0]

        shapes = {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in params.items()}
        spec = derive(outputs, shapes).spec
        assert sorted(sizes(spec)) == sorted(classes)
        check(outputs, params, spec)
    a = random_like(params)
    b = reordered(a, spec.orders(random_units(spec)))
    back = reordered(b, spec.orders(match(a, b, spec).permutations))
    assert all(np.array_equal(back[name], a[name]) for name in a)
