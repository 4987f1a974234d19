"""Networks for images [n, h, w, c] → logits [n, classes], as a config names them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from pydantic import Field, field_validator

from landscape.core.devices import loops_slow_convolutions
from landscape.core.settings import Count, Settings
from landscape.networks.attention import (
    Attention,
    attention_block,
    dense,
    layer_norm,
    mlp,
    with_positions,
)
from landscape.networks.convolutional import convolve, max_pool

Norm = Literal["batch", "group", "none"]
GROUP = 8  # channels of a group, where there are as many
HE = nn.initializers.variance_scaling(2.0, "fan_in", "truncated_normal")


class ResNet(Settings):
    """6n + 2 layers in three stages of blocks of two convolutions, with shortcuts that have no
    parameters."""

    name: Literal["resnet"] = "resnet"
    """Which network."""
    depth: Annotated[int, Field(ge=8)] = 20
    """Layers, 6n + 2."""
    width: Count = 16
    """Channels of the first stage; the others have twice and four times as many."""
    norm: Norm = "group"
    """Normalisation after each convolution; without any, each block begins as its shortcut."""

    @field_validator("depth")
    @classmethod
    def _in_stages(cls, depth: int) -> int:
        if (depth - 2) % 6:
            raise ValueError(f"must be 6n + 2, as 8, 20, 32 or 56; got {depth}")
        return depth

    def module(self, classes: int) -> nn.Module:
        return _ResNet((self.depth - 2) // 6, self.width, self.norm, classes)


class VGG(Settings):
    """Stages of two convolutions and a pool of 2, and a dense layer."""

    name: Literal["vgg"]
    """Which network."""
    channels: Annotated[tuple[Count, ...], Field(min_length=1)] = (16, 32)
    """Of each stage."""
    dense: Count = 64
    """Units of the dense layer."""
    norm: Norm = "none"
    """Normalisation after each convolution."""

    def module(self, classes: int) -> nn.Module:
        return _VGG(self.channels, self.dense, self.norm, classes)


class ViT(Attention):
    """A vision transformer: patches, positions that are learnt, blocks of attention and an MLP,
    each after a layer norm, and the mean over patches."""

    name: Literal["vit"]
    """Which network."""
    patch: Count = 2
    """Side of a patch, of which the side of an image is a multiple."""

    def module(self, classes: int) -> nn.Module:
        return _ViT(self.patch, self.width, self.heads, self.depth, classes)


class Mixer(Settings):
    """An MLP-Mixer: patches, and blocks of an MLP across patches and one across channels, each
    after a layer norm."""

    name: Literal["mixer"]
    """Which network."""
    patch: Count = 2
    """Side of a patch, of which the side of an image is a multiple."""
    width: Count = 32
    """Of a patch's vector."""
    depth: Count = 2
    """Blocks."""

    def module(self, classes: int) -> nn.Module:
        return _Mixer(self.patch, self.width, self.depth, classes)


Network = Annotated[ResNet | VGG | ViT | Mixer, Field(discriminator="name")]


def _strided(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], *_: Any, **__: Any) -> Any:
    """flax calls it instead of XLA's convolution: that of stride 1, every so many places."""
    return convolve(x, kernel)[:, :: strides[0], :: strides[1]]


def _convolution(
    channels: int, stride: int, weights: jax.nn.initializers.Initializer, bias: bool
) -> Any:
    how: dict[str, Any] = {"conv_general_dilated": _strided} if loops_slow_convolutions() else {}
    return nn.Conv(
        channels, (3, 3), (stride, stride), padding=1, use_bias=bias, kernel_init=weights,
        param_dtype=jnp.result_type(float), **how,
    )  # fmt: skip


def _normalised(x: jax.Array, norm: Norm, training: bool) -> jax.Array:
    if norm == "none":
        return x
    if norm == "batch":  # no running average: it takes the statistics of the last batch alone
        kind = jnp.result_type(float)
        return nn.BatchNorm(not training, momentum=0.0, param_dtype=kind)(x)
    size = GROUP if x.shape[-1] % GROUP == 0 else x.shape[-1]
    return nn.GroupNorm(None, size, param_dtype=jnp.result_type(float))(x)


class _ResNet(nn.Module):
    """He et al. 2016, Sec. 4.2, with batch normalisation, group normalisation (Wu & He 2018) or
    none (De & Smith 2020)."""

    blocks: int
    width: int
    norm: Norm
    classes: int

    @nn.compact
    def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
        bias, zero = self.norm == "none", nn.initializers.zeros
        last = zero if self.norm == "none" else HE
        x = nn.relu(_normalised(_convolution(self.width, 1, HE, bias)(x), self.norm, training))
        for stage in range(3):
            channels = self.width * 2**stage
            for block in range(self.blocks):
                stride = 2 if stage and not block else 1
                out = _convolution(channels, stride, HE, bias)(x)
                out = nn.relu(_normalised(out, self.norm, training))
                out = _convolution(channels, 1, last, bias)(out)
                out = _normalised(out, self.norm, training)
                room = [(0, 0)] * 3 + [(0, channels - x.shape[-1])]
                x = nn.relu(out + jnp.pad(x[:, ::stride, ::stride], room))
        return dense(self.classes)(x.mean((1, 2)))


class _VGG(nn.Module):
    """Simonyan & Zisserman 2015, in small."""

    channels: tuple[int, ...]
    dense: int
    norm: Norm
    classes: int

    @nn.compact
    def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
        for channels in self.channels:
            for _ in range(2):
                out = _convolution(channels, 1, HE, self.norm == "none")(x)
                x = nn.relu(_normalised(out, self.norm, training))
            x = max_pool(x, 2, 2)
        x = nn.relu(dense(self.dense)(x.reshape(len(x), -1)))
        return dense(self.classes)(x)


def _patches(x: jax.Array, side: int) -> jax.Array:
    """[n, h, w, c] → [n, patches, side²·c]."""
    n, high, wide, channels = x.shape
    if high % side or wide % side:
        raise ValueError(f"images of {high} × {wide} have no patches of {side} × {side}")
    x = x.reshape(n, high // side, side, wide // side, side, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, -1, side * side * channels)


class _ViT(nn.Module):
    """Dosovitskiy et al. 2021, without a class token (Beyer et al. 2022)."""

    patch: int
    width: int
    heads: int
    depth: int
    classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = with_positions(self, dense(self.width)(_patches(x, self.patch)))
        for _ in range(self.depth):
            x = attention_block(x, self.heads)
        return dense(self.classes)(layer_norm()(x).mean(1))


class _Mixer(nn.Module):
    """Tolstikhin et al. 2021."""

    patch: int
    width: int
    depth: int
    classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = dense(self.width)(_patches(x, self.patch))
        for _ in range(self.depth):
            across = mlp(2 * x.shape[1])(layer_norm()(x).swapaxes(1, 2))
            x = x + across.swapaxes(1, 2)
            x = x + mlp(2 * self.width)(layer_norm()(x))
        return dense(self.classes)(layer_norm()(x).mean(1))
