"""The language task, on a small text."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core.landscape import bind
from landscape.data import DataError, Store
from landscape.networks.recurrent import LanguageModel
from landscape.tasks.ptb import WEIGHTS, ptb

SIZES: dict = {"width": 4, "window": 5, "streams": 3}


@pytest.fixture
def store(tmp_path):
    drawn = np.random.default_rng(0)
    for name, lines in (("a.txt", 30), ("b.txt", 12)):
        text = "".join(" ".join(drawn.choice(list("uvwxyz"), 4)) + "\n" for _ in range(lines))
        (tmp_path / name).write_text(text)
    return Store(tmp_path)


@pytest.fixture
def task(store):
    return ptb(store, train_file="a.txt", test_file="b.txt", **SIZES)


def test_the_initial_parameters_are_the_published_ones(store):
    task = ptb(store, train_file="a.txt", test_file="b.txt", streams=2)
    params = task.init(jax.random.key(0))
    biases = [params[layer].pop("bias") for layer in ("LSTM_0", "LSTM_1")]
    assert all(bias.shape == (800,) and (bias == 0).all() for bias in biases)
    drawn = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])
    assert abs(drawn).max() <= 0.1 and drawn.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.01)


def test_streams_hold_the_text_in_order(task):
    # 30 lines of 4 words and <eos>: 150, of which 3 streams of 9 windows of 5, each with a word to
    # begin with
    assert task.data["train"].shape == (3, 46)
    assert np.array_equal(task.data["train"][0, -1], task.data["train"][1, 0])


def test_perplexity_is_that_of_the_text_read_at_once(task):
    params, text = task.init(jax.random.key(0)), task.data["test"]
    model = LanguageModel(8, 4, 2, WEIGHTS)
    logits, _ = model.apply({"params": params}, model.rest(3), text[:, :-1])
    logs = jax.nn.log_softmax(logits)
    said = jnp.take_along_axis(logs, text[:, 1:].T[..., None], -1)
    assert float(task.metrics["loss"](params, text)) == pytest.approx(float(-said.mean()), rel=1e-5)
    perplexity = float(task.metrics["perplexity"](params, text))
    assert perplexity == pytest.approx(float(jnp.exp(-said.mean())), rel=1e-5)


def test_training_walks_through_the_text_and_carries_its_state(task):
    params, text, carry = task.init(jax.random.key(0)), task.data["train"], task.carry
    losses = []
    for _ in range(9):
        loss, carry = task.loss(params, carry, text, jax.random.key(0))
        losses.append(float(loss) / 5)  # summed over the window
    assert np.mean(losses) == pytest.approx(float(task.metrics["loss"](params, text)), rel=1e-5)
    at, state = carry
    assert int(at) == 0 and all((leaf == 0).all() for leaf in jax.tree.leaves(state))
    _, (at, state) = task.loss(params, carry, text, jax.random.key(0))
    assert int(at) == 5 and any((leaf != 0).any() for leaf in jax.tree.leaves(state))


def test_it_can_be_bound_and_learns(task):
    landscape = bind(task, "perplexity", "train")

    def step(_, state):
        params, carry = state
        grad, carry = jax.grad(landscape.loss, has_aux=True)(params, carry, jax.random.key(0))
        return {name: leaf - 0.1 * grad[name] for name, leaf in params.items()}, carry

    params = landscape.init(jax.random.key(1))
    after, _ = jax.lax.fori_loop(0, 100, step, (params, landscape.carry))
    assert landscape.level(after) < 0.9 * landscape.level(params)


@pytest.mark.parametrize("batch_size", [SIZES["streams"], 2])
def test_random_batches_are_refused(task, batch_size):
    with pytest.raises(ValueError, match="no batches are drawn"):
        bind(task, "loss", "train", batch_size)


def test_a_text_too_short_is_said(store):
    def read(test_words):
        return ptb(store, train_file="a.txt", test_file="b.txt", test_words=test_words, **SIZES)

    with pytest.raises(
        DataError, match=r"task\.streams: the test text has 15 words; 3 streams of 5 need 16"
    ):
        read(15)
    assert read(16).data["test"].shape == (3, 6)
    assert np.array_equal(read(60).data["test"], read(None).data["test"])
    with pytest.raises(
        DataError, match=r"task\.test_words: 61 are asked for, the test text has 60"
    ):
        read(61)
