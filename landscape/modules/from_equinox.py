"""Tasks of equinox's modules."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from landscape.core.task import Task
from landscape.modules.extra import library
from landscape.modules.floats import floats_of, with_floats
from landscape.modules.task import Data, Loss, Module, module_task, splits_of


def equinox_task(
    make: Callable[[jax.Array], Any],
    data: Data,
    loss: Loss = "cross_entropy",
    *,
    samples: int | None = None,
    chunk: int | None = None,
) -> Task:
    """The task of a module of equinox, its data and a loss.

    Its arrays of floats are the parameters. Batch norm's running statistics, in `eqx.nn.State`, are
    recomputed from the training data at the parameters of each point. Dropout is on where networks
    are trained, and off where they are judged, as `eqx.nn.inference_mode` has it.

    Args:
        make: Makes the module from a key; a module with state as `eqx.nn.make_with_state(Net)(key)`
            does, which is called as `(x, state)` and returns its output and the state. The module
            is called with the input of one sample, and with a `key`, if it takes one.
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
        ImportError: equinox is not installed.
    """
    eqx = library("equinox", "equinox")
    splits = splits_of(data)
    learning, first = _parted(make(jax.random.key(0)))
    judged = eqx.nn.inference_mode(learning)
    counting = _counting(eqx, judged)
    axis = next((layer.axis_name for layer in _norms(eqx, learning)), None)
    keyed = "key" in inspect.signature(type(learning).__call__).parameters

    def run(
        net: Any, params: Any, state: Any, x: jax.Array, key: jax.Array | None = None
    ) -> tuple[jax.Array, Any]:
        net = eqx.combine(params, eqx.filter(net, eqx.is_inexact_array, inverse=True))
        # equinox lets each be used once, and compares what is known of its arrays before and after
        state = jax.tree.map(lambda leaf: jnp.where(True, leaf, leaf), state)
        keys = jax.random.split(jax.random.key(0) if key is None else key, len(x))

        def one(sample: jax.Array, own: jax.Array) -> Any:
            given = {"key": own} if keyed else {}
            return net(sample, **given) if state is None else net(sample, state, **given)

        if state is None:
            return jax.vmap(one)(x, keys), None
        return jax.vmap(one, axis_name=axis, out_axes=(0, None))(x, keys)

    def counted(params: Any, x: jax.Array) -> Any:
        # equinox begins some variances at 1, which is no part of a batch's
        nothing = with_floats(first, jax.tree.map(jnp.zeros_like, floats_of(first)))
        return run(counting, params, nothing, x)[1]

    few = splits["train"][0][:2]
    # from nothing, one step leads batch norm to the statistics of that batch
    after = None if first is None else counted(eqx.filter(learning, eqx.is_inexact_array), few)

    def evaluate(params: Any, own: Any, x: jax.Array) -> jax.Array:
        state = None if after is None else with_floats(after, own)
        return run(judged, params, state, x)[0]

    form = Module(
        init=lambda key: eqx.filter(_parted(make(key))[0], eqx.is_inexact_array),
        evaluate=evaluate,
        learn=lambda params, x, key: run(learning, params, first, x, key)[0],
        state=None if first is None else floats_of(first),
        statistics=None if first is None else lambda params, x: floats_of(counted(params, x)),
    )
    return module_task(form, splits, loss, samples, chunk)


def _parted(made: Any) -> tuple[Any, Any]:
    """A module, and its state or None."""
    return made if isinstance(made, tuple) else (made, None)


def _norms(eqx: Any, net: Any) -> list[Any]:
    leaves = jax.tree.leaves(net, is_leaf=lambda node: isinstance(node, eqx.nn.BatchNorm))
    return [leaf for leaf in leaves if isinstance(leaf, eqx.nn.BatchNorm)]


def _counting(eqx: Any, judged: Any) -> Any:
    """The same with batch norm alone as in training."""
    if not _norms(eqx, judged):
        return judged
    return eqx.tree_at(
        lambda net: [layer.inference for layer in _norms(eqx, net)],
        judged,
        [False] * len(_norms(eqx, judged)),
    )
