"""The next word of the Penn Treebank by the LSTM of Freeman & Bruna 2017, Figure 1."""

from __future__ import annotations

from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic import Field

from landscape.core.settings import Count
from landscape.core.task import Task
from landscape.data import DataError, Store
from landscape.data import ptb as files
from landscape.networks.initial import Initial
from landscape.networks.recurrent import LanguageModel

Words = Annotated[int, Field(ge=2)]
WEIGHTS = Initial(distribution="uniform", scale=0.1)


def ptb(
    store: Store,
    *,
    train_file: str = "ptb.train.txt",
    test_file: str = "ptb.test.txt",
    vocabulary: Words = 10_000,
    width: Count = 200,
    layers: Count = 2,
    window: Count = 20,
    streams: Count = 20,
    weights: Initial = WEIGHTS,
    test_words: Words | None = None,
) -> Task:
    """The next word of a text, by an LSTM.

    A text is cut into `streams` of equal length that are read side by side, `window` words a step.
    The state is carried from window to window, and forgotten where the text begins again. Training
    descends the cross-entropy in nats summed over a window, averaged over the streams, its gradient
    truncated at the window.

    Metrics, over a whole text: loss, the mean cross-entropy of a word; perplexity, its exponential.
    It has no outputs to compare: the chances of every word of the vocabulary at every word of a
    text would be too many.

    Args:
        store: Finds the files.
        train_file: The text that is trained on.
        test_file: The text that is tested on.
        vocabulary: How many words are told apart; the rest are one.
        width: Of the embedding and of each layer.
        layers: Of the LSTM.
        window: Words a step.
        streams: Parts of a text that are read side by side.
        weights: How the weights are drawn.
        test_words: The first so many words of the test text; null: all.

    Raises:
        DataError: The files cannot be had.
    """
    tokens, words = files.load(store, train_file, test_file, vocabulary)
    if test_words is not None and test_words > len(tokens["test"]):
        there = len(tokens["test"])
        raise DataError(f"task.test_words: {test_words} are asked for, the test text has {there}")
    tokens["test"] = tokens["test"][:test_words]
    model = LanguageModel(len(words), width, layers, weights)
    data = {}
    for split, text in tokens.items():
        length = (len(text) - 1) // (streams * window) * window
        if length == 0:
            raise DataError(
                f"task.streams: the {split} text has {len(text)} words; {streams} streams of "
                f"{window} need {streams * window + 1}, the last one to be predicted"
            )
        read = np.stack([text[k * length : (k + 1) * length + 1] for k in range(streams)])
        data[split] = jnp.asarray(read)

    def cross_entropy(params: Any, state: Any, text: jax.Array, at: Any) -> tuple[jax.Array, Any]:
        """Of the window at a place, [time, streams], and the state after it."""
        read = jax.lax.dynamic_slice_in_dim(text, at, window + 1, axis=1)
        out = model.apply({"params": params}, state, read[:, :-1])
        logits, state = out  # type: ignore[misc]
        return optax.softmax_cross_entropy_with_integer_labels(logits, read[:, 1:].T), state

    def training_loss(params: Any, carry: Any, text: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        at, state = carry
        losses, state = cross_entropy(params, state, text, at)
        following = at + window
        ends = following >= text.shape[1] - 1
        state = jax.tree.map(lambda leaf: jnp.where(ends, 0, jax.lax.stop_gradient(leaf)), state)
        return losses.sum(0).mean(), (jnp.where(ends, 0, following), state)

    def loss(params: Any, text: Any) -> jax.Array:
        def over(state: Any, at: jax.Array) -> tuple[Any, jax.Array]:
            # without the checkpoint a gradient would keep what every window went through
            losses, state = jax.checkpoint(cross_entropy)(params, state, text, at)
            return state, losses.mean()

        places = jnp.arange(0, text.shape[1] - 1, window)
        return jax.lax.scan(over, model.rest(streams), places)[1].mean()

    def init(key: jax.Array) -> Any:
        return model.init(key, model.rest(streams), data["train"][:, :window])["params"]

    return Task(
        init=init,
        loss=training_loss,
        metrics={"loss": loss, "perplexity": lambda params, text: jnp.exp(loss(params, text))},
        data=data,
        carry=(jnp.int32(0), model.rest(streams)),
        differentiable=(),  # a gradient through a whole text
        filters={"embedding": 0},  # a word's vector: it is looked up, not multiplied
    )
