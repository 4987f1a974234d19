"""Scikit-learn's 1,797 real handwritten digits, 8 × 8 pixels: the data set that needs no download.

E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
"""

from __future__ import annotations

from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic import Field

from landscape.base import Task
from landscape.tasks.networks import (
    HE,
    MLP,
    ZERO,
    Activation,
    Initial,
    Widths,
    initialiser,
    predictor,
)

TEST_SAMPLES = 360


def digits(
    *,
    hidden: Widths = (32,),
    activation: Activation = "relu",
    weights: Initial = HE,
    biases: Initial | None = ZERO,
    data_seed: Annotated[int, Field(ge=0)] = 0,
) -> Task:
    """Classification by a dense network; 1,437 training and 360 test images, shuffled by data_seed.

    Metrics: loss, the mean cross-entropy in nats; error, the share misclassified in percent.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(data_seed).permutation(len(labels))
    images, labels = images[order] / 16, labels[order].astype(np.int32)
    cut = len(labels) - TEST_SAMPLES
    data = {
        "train": (jnp.asarray(images[:cut]), jnp.asarray(labels[:cut])),
        "test": (jnp.asarray(images[cut:]), jnp.asarray(labels[cut:])),
    }
    model = MLP(hidden, 10, activation, "linear", weights, biases)
    predict = predictor(model)

    def cross_entropy(params: Any, batch: Any) -> jax.Array:
        x, y = batch
        return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()

    def error(params: Any, batch: Any) -> jax.Array:
        x, y = batch
        return 100 * (predict(params, x).argmax(-1) != y).mean()

    return Task(
        init=initialiser(model, data["train"][0][:1]),
        loss=lambda params, carry, batch, key: (cross_entropy(params, batch), carry),
        metrics={"loss": cross_entropy, "error": error},
        data=data,
    )
