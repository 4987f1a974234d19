"""What tasks of classification have in common: cross-entropy to train, error to count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from landscape.core import trees
from landscape.core.task import Margins, Outputs, Task, margin
from landscape.data import DataError

Predict = Callable[[Any, jax.Array], jax.Array]
Learn = Callable[[Any, jax.Array, jax.Array], jax.Array]


def take(
    found: Mapping[str, tuple[np.ndarray, np.ndarray]], split: str, count: int | None
) -> tuple[jax.Array, jax.Array]:
    """So many of a split's (inputs, labels), evenly spaced, so that an order in the file does not
    choose.

    Raises DataError, naming the key, when there are fewer.
    """
    inputs, labels = found[split]
    if count is not None and count > len(labels):
        raise DataError(
            f"task.{split}_images: {count} are asked for, the {split} split has {len(labels)}"
        )
    index = trees.evenly(count or len(labels), len(labels))
    return jnp.asarray(inputs[index]), jnp.asarray(labels[index], jnp.int32)


def in_chunks(predict: Predict, chunk: int | None) -> Predict:
    """The same with so many inputs at once, also where gradients are taken."""
    if chunk is None:
        return predict

    def parts(variables: Any, x: jax.Array) -> jax.Array:
        # without the checkpoint a gradient would keep what every chunk went through
        one = jax.checkpoint(lambda sample: predict(variables, sample[None])[0])
        return jax.lax.map(one, x, batch_size=chunk)

    return parts


def classification(
    init: Callable[[jax.Array], Any],
    data: Mapping[str, tuple[jax.Array, jax.Array]],
    predict: Predict,
    learn: Learn,
    chunk: int | None = None,
    label_smoothing: float = 0.0,
) -> Task:
    """data: split → (inputs [n, ...], labels [n], integers).

    predict: (parameters, inputs) → logits [n, classes], deterministic; learn: the same with a key,
    as in training. A metric runs through its split in chunks of so many inputs, to bound memory.
    label_smoothing: α of training's targets (1 − α)·one-hot + α/classes.
    Metrics: loss, the mean cross-entropy in nats; error, the share misclassified in percent.
    """

    def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
        logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    logits_of = in_chunks(predict, chunk)

    def training_loss(params: Any, carry: Any, batch: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        x, labels = batch
        logits = learn(params, x, key)
        if not label_smoothing:
            return cross_entropy(logits, labels), carry
        logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
        targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), label_smoothing)
        return optax.softmax_cross_entropy(logits, targets).mean(), carry

    def loss(params: Any, batch: Any) -> jax.Array:
        x, labels = batch
        return cross_entropy(logits_of(params, x), labels)

    def error(params: Any, batch: Any) -> jax.Array:
        x, labels = batch
        wrong = logits_of(params, x).argmax(-1) != labels
        return 100 * wrong.mean(dtype=jnp.result_type(float))

    def margins(params: Any, batch: Any) -> jax.Array:
        x, labels = batch
        return margin(logits_of(params, x), labels)

    return Task(
        init,
        training_loss,
        {"loss": loss, "error": error},
        data,
        margins={"error": Margins(margins, 100.0)},
        outputs=Outputs(lambda params, batch: logits_of(params, batch[0]), "jsd"),
        sample_means=("loss", "error"),
    )
