"""The next character of a text by a transformer."""

from __future__ import annotations

from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from landscape.core.settings import Count
from landscape.core.task import Task
from landscape.data import DataError, Store
from landscape.data import text as files
from landscape.networks import initialiser
from landscape.networks.text import Transformer
from landscape.tasks.classification import classification

CHUNK = 512
TRANSFORMER = Transformer()
Part = Annotated[float, Field(gt=0, lt=1)]


def text(
    store: Store,
    *,
    file: str,
    network: Transformer = TRANSFORMER,
    window: Count = 32,
    characters: Count | None = None,
    test_share: Part = 0.1,
) -> Task:
    """The next character of a text of yours, by a transformer.

    The text is cut into windows, which are the samples: the network predicts each character of one
    from those before it in the same window. The end of the text is for testing.

    Metrics: loss, the mean cross-entropy of a character in nats; error, the share of characters
    that are not the most likely one, in percent.

    Args:
        store: Finds the file.
        file: Name of a UTF-8 text, which is looked for in `data.dir`.
        network: `width`, `heads` and `depth` of the transformer.
        window: Characters of a window.
        characters: The first so many of the text; null: all.
        test_share: Part of the text, at its end, that is for testing.

    Raises:
        DataError: The file cannot be had, or has too few characters.
    """
    read, alphabet = files.load(store, file)
    if characters is not None and characters > len(read):
        raise DataError(f"task.characters: {characters} are asked for, {file} has {len(read)}")
    read = read[:characters]
    begins = round(len(read) * (1 - test_share))
    data = {
        split: _windows(part, window, split, file)
        for split, part in (("train", read[:begins]), ("test", read[begins:]))
    }
    model = network.module(len(alphabet))

    def predict(params: Any, x: jax.Array) -> jax.Array:
        out = model.apply({"params": params}, x)
        assert isinstance(out, jax.Array)
        return out

    return classification(
        init=initialiser(model, data["train"][0][:1]),
        data=data,
        predict=predict,
        learn=lambda params, x, key: predict(params, x),
        chunk=CHUNK,
    )


def _windows(part: np.ndarray, window: int, split: str, file: str) -> tuple[jax.Array, jax.Array]:
    """Characters [n, window], and those that follow each of them. Raises DataError."""
    count = (len(part) - 1) // window
    if count < 1:
        raise DataError(
            f"task.window: the {split} part of {file} has {len(part)} characters, fewer than a "
            f"window of {window} and one that follows"
        )
    starts = np.arange(count)[:, None] * window + np.arange(window)
    return jnp.asarray(part[starts]), jnp.asarray(part[starts + 1])
