"""CIFAR-10 by the convolutional network of Freeman & Bruna 2017, Figure 1."""

from __future__ import annotations

from typing import Annotated

import jax
import jax.numpy as jnp
from pydantic import Field

from landscape.core.settings import Count
from landscape.core.task import Task
from landscape.data import Store
from landscape.data import cifar10 as files
from landscape.networks import initialiser, predictor
from landscape.networks.convolutional import CifarNet
from landscape.tasks.classification import classification, take

CHUNK = 128
SIDE = 24
EDGE = (32 - SIDE) // 2
Names = Annotated[tuple[str, ...], Field(min_length=1)]


def cifar10(
    store: Store,
    *,
    filters: tuple[Count, Count] = (64, 64),
    dense: tuple[Count, Count] = (384, 192),
    train_files: Names = files.TRAIN_FILES,
    test_files: Names = files.TEST_FILES,
    train_images: Count | None = None,
    test_images: Count | None = None,
) -> Task:
    """24 × 24 crops of the images, each standardised.

    Training sees them cropped at random, mirrored, and jittered in brightness and contrast; the
    metrics, loss and error, see the middle.

    Args:
        store: Finds the files.
        filters: Of the two convolutions.
        dense: The widths of the two dense layers.
        train_files: The batches that are trained on.
        test_files: The batches that are tested on.
        train_images: How many images to train on, evenly spaced; null: all.
        test_images: How many images to test on, evenly spaced; null: all.

    Raises:
        DataError: The files cannot be had.
    """
    found = files.load(store, train_files, test_files)
    data = {
        "train": take(found, "train", train_images),
        "test": take(found, "test", test_images),
    }
    model = CifarNet(filters, dense)
    predict = predictor(model)

    def middle(images: jax.Array) -> jax.Array:
        cut = images[:, EDGE : EDGE + SIDE, EDGE : EDGE + SIDE]
        return jax.vmap(standardised)(cut.astype(jnp.result_type(float)))

    def seen(images: jax.Array, key: jax.Array) -> jax.Array:
        return jax.vmap(distorted)(images, jax.random.split(key, len(images)))

    return classification(
        init=initialiser(model, jnp.zeros((1, SIDE, SIDE, 3))),
        data=data,
        predict=lambda params, images: predict(params, middle(images)),
        learn=lambda params, images, key: predict(params, seen(images, key)),
        chunk=CHUNK,
    )


def standardised(image: jax.Array) -> jax.Array:
    """Mean 0 and standard deviation 1 over an image [h, w, c], the deviation not below 1/√(hwc)."""
    floor = 1 / jnp.sqrt(jnp.array(image.size, image.dtype))
    return (image - image.mean()) / jnp.maximum(image.std(), floor)


def distorted(image: jax.Array, key: jax.Array) -> jax.Array:
    """[32, 32, 3] in 0 … 255 → [24, 24, 3]: a random crop, mirrored by chance, brightness shifted
    by up to 63 and contrast scaled by .2 to 1.8 about each channel's mean, standardised."""
    crop, mirror, shift, scale = jax.random.split(key, 4)
    high, wide = jax.random.randint(crop, (2,), 0, image.shape[0] - SIDE + 1)
    x = jax.lax.dynamic_slice(image, (high, wide, 0), (SIDE, SIDE, image.shape[-1]))
    x = x.astype(jnp.result_type(float))
    x = jnp.where(jax.random.bernoulli(mirror), x[:, ::-1], x)
    x = x + jax.random.uniform(shift, minval=-63.0, maxval=63.0)
    mean = x.mean((0, 1), keepdims=True)
    x = (x - mean) * jax.random.uniform(scale, minval=0.2, maxval=1.8) + mean
    return standardised(x)
