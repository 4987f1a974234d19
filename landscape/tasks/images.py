"""Images of any of three data sets by any of the built-in networks, trained as people train."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from landscape.core.settings import Count, Seed
from landscape.core.statistics import batch_state
from landscape.core.task import Task
from landscape.data import DataError, Store, cifar10, digits, mnist
from landscape.networks import initial_statistics, initialiser, learner, predictor
from landscape.networks.images import Network, ResNet
from landscape.tasks.classification import classification, take

CLASSES = 10
CHUNK = 128
RESNET = ResNet()
Share = Annotated[float, Field(ge=0, lt=1)]
Pixels = Annotated[int, Field(ge=0)]


def images(
    store: Store,
    *,
    data: Literal["digits", "mnist", "cifar10"] = "digits",
    network: Network = RESNET,
    flip: bool = False,
    crop: Pixels = 0,
    label_smoothing: Share = 0.0,
    train_images: Count | None = None,
    test_images: Count | None = None,
    samples: Count | None = None,
    data_seed: Seed = 0,
) -> Task:
    """Classification of images into ten classes by a ResNet, a VGG, a vision transformer or an
    MLP-Mixer. The statistics of batch norm are the network's state: recomputed from training images
    at each point, and those of its batch while a network or a bead is trained.

    Each channel is standardised over the training images. Metrics, on images as they are: loss, the
    mean cross-entropy in nats, without smoothing; error, the share misclassified in percent.

    Args:
        store: Finds the files.
        data: `digits` (8 × 8, no download), `mnist` (28 × 28) or `cifar10` (32 × 32, in colour).
        network: `name`, and the settings of that network: `resnet` has `depth` (6n + 2), `width`
            and `norm` (`batch`, `group`, `none`); `vgg` has `channels`, `dense` and `norm`; `vit`
            has `patch`, `width`, `heads` and `depth`; `mixer` has `patch`, `width` and `depth`.
        flip: Training mirrors each image by chance, left to right.
        crop: Training shifts each image by up to so many pixels each way, over zeros.
        label_smoothing: The share of training's target that is spread over all classes.
        train_images: How many images to train on, evenly spaced; null: all.
        test_images: How many images to test on, evenly spaced; null: all.
        samples: From how many training images, evenly spaced, batch norm's statistics are
            recomputed; null: all, but at most 2,000.
        data_seed: Shuffles the digits before they are split.

    Raises:
        DataError: The files cannot be had, or `samples` are too few or too many.
    """
    if data == "digits":
        found = digits.load(data_seed)
    else:
        found = mnist.load(store) if data == "mnist" else cifar10.load(store)
    found = {split: (_in_channels(x), labels) for split, (x, labels) in found.items()}
    splits = {
        "train": take(found, "train", train_images),
        "test": take(found, "test", test_images),
    }
    seen = np.asarray(splits["train"][0], float)
    mean, deviation = seen.mean((0, 1, 2), keepdims=True), seen.std((0, 1, 2), keepdims=True)
    model = network.module(CLASSES)

    def scaled(x: jax.Array) -> jax.Array:
        kind = jnp.result_type(float)
        return (x.astype(kind) - jnp.asarray(mean, kind)) / jnp.asarray(deviation, kind)

    sample = scaled(splits["train"][0][:1])
    judge, stored = predictor(model), initial_statistics(model, sample)
    by_batch = learner(model, stored)

    def predict(variables: Any, x: jax.Array) -> jax.Array:
        params, statistics = variables if stored else (variables, {})
        return judge(params, scaled(x), statistics)

    def learn(params: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        seen = augmented(scaled(x), key, flip, crop)
        return by_batch(params, seen)[0] if stored else judge(params, seen)

    task = classification(
        init=initialiser(model, sample),
        data=splits,
        predict=predict,
        learn=learn,
        chunk=None if data == "digits" else CHUNK,
        label_smoothing=label_smoothing,
    )
    if not stored:
        if samples is not None:
            raise DataError("task.samples: the network has no batch norm to take statistics for")
        return task
    try:
        state = batch_state(
            lambda params, x: by_batch(params, scaled(x))[1], stored, splits["train"][0], samples
        )
    except ValueError as error:
        raise DataError(f"task.{error}") from None
    return replace(task, state=state)


def _in_channels(x: np.ndarray) -> np.ndarray:
    return x if x.ndim == 4 else x[..., None]


def augmented(x: jax.Array, key: jax.Array, flip: bool, crop: int) -> jax.Array:
    """Images [n, h, w, c], each mirrored by chance if `flip`, and shifted over zeros by up to
    `crop` pixels each way."""
    mirror, shift = jax.random.split(key)
    if flip:
        chosen = jax.random.bernoulli(mirror, shape=(len(x), 1, 1, 1))
        x = jnp.where(chosen, x[:, :, ::-1], x)
    if crop:
        room = jnp.pad(x, ((0, 0), (crop, crop), (crop, crop), (0, 0)))
        places = jax.random.randint(shift, (len(x), 2), 0, 2 * crop + 1)

        def cut(image: jax.Array, at: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice(image, (at[0], at[1], 0), x.shape[1:])

        x = jax.vmap(cut)(room, places)
    return x
