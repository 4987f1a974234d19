"""Tasks of flax.linen's modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax

from landscape.core.task import Task
from landscape.modules.mode import mode
from landscape.modules.task import Data, Loss, Module, module_task, splits_of

STATISTICS = "batch_stats"


def flax_task(
    module: nn.Module,
    data: Data,
    loss: Loss = "cross_entropy",
    *,
    samples: int | None = None,
    chunk: int | None = None,
) -> Task:
    """The task of a module of flax.linen, its data and a loss.

    The collection `params` has the parameters. Batch norm's running statistics, `batch_stats`, are
    recomputed from the training data at the parameters of each point. Dropout is on where networks
    are trained, and off where they are judged. The module is told so by the argument `train`,
    `training` or `is_training` of its `__call__`, or `deterministic` or `use_running_average`.

    Args:
        module: The module, called with the inputs of several samples.
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
        ValueError: Data, loss or samples do not go with the module, or it has state other than
            batch norm's.
    """
    splits = splits_of(data)
    few = splits["train"][0][:2]
    judged, trained = mode(module.__call__, False), mode(module.__call__, True)

    def variables_of(key: jax.Array) -> Mapping[str, Any]:
        return module.init(key, few, **judged)

    stored = dict(jax.jit(variables_of)(jax.random.key(0)))
    del stored["params"]
    if other := ", ".join(stored.keys() - {STATISTICS}):
        raise ValueError(
            f"the module has {other} beside params: how should it follow from the parameters?"
        )

    def learn(params: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        rngs = {"dropout": key}
        return module.apply({**params, **stored}, x, **trained, rngs=rngs, mutable=STATISTICS)[0]

    def evaluate(params: Any, own: Any, x: jax.Array) -> Any:
        return module.apply({**params, **(own or {})}, x, **judged)

    def statistics(params: Any, x: jax.Array) -> Any:
        return _batch_statistics(module, params, stored, x, trained)

    form = Module(
        init=lambda key: {"params": variables_of(key)["params"]},
        evaluate=evaluate,
        learn=learn,
        state=stored or None,
        statistics=statistics if stored else None,
    )
    return module_task(form, splits, loss, samples, chunk)


def _batch_statistics(
    module: nn.Module, params: Any, stored: Any, x: jax.Array, trained: Mapping[str, Any]
) -> Any:
    """What batch norm takes from these samples. From 0, one step of its running average leads to
    1 − momentum of it."""
    shares: dict[tuple[str, ...], float] = {}

    def watch(call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        if isinstance(context.module, nn.Dropout):
            return args[0]
        if isinstance(context.module, nn.BatchNorm):
            shares[context.module.path] = 1 - context.module.momentum
        return call(*args, **kwargs)

    zeros = jax.tree.map(lambda leaf: 0 * leaf, stored)
    with nn.intercept_methods(watch):
        _, after = module.apply({**params, **zeros}, x, **trained, mutable=STATISTICS)

    def whole(path: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
        owner = tuple(part.key for part in path[1:-1])
        if owner not in shares:
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise ValueError(f"{name} is no statistic of nn.BatchNorm: how should it follow?")
        return leaf / shares[owner]

    return jax.tree_util.tree_map_with_path(whole, {STATISTICS: after[STATISTICS]})
