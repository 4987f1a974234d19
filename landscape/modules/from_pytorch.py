"""Tasks of PyTorch's modules."""

# pyright: reportMissingImports=false
# PyTorch is an extra

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from landscape.core.task import Task
from landscape.modules.extra import library
from landscape.modules.task import Data, Loss

if TYPE_CHECKING:
    import torch


def torch_task(
    module: torch.nn.Module | Callable[[], torch.nn.Module],
    data: Data,
    loss: Loss = "cross_entropy",
    *,
    samples: int | None = None,
    chunk: int | None = None,
) -> Task:
    """The task of a module of PyTorch, its data and a loss.

    Its own forward is run on arrays of JAX. Parameters are what the module says are its parameters.
    The running statistics of its normalisation layers are recomputed from the training data at the
    parameters of each point. Dropout is on where networks are trained, and off where they are
    judged.

    Args:
        module: The module, or a function without arguments that makes one. Networks that are
            trained here begin from what the function makes, each under a seed of its own; those of
            a module that is there already, from what `reset_parameters` of its layers draws.
        data: (inputs, targets), as tensors or arrays; or a Dataset, which is read once; or split →
            one of these, `train` among them.
        loss: `cross_entropy` of logits, whose last axis has the classes; `mse`; or a function of
            PyTorch, (outputs, targets) → scalar.
        samples: Of the training data, from which running statistics are recomputed; None: all, but
            at most 2,000.
        chunk: Samples at once where metrics are evaluated, to bound memory; None: all.

    Returns:
        The task, with the metrics `loss` and, of `cross_entropy`, `error` in percent. What they are
        at networks trained elsewhere is compared with PyTorch's own.

    Raises:
        UntranslatedError: An operator of the module has no translation; it is named.
        ImportError: PyTorch is not installed.
        ValueError: Data, loss or samples do not go with the module.
    """
    library("torch", "torch")
    from landscape.modules.torch_module import task_of

    return task_of(module, data, loss, samples, chunk)
