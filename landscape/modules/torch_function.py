"""A module of PyTorch as a function of JAX: its own forward runs on tensors that stand for arrays.

What PyTorch calls on them reaches `__torch_dispatch__`, and from there `aten.TABLE`, so that jit,
grad and vmap see the module's own operations. Tensors that the module makes itself, such as masks,
stay PyTorch's until they meet one of these.
"""

# pyright: reportMissingImports=false
# PyTorch is an extra

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch._decomp import decomposition_table
from torch.utils._pytree import tree_map

from landscape.modules.aten import TABLE, VIEWS

IGNORED = ("layout", "device", "pin_memory", "memory_format", "non_blocking", "generator")


class UntranslatedError(ValueError):
    """PyTorch's operator that has no translation."""


class _Randomness:
    """Where what is random, as dropout, takes its keys from; None: nothing may be random."""

    key: jax.Array | None = None

    def draw(self, what: str) -> jax.Array:
        if self.key is None:
            raise UntranslatedError(f"{what}: random, where the network is judged")
        self.key, drawn = jax.random.split(self.key)
        return drawn


_randomness = _Randomness()


class Shadow(torch.Tensor):
    """A tensor of PyTorch that stands for an array of JAX."""

    array: jax.Array
    shared: bool  # with a view of it, or with what it is a view of

    @staticmethod
    def __new__(cls, array: jax.Array) -> Shadow:
        dtype = getattr(torch, jnp.dtype(array.dtype).name)
        self = torch.Tensor._make_wrapper_subclass(cls, array.shape, dtype=dtype)  # pyright: ignore
        self.array, self.shared = array, False
        return self

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self, **unused: object) -> str:  # pyright: ignore
        return f"Shadow({self.array})"

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func._schema.name.removeprefix("aten::")
        kwargs = {key: v for key, v in (kwargs or {}).items() if key not in IGNORED}
        if name == "native_batch_norm":
            return _batch_norm(*args)
        if name == "bernoulli_":
            return _written(func, args[0], _bernoulli(args[0].array, *args[1:]))
        if func._schema.is_mutable:
            return _written(func, args[0], _array(_apart(func)(*args, **kwargs)))
        function = TABLE.get(name)
        if function is not None:
            found = tree_map(_shadow, _called(function, func, args, kwargs))
            if name in VIEWS:
                _share(args[0], found)
            return found
        if func in decomposition_table:
            return decomposition_table[func](*args, **kwargs)
        apart = func.decompose(*args, **kwargs)
        if apart is NotImplemented:
            raise UntranslatedError(f"{func} has no translation to JAX")
        return apart


def _apart(func: Any) -> Any:
    """The operator that returns what this one writes in place: `relu` of `relu_`."""
    name = func._schema.name.removeprefix("aten::")
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    apart = getattr(packet, func._overloadname, None)
    if not name.endswith("_") or apart is None:
        raise UntranslatedError(f"{func} has no translation to JAX")
    return apart


def _called(function: Callable[..., Any], func: Any, args: Any, kwargs: Any) -> Any:
    try:
        return function(*tree_map(_array, args), **tree_map(_array, kwargs))
    except TypeError as error:  # arguments that the translation does not know
        raise UntranslatedError(f"{func}: {error}") from error


def _array(given: Any) -> Any:
    if isinstance(given, Shadow):
        return given.array
    if isinstance(given, torch.Tensor):
        # a number of PyTorch's gives way to the type of what it meets, as Python's do
        return given.item() if given.ndim == 0 else jnp.asarray(given.numpy(force=True))
    if isinstance(given, torch.dtype):
        return jax.dtypes.canonicalize_dtype(str(given).removeprefix("torch."))
    return given


def _shadow(given: Any) -> Any:
    return Shadow(given) if isinstance(given, jax.Array) else given


def _share(base: Any, views: Any) -> None:
    for one in (base, *(views if isinstance(views, list) else [views])):
        if isinstance(one, Shadow):
            one.shared = True


def _written(func: Any, target: Any, value: jax.Array) -> Any:
    """In place, where nothing else would have to see it."""
    if not isinstance(target, Shadow) or target.shared:
        raise UntranslatedError(f"{func}: writes into a part, or a view, of another tensor")
    target.array = jnp.broadcast_to(value, target.array.shape).astype(target.array.dtype)
    return target


def _bernoulli(like: jax.Array, p: float = 0.5) -> jax.Array:
    return jax.random.bernoulli(_randomness.draw("dropout"), p, like.shape).astype(like.dtype)


def _batch_norm(x: Any, weight: Any, bias: Any, mean: Any, variance: Any, *rest: Any) -> Any:
    """PyTorch writes the running statistics into its arguments."""
    arrays = map(_array, (x, weight, bias, mean, variance))
    y, *after = TABLE["native_batch_norm"](*arrays, *rest)
    if rest[0]:
        for target, value in zip((mean, variance), after, strict=True):
            if isinstance(target, Shadow):
                target.array = value
    return Shadow(y), None, None


@contextmanager
def _running(key: jax.Array | None) -> Iterator[None]:
    before, fast = _randomness.key, torch.backends.mha.get_fastpath_enabled()
    _randomness.key = key
    # the fused operators of both have no translation
    torch.backends.mha.set_fastpath_enabled(False)
    (mkldnn, *_) = torch.backends.mkldnn.set_flags(False)
    try:
        # shapes are broadcast as PyTorch does it
        with torch.no_grad(), jax.numpy_rank_promotion("allow"):
            yield
    finally:
        _randomness.key = before
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.backends.mkldnn.set_flags(mkldnn)


def call(
    module: torch.nn.Module,
    tensors: dict[str, jax.Array],
    inputs: tuple[jax.Array, ...],
    key: jax.Array | None = None,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Run a module, in the mode that it is in, with these parameters and buffers.

    Args:
        module: The module.
        tensors: Its parameters and buffers by name; those left out are its own.
        inputs: Of its forward.
        key: For dropout; None where nothing may be random.

    Returns:
        The output, and the tensors after it: running statistics change in training mode.

    Raises:
        UntranslatedError: An operator has no translation; it is named.
    """
    shadows = {name: Shadow(jnp.asarray(array)) for name, array in tensors.items()}
    with _running(key):
        given = tuple(Shadow(jnp.asarray(one)) for one in inputs)
        output = torch.func.functional_call(module, dict(shadows), given)
    if not isinstance(output, torch.Tensor):
        raise TypeError(f"the module returns {type(output).__name__}, not one tensor")
    return _array(output), {name: shadow.array for name, shadow in shadows.items()}


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A copy, which nothing done to the tensor changes."""
    return np.array(tensor.numpy(force=True))


def to_jax(tensor: torch.Tensor) -> jax.Array:
    return jnp.asarray(to_numpy(tensor))


def to_torch(array: jax.Array | np.ndarray) -> torch.Tensor:
    """A copy; whole numbers as PyTorch's losses take them."""
    tensor = torch.from_numpy(np.array(array))
    return tensor.long() if tensor.dtype == torch.int32 else tensor
