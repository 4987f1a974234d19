"""The convolutional networks of Freeman & Bruna 2017, Figure 1, in a form that suits the device."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from landscape.core.devices import loops_slow_convolutions
from landscape.networks.initial import Initial

IN_CACHE = 32  # samples whose share of a kernel's gradient is made at once, in as many parts as
MOST_PARTS = 16  # that takes, at most


@jax.custom_vjp
def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution of stride 1 that keeps the size: [n, h, w, c] by [k, k, c, d], k odd.

    XLA's own, but for its gradients. The kernel's is a convolution too, with the channels in the
    place of the samples; XLA asks for it in a layout that its CPU kernels do not have, and inside a
    loop, as all training is, falls back to a code a hundred times slower (jax issue 12868). Here
    it is asked for in the usual layout, some samples at a time. Its rules are XLA's convolutions,
    not this function again, so that its gradient has forward derivatives: Hessian-vector products
    by jvp of grad.
    """
    return _correlate(x, kernel, "SAME")


def _correlate(x: jax.Array, kernel: jax.Array, padding: Any) -> jax.Array:
    dimensions = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=dimensions)


def _convolve_and_keep(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, Any]:
    return _correlate(x, kernel, "SAME"), (x, kernel)


def _gradients(kept: Any, out: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    mirrored = kernel[::-1, ::-1].swapaxes(2, 3)
    room = len(kernel) // 2
    parts = max(1, min(-(-len(x) // IN_CACHE), MOST_PARTS))
    by_kernel = sum(
        _correlate(some.transpose(3, 1, 2, 0), of.transpose(1, 2, 0, 3), ((room, room),) * 2)
        for some, of in zip(jnp.array_split(x, parts), jnp.array_split(out, parts), strict=True)
    )
    return _correlate(out, mirrored, "SAME"), jnp.transpose(by_kernel, (1, 2, 0, 3))


convolve.defvjp(_convolve_and_keep, _gradients)


def max_pool(x: jax.Array, window: int, stride: int) -> jax.Array:
    """[n, h, w, c] → [n, ⌈h/stride⌉, ⌈w/stride⌉, c], the window padded as by TensorFlow's SAME.

    Of columns, then of rows. Maxima of strided slices: quicker than a window reduction.
    """
    return _line_max(_line_max(x, 2, window, stride), 1, window, stride)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _line_max(x: jax.Array, axis: int, window: int, stride: int) -> jax.Array:
    """Its gradient goes to the first of equals, as in PyTorch, and is put together of interleaved
    slices: JAX would add up dilated ones, several times slower."""
    return _winners(x, axis, window, stride)[0]


def _winners(x: jax.Array, axis: int, window: int, stride: int) -> tuple[jax.Array, jax.Array]:
    """The maxima, and which place of the window each is from."""
    outs, edges = -(-x.shape[axis] // stride), [(0, 0)] * 4
    edges[axis] = _edges(x.shape[axis], window, stride)
    padded = jnp.pad(x, edges, constant_values=-jnp.inf)
    top, *others = (
        jax.lax.slice_in_dim(padded, place, place + (outs - 1) * stride + 1, stride, axis)
        for place in range(window)
    )
    winner = jnp.zeros(top.shape, jnp.uint8)
    for place, seen in enumerate(others, 1):
        winner = jnp.where(seen > top, jnp.uint8(place), winner)
        top = jnp.maximum(top, seen)
    return top, winner


def _edges(side: int, window: int, stride: int) -> tuple[int, int]:
    pad = max((-(-side // stride) - 1) * stride + window - side, 0)
    return pad // 2, pad - pad // 2


def _max_and_keep(x: jax.Array, axis: int, window: int, stride: int) -> tuple[jax.Array, Any]:
    top, winner = _winners(x, axis, window, stride)
    return top, (winner, x)


def _max_gradient(axis: int, window: int, stride: int, kept: Any, out: jax.Array) -> Any:
    winner, x = kept
    side, outs = x.shape[axis], out.shape[axis]
    before, after = _edges(side, window, stride)
    slots = -(-(before + side + after) // stride)

    def shifted(place: int) -> jax.Array:
        room = [(0, 0)] * 4
        room[axis] = place // stride, slots - place // stride - outs
        return jnp.pad(jnp.where(winner == place, out, 0), room)

    empty = jnp.zeros((*out.shape[:axis], slots, *out.shape[axis + 1 :]), out.dtype)
    phases = [sum(map(shifted, range(phase, window, stride)), empty) for phase in range(stride)]
    whole = jnp.stack(phases, axis + 1)
    shape = (*x.shape[:axis], slots * stride, *out.shape[axis + 1 :])
    return (jax.lax.slice_in_dim(whole.reshape(shape), before, before + side, axis=axis),)


_line_max.defvjp(_max_and_keep, _max_gradient)


def normalise_locally(
    x: jax.Array, radius: int = 4, bias: float = 1.0, alpha: float = 0.001 / 9, beta: float = 0.75
) -> jax.Array:
    """Local response normalisation over channels (Krizhevsky et al. 2012, Sec. 3.3):
    x_c / (bias + alpha·Σ x_j² over |j − c| ≤ radius)^beta, [..., c] → [..., c]."""
    place = jnp.arange(x.shape[-1])
    near = (abs(place[:, None] - place[None]) <= radius).astype(x.dtype)
    # XLA's powers are several times slower on a CPU
    return x * jnp.exp(-beta * jnp.log(bias + alpha * (jnp.square(x) @ near)))


def _convolution(filters: int, weights: Initial, bias: float) -> Callable[[jax.Array], jax.Array]:
    how: dict[str, Any] = {}
    if loops_slow_convolutions():
        how = {"conv_general_dilated": lambda x, kernel, *_, **__: convolve(x, kernel)}
    return nn.Conv(
        filters,
        (5, 5),
        kernel_init=weights.initializer(),
        bias_init=nn.initializers.constant(bias),
        param_dtype=jnp.result_type(float),
        **how,
    )


def _dense(width: int, weights: Initial, bias: float) -> Callable[[jax.Array], jax.Array]:
    return nn.Dense(
        width,
        kernel_init=weights.initializer(),
        bias_init=nn.initializers.constant(bias),
        param_dtype=jnp.result_type(float),
    )


class MnistNet(nn.Module):
    """Images [n, 28, 28, 1] → logits [n, 10]: two convolutions of 5 × 5, each with a pool of 2,
    and a dense layer with dropout while training."""

    filters: tuple[int, int]
    dense: int
    dropout: float

    @nn.compact
    def __call__(self, x: jax.Array, training: bool = False) -> jax.Array:
        weights = Initial(distribution="truncated_normal", scale=0.1)
        for filters in self.filters:  # ReLU after the pool: the same, of a quarter of the data
            x = nn.relu(max_pool(_convolution(filters, weights, 0.1)(x), 2, 2))
        x = nn.relu(_dense(self.dense, weights, 0.1)(x.reshape(len(x), -1)))
        x = nn.Dropout(self.dropout, deterministic=not training)(x)
        return _dense(10, weights, 0.1)(x)


class CifarNet(nn.Module):
    """Images [n, 24, 24, 3] → logits [n, 10]: two convolutions of 5 × 5, each with a pool of 3 at
    stride 2 and local response normalisation, and two dense layers."""

    filters: tuple[int, int]
    dense: tuple[int, int]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def normal(scale: float) -> Initial:
            return Initial(distribution="truncated_normal", scale=scale)

        x = nn.relu(max_pool(_convolution(self.filters[0], normal(0.05), 0.0)(x), 3, 2))
        x = normalise_locally(x)
        x = normalise_locally(nn.relu(_convolution(self.filters[1], normal(0.05), 0.1)(x)))
        x = max_pool(x, 3, 2).reshape(len(x), -1)
        for width in self.dense:
            x = nn.relu(_dense(width, normal(0.04), 0.1)(x))
        return _dense(10, normal(1 / self.dense[1]), 0.0)(x)
