"""Modules of PyTorch as pure functions, and their losses by PyTorch itself."""

# pyright: reportMissingImports=false
# PyTorch is an extra

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import torch
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from landscape.core.statistics import BATCH, reference
from landscape.core.task import Origin, Task
from landscape.modules.task import Data, Loss, Module, module_task, splits_of
from landscape.modules.torch_function import call, to_jax, to_numpy, to_torch

Make = Callable[[], torch.nn.Module]
Named = dict[str, jax.Array]
STATISTICS = ("running_mean", "running_var")
COUNTER = "num_batches_tracked"


def task_of(
    module: torch.nn.Module | Make, data: Data, loss: Loss, samples: int | None, chunk: int | None
) -> Task:
    """`torch_task`."""
    net = _made(module, 0)
    splits = splits_of(data)
    state = _state_of(net)
    _check_buffers(net, splits["train"][0], state)
    judged, learning, counting = copy.deepcopy(net).eval(), net.train(), copy.deepcopy(net).eval()
    for layer in _counting_layers(counting):
        layer.train().momentum = 1.0  # the statistics of the last batch alone

    def statistics(params: Named, x: jax.Array) -> Named:
        after = call(counting, {**params, **state}, (x,))[1]
        return {name: after[name] for name in state}

    form = Module(
        init=_initial(module),
        evaluate=lambda params, own, x: call(judged, {**params, **(own or {})}, (x,))[0],
        learn=lambda params, x, key: call(learning, {**params, **state}, (x,), key)[0],
        state=state or None,
        statistics=statistics if state else None,
        beside=tuple(net.state_dict().keys() - dict(net.named_parameters()) - state.keys()),
    )
    second = _PyTorch(judged, loss, reference(splits["train"][0], samples) if state else None)
    translated = _translated(loss) if callable(loss) else loss
    return module_task(form, splits, translated, samples, chunk, Origin("PyTorch", second))


def _made(module: torch.nn.Module | Make, seed: int) -> torch.nn.Module:
    """The module with parameters of its own, drawn under a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if not isinstance(module, torch.nn.Module):
            return _frozen(module())
        net: torch.nn.Module = copy.deepcopy(module)
        for layer in net.modules():
            # attention has one with an underscore
            reset = getattr(layer, "reset_parameters", getattr(layer, "_reset_parameters", None))
            if reset is not None:
                reset()
        return _frozen(net)


def _frozen(net: torch.nn.Module) -> torch.nn.Module:
    return net.cpu().requires_grad_(False)


def _initial(module: torch.nn.Module | Make) -> Callable[[jax.Array], Named]:
    """PyTorch's own initialisation, under a seed that the key gives."""
    shapes = {
        name: jax.ShapeDtypeStruct(tuple(leaf.shape), to_jax(leaf).dtype)
        for name, leaf in _made(module, 0).named_parameters()
    }

    def draw(bits: Any) -> dict[str, np.ndarray]:
        high, low = (int(part) for part in np.asarray(bits))
        drawn = dict(_made(module, (high << 32) + low).named_parameters())
        return {name: to_numpy(drawn[name]).astype(shapes[name].dtype) for name in shapes}

    def init(key: jax.Array) -> Named:
        bits = jax.random.key_data(key)
        return jax.pure_callback(draw, shapes, bits, vmap_method="sequential")

    return init


def _counting_layers(net: torch.nn.Module) -> list[_NormBase]:
    """The layers that keep running statistics."""
    return [
        layer
        for layer in net.modules()
        if isinstance(layer, _NormBase) and layer.running_mean is not None
    ]


def _state_of(net: torch.nn.Module) -> Named:
    """The running statistics by name. Raises ValueError for layers that judge a sample by its
    batch."""
    found: Named = {}
    for name, layer in net.named_modules():
        if isinstance(layer, _BatchNorm) and layer.running_mean is None:
            raise ValueError(
                f"{name} has track_running_stats=False: what it makes of a sample depends on which "
                "others are judged with it"
            )
        if isinstance(layer, _NormBase) and layer.running_mean is not None:
            found |= {
                f"{name}.{key}".lstrip("."): to_jax(getattr(layer, key)) for key in STATISTICS
            }
    return found


def _check_buffers(net: torch.nn.Module, inputs: jax.Array, state: Named) -> None:
    """Raise ValueError where the module cannot take the inputs, or training changes a buffer that
    is not known to be a running statistic."""
    tried = copy.deepcopy(net).train()
    before = {name: to_numpy(buffer) for name, buffer in tried.named_buffers()}
    try:
        with torch.random.fork_rng(), torch.no_grad():
            tried(to_torch(inputs[:2]))
    except Exception as error:
        raise ValueError(
            f"the module cannot take two of the inputs, {tuple(inputs[:2].shape)} of type "
            f"{inputs.dtype}: {error}"
        ) from error
    for name, buffer in tried.named_buffers():
        known = name in state or name.rpartition(".")[2] == COUNTER
        if not known and not np.array_equal(before[name], to_numpy(buffer), equal_nan=True):
            raise ValueError(
                f"the buffer {name} changes in training, and is no running statistic of a "
                "normalisation layer: how should it follow from the parameters?"
            )


class _Joined(torch.nn.Module):
    """A loss as a module."""

    def __init__(self, loss: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.loss(outputs, targets)


def _translated(loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], jax.Array]:
    joined = _Joined(loss)
    return lambda outputs, targets: call(joined, {}, (outputs, targets))[0]


@dataclass(frozen=True)
class _PyTorch:
    """The metrics by PyTorch; seen: what statistics are taken from, [batches, samples, ...]."""

    net: torch.nn.Module
    loss: Loss
    seen: jax.Array | None

    def __call__(
        self,
        metric: str,
        params: dict[str, np.ndarray],
        state: dict[str, np.ndarray] | None,
        data: tuple[jax.Array, jax.Array],
    ) -> float:
        net = copy.deepcopy(self.net)
        arrays = {**params, **(state or {})}
        net.load_state_dict({name: to_torch(leaf) for name, leaf in arrays.items()}, strict=False)
        inputs, targets = map(to_torch, data)
        with torch.no_grad():
            if state is None and self.seen is not None:
                self._count(net)
            outputs = torch.cat([net(part) for part in inputs.split(BATCH)])
            if metric == "error":
                return 100 * float((outputs.argmax(-1) != targets).double().mean())
            return float(self._value(outputs, targets))

    def _count(self, net: torch.nn.Module) -> None:
        assert self.seen is not None
        for layer in _counting_layers(net):
            layer.reset_running_stats()
            layer.train().momentum = None
        for batch in self.seen:
            net(to_torch(batch))
        net.eval()

    def _value(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.loss == "cross_entropy":
            return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())
        if self.loss == "mse":
            return functional.mse_loss(outputs, targets)
        assert callable(self.loss)
        return self.loss(outputs, targets)
