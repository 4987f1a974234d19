"""Regression of a polynomial by a small network (Freeman & Bruna 2017, Figure 1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from landscape.core.settings import Count, Seed
from landscape.core.task import Outputs, Task
from landscape.networks import initialiser, predictor
from landscape.networks.dense import MLP, Activation, Widths
from landscape.networks.initial import UNIT_UNIFORM, Initial


def polynomial(
    *,
    coefficients: Annotated[tuple[float, ...], Field(min_length=1)],
    points: Count = 10_000,
    test_points: Count = 10_000,
    hidden: Widths = (4, 4),
    activation: Activation = "sigmoid",
    output_activation: Activation = "sigmoid",
    weights: Initial = UNIT_UNIFORM,
    biases: Initial | None = None,
    loss: Literal["mae", "mse"] = "mae",
    data_seed: Seed = 0,
) -> Task:
    """y = Σ coefficients[k]·x^k, x uniform on [0, 1]; train and test points are drawn apart.

    Metrics: mae and mse, and loss, the one of them that is trained.

    Args:
        coefficients: Of the polynomial, from the constant on.
        points: How many points to train on.
        test_points: How many points to test on.
        hidden: The widths of the hidden layers.
        activation: Of the hidden layers.
        output_activation: Of the output.
        weights: How the weights are drawn.
        biases: How the biases are drawn; null: there are none.
        loss: What is trained: the mean absolute or the mean squared error.
        data_seed: Draws the points.
    """
    model = MLP(hidden, 1, activation, output_activation, weights, biases)
    predict = predictor(model)
    drawn = np.random.default_rng(data_seed)

    def sample(count: int) -> tuple[jax.Array, jax.Array]:
        x = drawn.uniform(size=(count, 1))
        return jnp.asarray(x), jnp.asarray(np.polynomial.polynomial.polyval(x, coefficients))

    data = {"train": sample(points), "test": sample(test_points)}

    def residual(params: Any, batch: Any) -> jax.Array:
        x, y = batch
        return predict(params, x) - y

    metrics = {
        "mae": lambda params, batch: jnp.abs(residual(params, batch)).mean(),
        "mse": lambda params, batch: jnp.square(residual(params, batch)).mean(),
    }
    metrics["loss"] = metrics[loss]

    return Task(
        init=initialiser(model, data["train"][0][:1]),
        loss=lambda params, carry, batch, key: (metrics["loss"](params, batch), carry),
        metrics=metrics,
        data=data,
        differentiable=("loss", "mae", "mse"),
        outputs=Outputs(lambda params, batch: predict(params, batch[0]), "l2"),
        sample_means=("loss", "mae", "mse"),
        nonsmooth=("mae", "loss") if loss == "mae" else ("mae",),
    )
