"""PyTorch's operators that go over windows: convolutions and pools. Arguments are as in `aten`."""

# pyright: reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

Array = jax.Array


def _each(given: int | Sequence[int], spatial: int) -> tuple[int, ...]:
    """One number an axis, where PyTorch takes one for all."""
    numbers = (given,) if isinstance(given, int) else tuple(given)
    return numbers * spatial if len(numbers) == 1 else numbers


def convolution(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Array:
    """x: [n, channels, ...]."""
    spatial = x.ndim - 2
    stride, dilation = _each(stride, spatial), _each(dilation, spatial)
    padding, more = _each(padding, spatial), _each(output_padding, spatial)
    around = [(pad, pad) for pad in padding]
    held = (1,) * spatial
    if transposed:
        inputs, outputs, *size = weight.shape
        weight = weight.reshape(groups, inputs // groups, outputs, *size).swapaxes(1, 2)
        weight = jnp.flip(weight.reshape(-1, inputs // groups, *size), range(2, 2 + spatial))
        reach = [step * (length - 1) for step, length in zip(dilation, size, strict=True)]
        around = [(r - p, r - p + m) for r, p, m in zip(reach, padding, more, strict=True)]
    y = lax.conv_general_dilated(
        x, weight, held if transposed else stride, around,
        lhs_dilation=stride if transposed else held, rhs_dilation=dilation,
        feature_group_count=groups,
    )  # fmt: skip
    return y if bias is None else y + bias.reshape(-1, *held)


def _windows(
    x: Array,
    size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    ceil: bool,
) -> tuple[tuple[int, ...], tuple[int, ...], list[tuple[int, int]], tuple[int, ...]]:
    """What lax.reduce_window takes: with `ceil`, a window may reach over the end, if it begins
    before that."""
    spatial = len(size)
    lead = x.ndim - spatial
    around = [(0, 0)] * lead
    for axis in range(spatial):
        length, pad = x.shape[lead + axis], padding[axis]
        reach = dilation[axis] * (size[axis] - 1) + 1
        over = 0
        if ceil:
            count = -(-(length + 2 * pad - reach) // stride[axis]) + 1
            if (count - 1) * stride[axis] >= length + pad:
                count -= 1
            over = max((count - 1) * stride[axis] + reach - length - 2 * pad, 0)
        around.append((pad, pad + over))
    ones = (1,) * lead
    return (*ones, *size), (*ones, *stride), around, (*ones, *dilation)


def max_pool(spatial: int) -> Callable[..., tuple[Array, None]]:
    def max_pool(
        x: Array,
        size: Sequence[int],
        stride: Sequence[int] = (),
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        ceil_mode: bool = False,
    ) -> tuple[Array, None]:
        size = _each(size, spatial)
        steps, pads = _each(stride or size, spatial), _each(padding, spatial)
        windows = _windows(x, size, steps, pads, _each(dilation, spatial), ceil_mode)
        dims, strides, around, spread = windows
        lowest = -jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min
        y = lax.reduce_window(x, lowest, lax.max, dims, strides, around, window_dilation=spread)
        return y, None

    return max_pool


def avg_pool(spatial: int) -> Callable[..., Array]:
    def avg_pool(
        x: Array,
        size: Sequence[int],
        stride: Sequence[int] = (),
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Array:
        size, pads = _each(size, spatial), _each(padding, spatial)
        steps = _each(stride or size, spatial)
        dims, strides, around, _ = _windows(x, size, steps, pads, (1,) * spatial, ceil_mode)
        total = lax.reduce_window(x, 0.0, lax.add, dims, strides, around)
        if divisor_override:
            return total / divisor_override
        counted = jnp.ones(x.shape[-spatial:], x.dtype)
        own = around[-spatial:]
        if count_include_pad:  # the padding counts, what `ceil_mode` adds does not
            counted = jnp.pad(counted, [(pad, pad) for pad in pads], constant_values=1)
            own = [(0, high - pad) for (_, high), pad in zip(own, pads, strict=True)]
        count = lax.reduce_window(counted, 0.0, lax.add, dims[-spatial:], strides[-spatial:], own)
        return total / count

    return avg_pool


def adaptive_avg_pool(x: Array, size: Sequence[int]) -> Array:
    """Means over parts of the last axes, from ⌊i·n/m⌋ to ⌈(i+1)·n/m⌉."""
    for axis, parts in zip(range(-len(size), 0), size, strict=True):
        length = x.shape[axis]
        cuts = [(i * length // parts, -(-(i + 1) * length // parts)) for i in range(parts)]
        means = [
            lax.slice_in_dim(x, low, high, axis=axis).mean(axis, keepdims=True)
            for low, high in cuts
        ]
        x = jnp.concatenate(means, axis)
    return x
