"""Turn a triangle: the three-point task whose permuted networks are not joined at low loss.

Freeman & Bruna 2017, App. D. The points are the unit equilateral triangle's corners x₁, x₂, x₃,
centred at 0, and the task is x₁ → x₂ → x₃ → x₁. Swapping two of three hidden units changes the
sign of det ρ(W₁X), so every path between a network and its swapped twin crosses det = 0; there
some n ≠ 0 has ρ(W₁X)n = 0, and the loss is at least ½(1 − (n·1)²/3|n|²) ≥ 1/6, because the rows of
ρ(W₁X) are non-negative with a zero among them. With a fourth unit that determinant is no more.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landscape.core.settings import Count
from landscape.core.task import Outputs, Task
from landscape.networks import initialiser, predictor
from landscape.networks.dense import MLP
from landscape.networks.initial import HE, Initial

BOUND = 1 / 6


def triangle(*, hidden: Count = 3, weights: Initial = HE) -> Task:
    """Three points of a triangle, by a 2-hidden-2 ReLU network without biases.

    Metric: loss, the mean over the three points of the squared distance; 1 for the zero network.

    Args:
        hidden: The width of the hidden layer.
        weights: How the weights are drawn.
    """
    angles = 2 * np.pi * np.arange(3) / 3
    x = jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    model = MLP((hidden,), 2, "relu", "linear", weights, None)
    predict = predictor(model)

    def loss(params: Any, batch: Any) -> jax.Array:
        inputs, targets = batch
        return jnp.square(predict(params, inputs) - targets).sum(1).mean()

    return Task(
        init=initialiser(model, x[:1]),
        loss=lambda params, carry, batch, key: (loss(params, batch), carry),
        metrics={"loss": loss},
        data={"train": (x, jnp.roll(x, -1, axis=0))},
        outputs=Outputs(lambda params, batch: predict(params, batch[0]), "l2"),
        sample_means=("loss",),
    )
