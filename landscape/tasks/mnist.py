"""MNIST by the convolutional network of Freeman & Bruna 2017, Figure 1, or by a dense one."""

from __future__ import annotations

from typing import Annotated, Any

import jax
import jax.numpy as jnp
from pydantic import Field

from landscape.core.settings import Count
from landscape.core.task import Task
from landscape.data import Store
from landscape.data import mnist as files
from landscape.networks import initialiser, predictor
from landscape.networks.convolutional import MnistNet
from landscape.networks.dense import MLP, Widths
from landscape.tasks.classification import classification, take

CHUNK = 100


def mnist(
    store: Store,
    *,
    filters: tuple[Count, Count] = (32, 64),
    dense: Count = 1024,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    hidden: Widths | None = None,
    train_images: Count | None = None,
    test_images: Count | None = None,
) -> Task:
    """60,000 training and 10,000 test images in [0, 1], by a convolutional network or a dense one.

    Metrics: loss and error, without dropout.

    Args:
        store: Finds the files.
        filters: Of the two convolutions.
        dense: The width of the dense layer.
        dropout: The share of its units that training drops.
        hidden: The widths of a dense ReLU network instead of the convolutional one, which
            `filters`, `dense` and `dropout` are of; null: the convolutional one.
        train_images: How many images to train on, evenly spaced; null: all.
        test_images: How many images to test on, evenly spaced; null: all.

    Raises:
        DataError: The files cannot be had.
    """
    found = files.load(store)
    data = {
        "train": take(found, "train", train_images),
        "test": take(found, "test", test_images),
    }
    if hidden is not None:
        return _dense(hidden, data)
    model = MnistNet(filters, dense, dropout)

    def scaled(images: jax.Array) -> jax.Array:
        return _scaled(images)[..., None]

    def learn(params: Any, images: jax.Array, key: jax.Array) -> jax.Array:
        x = scaled(images).astype(jnp.result_type(*jax.tree.leaves(params)))
        drops = {"dropout": key}
        logits = model.apply({"params": params}, x, training=True, rngs=drops)
        assert isinstance(logits, jax.Array)
        return logits

    predict = predictor(model)
    return classification(
        init=initialiser(model, jnp.zeros((1, 28, 28, 1))),
        data=data,
        predict=lambda params, images: predict(params, scaled(images)),
        learn=learn,
        chunk=CHUNK,
    )


def _dense(hidden: Widths, data: dict[str, tuple[jax.Array, jax.Array]]) -> Task:
    model = MLP(hidden, 10)
    predict = predictor(model)

    def logits(params: Any, images: jax.Array) -> jax.Array:
        return predict(params, _scaled(images).reshape(len(images), -1))

    return classification(
        init=initialiser(model, jnp.zeros((1, 28 * 28))),
        data=data,
        predict=logits,
        learn=lambda params, images, key: logits(params, images),
    )


def _scaled(images: jax.Array) -> jax.Array:
    return images.astype(jnp.result_type(float)) / 255
