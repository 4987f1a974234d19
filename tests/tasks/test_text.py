"""The next character of a text."""

from __future__ import annotations

import string

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core.landscape import bind
from landscape.data import DataError, Store
from landscape.networks.text import Transformer
from landscape.tasks.text import text

TEXT = "Größe,\nand other words. " * 20
NETWORK = Transformer(width=8, heads=2, depth=1)


@pytest.fixture
def made(tmp_path):
    def of(written: str | bytes = TEXT, **given):
        content = written.encode() if isinstance(written, str) else written
        (tmp_path / "own.txt").write_bytes(content)
        return text(Store(tmp_path), file="own.txt", network=NETWORK, **given)

    return of


def test_each_character_follows_the_one_before_it(made):
    task = made(window=7, test_share=0.25)
    alphabet = sorted(set(TEXT))
    assert len(TEXT) == 480 and [len(task.data[s][0]) for s in ("train", "test")] == [51, 17]
    x, y = (np.asarray(part).ravel() for part in task.data["train"])
    assert "".join(alphabet[one] for one in x) == TEXT[:357]
    assert "".join(alphabet[one] for one in y) == TEXT[1:358]
    x, y = (np.asarray(part).ravel() for part in task.data["test"])
    assert "".join(alphabet[one] for one in x) == TEXT[360:479]


def test_nothing_is_seen_of_what_comes_later(made):
    task = made(window=10)
    params = task.init(jax.random.key(0))
    x = task.data["train"][0][:1]
    changed = x.at[0, 6].set((x[0, 6] + 1) % 20)
    before, after = (task.outputs.predict(params, (one, one)) for one in (x, changed))
    same = np.isclose(before, after, atol=1e-6).all((0, 2))
    assert same[:6].all() and not same[6:].any()


def test_it_learns_what_follows_what(made):
    task = made(window=16)
    landscape = bind(task)
    params = landscape.init(jax.random.key(0))
    # untrained, it takes all characters for about as likely
    assert float(landscape.level(params)) == pytest.approx(np.log(len(set(TEXT))), abs=0.5)

    @jax.jit
    def step(params):
        gradient = jax.grad(lambda p: landscape.loss(p, (), jax.random.key(0))[0])(params)
        return {name: leaf - 0.5 * gradient[name] for name, leaf in params.items()}

    after = params
    for _ in range(200):
        after = step(after)
    assert landscape.level(after) < 0.5 * landscape.level(params)


def test_metrics_are_means_over_characters(made):
    task = made(window=9)
    params, (x, y) = task.init(jax.random.key(0)), task.data["train"]
    logits = task.outputs.predict(params, (x, y))
    logs = np.asarray(jax.nn.log_softmax(logits)).reshape(-1, logits.shape[-1])
    labels = np.asarray(y).ravel()
    hard = -logs[np.arange(len(labels)), labels].mean()
    assert float(task.metrics["loss"](params, (x, y))) == pytest.approx(hard, rel=1e-5)
    wrong = 100 * (logs.argmax(-1) != labels).mean()
    assert float(task.metrics["error"](params, (x, y))) == pytest.approx(wrong, rel=1e-5)
    halves = [
        float(task.metrics["loss"](params, jax.tree.map(lambda a, k=k: a[k::2][:20], (x, y))))
        for k in (0, 1)
    ]
    whole = float(task.metrics["loss"](params, jax.tree.map(lambda a: a[:40], (x, y))))
    assert whole == pytest.approx(np.mean(halves), rel=1e-5)
    assert jnp.issubdtype(x.dtype, jnp.integer)


@pytest.mark.parametrize(
    "written, given, said",
    [
        (TEXT, {"window": 48}, "task.window: the test part of own.txt has 48 characters"),
        (TEXT, {"characters": 481}, "task.characters: 481 are asked for, own.txt has 480"),
        (b"one\nt\xffo", {}, "own.txt:2: not UTF-8 text"),
        ("a\n\n\0", {}, "own.txt:3: not text"),
        ("", {}, "own.txt: empty"),
    ],
)
def test_mistakes(made, written, given, said):
    with pytest.raises(DataError) as caught:
        made(written, **given)
    assert said in str(caught.value)


def test_a_text_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"wanted:\n  gone\.txt"):
        text(Store(tmp_path), file="gone.txt")
    with pytest.raises(DataError, match=r"task\.file: expected a file's name"):
        text(Store(tmp_path), file="../gone.txt")


def test_every_character_of_the_alphabet_counts(made):
    task = made(string.ascii_letters * 8)
    shapes = jax.eval_shape(task.init, jax.random.key(0))
    assert shapes["Embed_0"]["embedding"].shape == (52, 8)
