"""Batch norm's statistics as a function of the parameters and of fixed training samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from landscape.core import trees
from landscape.core.state import State

SAMPLES = 2000  # for statistics, where nobody says how many
BATCH = 2000  # of them at once
FEW = 100  # samples that statistics may be of, if these are not all there are


def reference(inputs: jax.Array, samples: int | None) -> jax.Array:
    """What statistics are taken from: evenly spaced samples, so that an order of the data does not
    choose, as [batches, samples of a batch, ...], each batch with its part of all kinds.

    Args:
        inputs: Of the training data, [n, ...].
        samples: How many; None: all, but at most SAMPLES.

    Raises:
        ValueError: These are too few, or more than there are.
    """
    have = len(inputs)
    count = min(SAMPLES, have) if samples is None else samples
    if not min(FEW, have) <= count <= have:
        raise ValueError(
            f"samples: statistics of {count} of the {have} training samples (allowed: "
            f"{min(FEW, have)} to {have})"
        )
    batches = -(-count // BATCH)
    size = count // batches
    seen = inputs[trees.evenly(batches * size, have)]
    return seen.reshape(size, batches, *seen.shape[1:]).swapaxes(0, 1)


def batch_state(
    statistics: Callable[[Any, jax.Array], Any],
    stored: Any,
    inputs: jax.Array,
    samples: int | None = None,
) -> State:
    """Statistics of one batch, or the mean over batches of theirs, as the pass of Izmailov et al.
    (2018) and PyTorch's cumulative average take it.

    Args:
        statistics: (parameters, inputs) → the statistics of these inputs alone.
        stored: Such statistics as they are before training.
        inputs: Of the training data, [n, ...].
        samples: As for `reference`.

    Raises:
        ValueError: The samples are too few, or more than there are.
    """
    seen = reference(inputs, samples)

    def recompute(params: Any) -> Any:
        if len(seen) == 1:
            return statistics(params, seen[0])
        each = jax.lax.map(jax.checkpoint(lambda batch: statistics(params, batch)), seen)
        return jax.tree.map(lambda leaf: leaf.mean(0), each)

    return State(recompute, stored, seen.shape[0] * seen.shape[1])
