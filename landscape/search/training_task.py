"""A task as it is trained: batches that go through the samples in epochs, arithmetic in bfloat16.

Metrics stay as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp

from landscape.core import trees
from landscape.core.landscape import Landscape, bind
from landscape.core.task import Batch, Carry, Scalar, Task

Sampling = Literal["epochs"]
Precision = Literal["bfloat16"]


def bound_as_trained(
    task: Task,
    metric: str,
    split: str,
    batch_size: int | None,
    sampling: Sampling | None,
    precision: Precision | None,
) -> Landscape:
    """The landscape of training, by batches and in arithmetic of its own; its level is the task's.

    Raises:
        ValueError: As `bind`; or there are epochs and no batches.
    """
    if precision == "bfloat16":
        task = in_bfloat16(task)
    if sampling is None:
        return bind(task, metric, split, batch_size)
    bind(task, metric, split, batch_size)  # which says what is wrong with the batches
    if batch_size is None:
        raise ValueError("sampling: epochs are of batches; give batch_size, too")
    return bind(in_epochs(task, batch_size), metric, split)


def in_epochs(task: Task, batch_size: int) -> Task:
    """The task with a loss of so many of its samples a step, each of them once an epoch, in a new
    random order each time. A batch may have the end of an epoch and the beginning of the next.

    The order is in the carry, so a task with a carry of its own has no epochs.
    """
    assert not jax.tree.leaves(task.carry), "bind refuses batches of a recurrent task"
    samples = trees.count(task.data["train"])

    def loss(params: Any, carry: Carry, data: Batch, key: jax.Array) -> tuple[Scalar, Carry]:
        order, at = carry
        key, shuffle = jax.random.split(key)
        ends = at + batch_size > samples
        following = jax.lax.cond(
            ends,
            lambda: jax.random.permutation(shuffle, samples).astype(order.dtype),
            lambda: order,
        )
        places = at + jnp.arange(batch_size)
        index = jnp.where(
            places < samples, order[jnp.minimum(places, samples - 1)], following[places - samples]
        )
        value, _ = task.loss(params, task.carry, trees.take(data, index), key)
        return value, (following, at + batch_size - jnp.where(ends, samples, 0))

    at_an_end = jnp.arange(samples, dtype=jnp.int32), jnp.int32(samples)
    return replace(task, loss=loss, carry=at_an_end)


def in_bfloat16(task: Task) -> Task:
    """The task with its loss, and so its gradient, computed in bfloat16."""

    def loss(params: Any, carry: Carry, batch: Batch, key: jax.Array) -> tuple[Scalar, Carry]:
        value, after = task.loss(_halved(params), _halved(carry), _halved(batch), key)
        wide = jax.tree.map(lambda new, old: new.astype(jnp.result_type(old)), after, carry)
        return value.astype(jnp.float32), wide

    return replace(task, loss=loss)


def _halved(tree: Any) -> Any:
    def half(leaf: Any) -> Any:
        real = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return jnp.asarray(leaf, jnp.bfloat16) if real else leaf

    return jax.tree.map(half, tree)
