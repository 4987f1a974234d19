"""Tasks of haiku's networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from landscape.core.task import Task
from landscape.modules.extra import library
from landscape.modules.floats import floats_of, with_floats
from landscape.modules.mode import mode
from landscape.modules.task import Data, Loss, Module, module_task, splits_of


def haiku_task(
    forward: Callable[..., jax.Array],
    data: Data,
    loss: Loss = "cross_entropy",
    *,
    samples: int | None = None,
    chunk: int | None = None,
) -> Task:
    """The task of a network of haiku, its data and a loss.

    Batch norm's running statistics, haiku's state, are recomputed from the training data at the
    parameters of each point. The function is told whether it trains by an argument `is_training`,
    `train`, `training` or `deterministic`. Statistics are taken with it as in training. If it then
    has dropout, this is drawn from one fixed key.

    Args:
        forward: (inputs of several samples) → outputs, a function that `hk.transform_with_state`
            takes.
        data: (inputs, targets), as arrays; or a data set, which is read once; or split → one of
            these, `train` among them.
        loss: `cross_entropy` of logits, whose last axis has the classes; `mse`; or a function of
            (outputs, targets) → scalar.
        samples: Of the training data, from which running statistics are recomputed; None: all, but
            at most 2,000.
        chunk: Samples at once where metrics are evaluated, to bound memory; None: all.

    Returns:
        The task, with the metrics `loss` and, of `cross_entropy`, `error` in percent.

    Raises:
        ValueError: Data, loss or samples do not go with the network.
        ImportError: haiku is not installed.
    """
    splits = splits_of(data)
    net = library("haiku", "haiku").transform_with_state(forward)
    few, fixed = splits["train"][0][:2], jax.random.key(0)
    judged, trained = mode(forward, False), mode(forward, True)
    # in training mode, since batch norm makes no state where it is only judged by one
    first = jax.jit(lambda: net.init(fixed, few, **trained)[1])()

    def counted(params: Any, x: jax.Array) -> Any:
        return net.apply(params, first, fixed, x, **trained)[1]

    def evaluate(params: Any, own: Any, x: jax.Array) -> jax.Array:
        return net.apply(params, with_floats(first, own or {}), None, x, **judged)[0]

    form = Module(
        init=lambda key: net.init(key, few, **trained)[0],
        evaluate=evaluate,
        learn=lambda params, x, key: net.apply(params, first, key, x, **trained)[0],
        state=floats_of(first) or None,
        # from its beginning, one step leads a debiased average to the statistics of that batch
        statistics=(lambda params, x: floats_of(counted(params, x))) if first else None,
    )
    return module_task(form, splits, loss, samples, chunk)
