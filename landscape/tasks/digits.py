"""Scikit-learn's handwritten digits by a dense network."""

from __future__ import annotations

import jax.numpy as jnp

from landscape.core.settings import Seed
from landscape.core.task import Task
from landscape.data import digits as files
from landscape.networks import initialiser, predictor
from landscape.networks.dense import MLP, Activation, Widths
from landscape.networks.initial import HE, ZERO, Initial
from landscape.tasks.classification import classification


def digits(
    *,
    hidden: Widths = (32,),
    activation: Activation = "relu",
    weights: Initial = HE,
    biases: Initial | None = ZERO,
    data_seed: Seed = 0,
) -> Task:
    """Classification by a dense network; 1,437 training and 360 test images.

    Metrics: loss, the mean cross-entropy in nats; error, the share misclassified in percent.

    Args:
        hidden: The widths of the hidden layers.
        activation: Of the hidden layers.
        weights: How the weights are drawn.
        biases: How the biases are drawn; null: there are none.
        data_seed: Shuffles the images before they are split.
    """
    data = {
        split: (jnp.asarray(images.reshape(len(images), -1) / 16), jnp.asarray(labels))
        for split, (images, labels) in files.load(data_seed).items()
    }
    model = MLP(hidden, 10, activation, "linear", weights, biases)
    predict = predictor(model)
    return classification(
        init=initialiser(model, data["train"][0][:1]),
        data=data,
        predict=predict,
        learn=lambda params, x, key: predict(params, x),
    )
