"""PyTorch's operators on arrays of JAX, by the names of their schemas, without `aten::`.

Arguments are those of https://pytorch.org/docs/stable/torch.compiler_ir.html. Operators that are
not here are taken apart by PyTorch's own decompositions, or refused by their name.
"""

# pyright: reportUnknownLambdaType=false

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from landscape.modules.windows import adaptive_avg_pool, avg_pool, convolution, max_pool

Array = jax.Array
Dims = int | Sequence[int] | None


def _axes(dims: Dims) -> int | tuple[int, ...] | None:
    """Axes as NumPy takes them: none of them means all."""
    if dims is None or isinstance(dims, int):
        return dims
    return tuple(dims) or None


def _standardised(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array, Array]:
    mean = x.mean(axes, keepdims=True)
    rstd = lax.rsqrt(x.var(axes, keepdims=True) + eps)
    return (x - mean) * rstd, mean, rstd


def layer_norm(
    x: Array, shape: Sequence[int], weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    y, mean, rstd = _standardised(x, tuple(range(-len(shape), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias, mean, rstd


def group_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    n: int,
    channels: int,
    size: int,
    groups: int,
    eps: float,
) -> tuple[Array, Array, Array]:
    apart = x.reshape(n, groups, -1)
    y, mean, rstd = _standardised(apart, (2,), eps)
    y, held = y.reshape(x.shape), (1,) * (x.ndim - 2)
    y = y if weight is None else y * weight.reshape(-1, *held)
    y = y if bias is None else y + bias.reshape(-1, *held)
    return y, mean[..., 0], rstd[..., 0]


def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array | None,
    variance: Array | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Array, Array | None, Array | None]:
    """Also the running statistics after it; their variance is unbiased, as PyTorch's is."""
    held = (1,) * (x.ndim - 2)
    if training:
        axes = (0, *range(2, x.ndim))
        count = x.size // x.shape[1]
        own_mean, own = x.mean(axes), x.var(axes)
        if mean is not None and variance is not None:
            mean = (1 - momentum) * mean + momentum * own_mean
            variance = (1 - momentum) * variance + momentum * own * count / max(count - 1, 1)
    else:
        assert mean is not None and variance is not None
        own_mean, own = mean, variance
    scale = lax.rsqrt(own + eps)
    y = (x - own_mean.reshape(-1, *held)) * scale.reshape(-1, *held)
    y = y if weight is None else y * weight.reshape(-1, *held)
    y = y if bias is None else y + bias.reshape(-1, *held)
    return y, mean, variance


def attention(
    query: Array,
    key: Array,
    value: Array,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    attn_mask: Array | None = None,
    scale: float | None = None,
) -> tuple[Array, None]:
    """query: [..., queries, size]; dropout is left to PyTorch's composite form."""
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = jnp.matmul(query, key.swapaxes(-1, -2)) * factor
    if causal:
        scores = jnp.where(jnp.tri(*scores.shape[-2:], dtype=bool), scores, -jnp.inf)
    if attn_mask is not None:
        boolean = attn_mask.dtype == bool
        scores = jnp.where(attn_mask, scores, -jnp.inf) if boolean else scores + attn_mask
    return jnp.matmul(jax.nn.softmax(scores, -1), value), None


def gelu(x: Array, approximate: str = "none") -> Array:
    return jax.nn.gelu(x, approximate=approximate == "tanh")


def index(x: Array, indices: Sequence[Array | None]) -> Array:
    return x[tuple(slice(None) if one is None else one for one in indices)]


def slice_(
    x: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Array:
    at = [slice(None)] * x.ndim
    at[dim] = slice(start, end, step)
    return x[tuple(at)]


def split(x: Array, size: int | Sequence[int], dim: int = 0) -> list[Array]:
    sizes = size if not isinstance(size, int) else [size] * -(-x.shape[dim] // size)
    cuts = [sum(sizes[: number + 1]) for number in range(len(sizes) - 1)]
    return jnp.split(x, cuts, dim)


def expand(x: Array, size: Sequence[int], implicit: bool = False) -> Array:
    lead = len(size) - x.ndim
    own = [x.shape[axis - lead] if n == -1 else n for axis, n in enumerate(size)]
    return jnp.broadcast_to(x, own)


def squeeze(x: Array, dims: Dims = None) -> Array:
    axes = range(x.ndim) if dims is None else (dims,) if isinstance(dims, int) else dims
    return x.squeeze(tuple({axis % max(x.ndim, 1) for axis in axes if x.shape[axis] == 1}))


def pad(x: Array, widths: Sequence[int], value: float = 0) -> Array:
    """widths: (low, high) of the last axis, then of the one before; negative ones cut."""
    pairs = [(0, 0, 0)] * (x.ndim - len(widths) // 2)
    pairs += [(widths[i], widths[i + 1], 0) for i in range(len(widths) - 2, -1, -2)]
    return lax.pad(x, jnp.asarray(value, x.dtype), pairs)


def _scaled(sign: float) -> Callable[..., Array]:
    def added(x: Array, y: Array, alpha: float = 1) -> Array:
        return x + (y if sign * alpha == 1 else sign * alpha * y)

    return added


def div(x: Array, y: Array, *, rounding_mode: str | None = None) -> Array:
    quotient = jnp.true_divide(x, y)
    if rounding_mode is None:
        return quotient
    rounded = jnp.floor if rounding_mode == "floor" else jnp.trunc
    return rounded(quotient).astype(jnp.result_type(x, y))


def addmm(c: Array, a: Array, b: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    return beta * c + alpha * jnp.matmul(a, b)


def variance(
    x: Array, dims: Dims = None, *, correction: int | None = 1, keepdim: bool = False
) -> Array:
    return x.var(_axes(dims), ddof=1 if correction is None else correction, keepdims=keepdim)


def _reduced(function: Callable[..., Array]) -> Callable[..., Array]:
    def reduce(x: Array, dims: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
        return function(x if dtype is None else x.astype(dtype), axis=_axes(dims), keepdims=keepdim)

    return reduce


def norm(
    x: Array, order: float = 2, dims: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Array:
    """Of vectors."""
    size = jnp.abs(x)
    if math.isinf(order):
        return (jnp.max if order > 0 else jnp.min)(size, axis=_axes(dims), keepdims=keepdim)
    return jnp.sum(size**order, axis=_axes(dims), keepdims=keepdim) ** (1 / order)


def _extreme(
    value: Callable[..., Array], place: Callable[..., Array]
) -> Callable[..., Array | tuple[Array, Array]]:
    def extreme(
        x: Array, dim: int | None = None, keepdim: bool = False
    ) -> Array | tuple[Array, Array]:
        if dim is None:
            return value(x)
        return value(x, axis=dim, keepdims=keepdim), place(x, axis=dim, keepdims=keepdim)

    return extreme


def full_like(x: Array, value: Any, *, dtype: Any = None) -> Array:
    return jnp.full_like(x, value, dtype=dtype)


def clamp(x: Array, low: Any = None, high: Any = None) -> Array:
    return jnp.clip(x, low, high)


def upsample_nearest(x: Array, size: Sequence[int], *scales: float | None) -> Array:
    for axis, length in zip(range(-len(size), 0), size, strict=True):
        places = jnp.arange(length) * x.shape[axis] // length
        x = jnp.take(x, places, axis)
    return x


TABLE: dict[str, Callable[..., Any]] = {
    # arithmetic
    "add": _scaled(1),
    "sub": _scaled(-1),
    "rsub": lambda x, y, alpha=1: y - alpha * x,
    "mul": jnp.multiply,
    "div": div,
    "true_divide": jnp.true_divide,
    "floor_divide": jnp.floor_divide,
    "remainder": jnp.remainder,
    "pow": jnp.power,
    "neg": jnp.negative,
    "abs": jnp.abs,
    "sign": jnp.sign,
    "exp": jnp.exp,
    "expm1": jnp.expm1,
    "log": jnp.log,
    "log1p": jnp.log1p,
    "log2": jnp.log2,
    "sqrt": jnp.sqrt,
    "rsqrt": lax.rsqrt,
    "reciprocal": jnp.reciprocal,
    "square": jnp.square,
    "sin": jnp.sin,
    "cos": jnp.cos,
    "tanh": jnp.tanh,
    "erf": jax.scipy.special.erf,
    "floor": jnp.floor,
    "ceil": jnp.ceil,
    "round": jnp.round,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "clamp": clamp,
    "clamp_min": clamp,
    "clamp_max": lambda x, high: jnp.minimum(x, high),
    # activations
    "relu": jax.nn.relu,
    "gelu": gelu,
    "silu": jax.nn.silu,
    "sigmoid": jax.nn.sigmoid,
    "_softmax": lambda x, dim, half_to_float=False: jax.nn.softmax(x, dim),
    "_safe_softmax": lambda x, dim, dtype=None: jax.nn.softmax(x, dim),
    "_log_softmax": lambda x, dim, half_to_float=False: jax.nn.log_softmax(x, dim),
    # comparison
    "eq": jnp.equal,
    "ne": jnp.not_equal,
    "lt": jnp.less,
    "le": jnp.less_equal,
    "gt": jnp.greater,
    "ge": jnp.greater_equal,
    "logical_and": jnp.logical_and,
    "logical_or": jnp.logical_or,
    "logical_not": jnp.logical_not,
    "bitwise_and": jnp.bitwise_and,
    "bitwise_or": jnp.bitwise_or,
    "bitwise_not": jnp.bitwise_not,
    "isinf": jnp.isinf,
    "isnan": jnp.isnan,
    "where": jnp.where,
    "masked_fill": lambda x, mask, value: jnp.where(mask, jnp.asarray(value, x.dtype), x),
    # products
    "mm": jnp.matmul,
    "bmm": jnp.matmul,
    "mv": jnp.matmul,
    "dot": jnp.dot,
    "addmm": addmm,
    "baddbmm": addmm,
    "convolution": convolution,
    "_convolution": lambda *given: convolution(*given[:9]),
    # reductions
    "sum": _reduced(jnp.sum),
    "mean": _reduced(jnp.mean),
    "amax": _reduced(jnp.max),
    "amin": _reduced(jnp.min),
    "any": _reduced(jnp.any),
    "all": _reduced(jnp.all),
    "argmax": lambda x, dim=None, keepdim=False: jnp.argmax(x, dim, keepdims=keepdim),
    "argmin": lambda x, dim=None, keepdim=False: jnp.argmin(x, dim, keepdims=keepdim),
    "max": _extreme(jnp.max, jnp.argmax),
    "min": _extreme(jnp.min, jnp.argmin),
    "var": variance,
    "linalg_vector_norm": norm,
    "cumsum": lambda x, dim, dtype=None: jnp.cumsum(x, dim, dtype=dtype),
    # layers
    "native_batch_norm": batch_norm,
    "native_layer_norm": layer_norm,
    "native_group_norm": group_norm,
    "max_pool2d_with_indices": max_pool(2),
    "max_pool3d_with_indices": max_pool(3),
    "avg_pool2d": avg_pool(2),
    "avg_pool3d": avg_pool(3),
    "_adaptive_avg_pool2d": adaptive_avg_pool,
    "_adaptive_avg_pool3d": adaptive_avg_pool,
    "embedding": lambda weight, at, *unused: weight[at],
    "_scaled_dot_product_flash_attention_for_cpu": attention,
    "upsample_nearest1d": upsample_nearest,
    "upsample_nearest2d": upsample_nearest,
    # shapes
    "view": jnp.reshape,
    "_unsafe_view": jnp.reshape,
    "_reshape_alias": lambda x, size, stride: x.reshape(size),
    "permute": jnp.transpose,
    "transpose": jnp.swapaxes,
    "t": jnp.transpose,
    "unsqueeze": jnp.expand_dims,
    "squeeze": squeeze,
    "expand": expand,
    "select": lambda x, dim, at: x[(slice(None),) * (dim % x.ndim) + (at,)],
    "slice": slice_,
    "split": split,
    "split_with_sizes": split,
    "unsafe_split": split,
    "unsafe_split_with_sizes": split,
    "unbind": lambda x, dim=0: list(jnp.moveaxis(x, dim, 0)),
    "cat": jnp.concatenate,
    "stack": jnp.stack,
    "repeat": jnp.tile,
    "flip": jnp.flip,
    "roll": lambda x, shifts, dims=(): jnp.roll(x, shifts, _axes(dims)),
    "constant_pad_nd": pad,
    "tril": jnp.tril,
    "triu": jnp.triu,
    "diagonal": jnp.diagonal,
    "index": index,
    "index_select": lambda x, dim, at: jnp.take(x, at, dim),
    "gather": lambda x, dim, at, sparse_grad=False: jnp.take_along_axis(x, at, dim),
    # copies
    "clone": lambda x: x,
    "detach": lax.stop_gradient,
    "alias": lambda x: x,
    "lift_fresh": lambda x: x,
    "_to_copy": lambda x, dtype=None: x if dtype is None else x.astype(dtype),
    "copy": lambda x, y: jnp.broadcast_to(y, x.shape).astype(x.dtype),
    "fill": lambda x, value: jnp.full_like(x, value),
    "zero": jnp.zeros_like,
    "full_like": full_like,
    "zeros_like": lambda x, dtype=None: jnp.zeros_like(x, dtype),
    "ones_like": lambda x, dtype=None: jnp.ones_like(x, dtype),
    "empty_like": lambda x, dtype=None: jnp.zeros_like(x, dtype),
}

# these share their memory in PyTorch: what is written into one is seen in the other
VIEWS = {
    "view", "_reshape_alias", "permute", "transpose", "t", "unsqueeze", "squeeze", "expand",
    "select", "slice", "split", "split_with_sizes", "unbind", "diagonal", "alias", "detach",
}  # fmt: skip
