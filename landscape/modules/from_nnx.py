"""Tasks of flax.nnx's modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from landscape.core.task import Task
from landscape.modules.task import Data, Loss, Module, module_task, splits_of


def nnx_task(
    make: Callable[[nnx.Rngs], nnx.Module],
    data: Data,
    loss: Loss = "cross_entropy",
    *,
    samples: int | None = None,
    chunk: int | None = None,
) -> Task:
    """The task of a module of flax.nnx, its data and a loss.

    Its `nnx.Param` are the parameters. Batch norm's running statistics, `nnx.BatchStat`, are
    recomputed from the training data at the parameters of each point. Dropout is on where networks
    are trained, and off where they are judged: the module's `train()` and `eval()` say so.

    Args:
        make: Makes the module from its `nnx.Rngs`. It is called with the inputs of several samples.
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
        ValueError: Data, loss or samples do not go with the module.
    """
    learning, judged, counting = (make(nnx.Rngs(0)) for _ in range(3))
    learning.train()
    judged.eval()
    counting.eval()
    for _, layer in nnx.iter_modules(counting):
        if isinstance(layer, nnx.BatchNorm):
            layer.use_running_average = False
            layer.__class__ = _Counting
    kinds = nnx.Param, nnx.BatchStat, ...
    trained, _, stored, rest = nnx.split(learning, *kinds)
    judge, count = nnx.graphdef(judged), nnx.graphdef(counting)

    def merged(graph: Any, params: Any, state: Any, more: Any = rest) -> Any:
        return nnx.merge(graph, nnx.State(params), nnx.State(state), more)

    def init(key: jax.Array) -> Any:
        return nnx.to_pure_dict(nnx.state(make(nnx.Rngs(key)), nnx.Param))

    own = nnx.to_pure_dict(stored)

    def statistics(params: Any, x: jax.Array) -> Any:
        net = merged(count, params, own)
        net(x)
        return nnx.to_pure_dict(nnx.state(net, nnx.BatchStat))

    def learn(params: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        return merged(trained, params, own, _reseeded(rest, key))(x)

    form = Module(
        init=init,
        evaluate=lambda params, state, x: merged(judge, params, state or {})(x),
        learn=learn,
        state=own or None,
        statistics=statistics if own else None,
    )
    return module_task(form, splits_of(data), loss, samples, chunk)


class _Counting(nnx.BatchNorm):
    """Keeps the statistics of its last batch, which nnx cuts off from gradients."""

    def __call__(self, x: jax.Array, *args: Any, **kwargs: Any) -> jax.Array:
        y = super().__call__(x, *args, **kwargs)
        kept = (self.axis,) if isinstance(self.axis, int) else tuple(self.axis)
        others = {*range(x.ndim)} - {axis % x.ndim for axis in kept}
        wide = x.astype(self.mean[...].dtype)
        self.mean[...], self.var[...] = wide.mean(tuple(others)), wide.var(tuple(others))
        return y


def _reseeded(rest: Any, key: jax.Array) -> Any:
    """The same with other keys for every random stream."""
    leaves, structure = jax.tree.flatten(rest)
    drawn = [
        jax.random.fold_in(key, number) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        for number, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, drawn)
