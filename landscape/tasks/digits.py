"""Scikit-learn's 1,797 real handwritten digits, 8 × 8 pixels: the data set that needs no download.

E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from landscape.core.settings import Seed
from landscape.core.task import Task
from landscape.networks import initialiser, predictor
from landscape.networks.dense import MLP, Activation, Widths
from landscape.networks.initial import HE, ZERO, Initial
from landscape.tasks.classification import classification

TEST_SAMPLES = 360


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
    return classification(
        init=initialiser(model, data["train"][0][:1]),
        data=data,
        predict=predict,
        learn=lambda params, x, key: predict(params, x),
    )
