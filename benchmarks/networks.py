"""The paper's networks: ours, PyTorch's of the same shape, and what a step costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch import nn
from torch.nn import functional

from landscape.core import trees
from landscape.core.landscape import Landscape, bind
from landscape.core.task import Task
from landscape.networks import initialiser, predictor
from landscape.networks.convolutional import CifarNet, MnistNet
from landscape.networks.dense import MLP
from landscape.networks.recurrent import LanguageModel
from landscape.tasks.classification import classification
from landscape.tasks.polynomial import polynomial
from landscape.tasks.ptb import WEIGHTS


@dataclass(frozen=True)
class Theirs:
    """A network of PyTorch's, and what its training descends: a function of its output; clip: the
    longest gradient."""

    net: Callable[[], nn.Module]
    x: torch.Tensor
    loss: Callable[[torch.Tensor], torch.Tensor]
    optimizer: Callable[[Any], torch.optim.Optimizer]
    clip: float | None = None


@dataclass(frozen=True)
class Case:
    """A network of ours and of PyTorch's, and what a step costs.

    flop: multiplications and additions of one forward pass; a training step has three times as
    many. models: how many at once, the last of them only with --full.
    """

    landscape: Landscape
    forward: Callable[[Any], Any]
    optimizer: optax.GradientTransformation
    flop: float
    theirs: Theirs
    models: tuple[int, ...] = (1, 8, 64)


def random_images(count: int, *shape: int) -> tuple[jax.Array, jax.Array]:
    drawn = np.random.default_rng(0)
    images = drawn.normal(size=(count, *shape)).astype(np.float32)
    return jnp.asarray(images), jnp.asarray(drawn.integers(0, 10, count), jnp.int32)


def tiny(points: int) -> Case:
    task = polynomial(coefficients=(0.1, 0.25, 0.5), points=points, test_points=points)
    landscape = bind(task, "mae", "train")

    def net() -> nn.Module:
        sizes = (1, 4, 4, 1)
        layers = [nn.Linear(i, o, bias=False) for i, o in pairwise(sizes)]
        return nn.Sequential(*(part for layer in layers for part in (layer, nn.Sigmoid())))

    x = torch.rand(points, 1)
    y = 0.1 + 0.25 * x + 0.5 * x**2
    theirs = Theirs(net, x, lambda out: (out - y).abs().mean(), adam(1e-3))
    return Case(landscape, landscape.level, optax.adam(1e-3), 2.0 * points * 24, theirs)


def adam(rate: float) -> Callable[[Any], torch.optim.Optimizer]:
    return lambda parameters: torch.optim.Adam(parameters, rate)


def sgd(rate: float) -> Callable[[Any], torch.optim.Optimizer]:
    return lambda parameters: torch.optim.SGD(parameters, rate)


def images_case(
    model: Any,
    shape: tuple[int, ...],
    batch: int,
    flop: float,
    net: Callable[[], nn.Module],
    optimizer: optax.GradientTransformation,
    torch_optimizer: Callable[[Any], torch.optim.Optimizer],
    dropout: bool = False,
) -> Case:
    images, labels = random_images(10 * batch, *shape)
    data = {"train": (images, labels), "look": (images[:1], labels[:1])}  # a look ends every call
    predict = predictor(model)

    def learn(params: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        if not dropout:
            return predict(params, x)
        return model.apply({"params": params}, x, training=True, rngs={"dropout": key})

    task = classification(initialiser(model, data["train"][0][:1]), data, predict, learn, batch)
    landscape = bind(task, "error", "look", batch)
    template = jax.eval_shape(task.init, jax.eval_shape(lambda: jax.random.key(0)))
    one_batch = data["train"][0][:batch]

    def forward(params: Any) -> jax.Array:
        return predict(trees.from_named(template, params), one_batch).sum()

    x, y = torch.tensor(np.asarray(one_batch)), torch.randint(0, 10, (batch,))
    x = x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x
    theirs = Theirs(net, x, lambda out: functional.cross_entropy(out, y), torch_optimizer)
    return Case(landscape, forward, optimizer, flop, theirs)


def wide() -> Case:
    sizes = (784, 512, 512, 10)
    flop = 2.0 * 100 * sum(a * b for a, b in pairwise(sizes))

    def net() -> nn.Module:
        return nn.Sequential(
            nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
        )

    model = MLP((512, 512), 10, "relu", "linear")
    return images_case(model, (784,), 100, flop, net, optax.adam(1e-3), adam(1e-3))


def mnist() -> Case:
    def net() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(3136, 1024), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, 10),
        )  # fmt: skip

    flop = 2.0 * 100 * (784 * 25 * 32 + 196 * 25 * 32 * 64 + 3136 * 1024 + 1024 * 10)
    model, ours = MnistNet((32, 64), 1024, 0.5), optax.adam(1e-4)
    return images_case(model, (28, 28, 1), 100, flop, net, ours, adam(1e-4), dropout=True)


def cifar() -> Case:
    def net() -> nn.Module:
        norm = nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)
        return nn.Sequential(
            nn.Conv2d(3, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), norm,
            nn.Conv2d(64, 64, 5, padding=2), nn.ReLU(), norm, nn.MaxPool2d(3, 2, 1),
            nn.Flatten(), nn.Linear(2304, 384), nn.ReLU(), nn.Linear(384, 192), nn.ReLU(),
            nn.Linear(192, 10),
        )  # fmt: skip

    dense = 2304 * 384 + 384 * 192 + 192 * 10
    flop = 2.0 * 128 * (576 * 75 * 64 + 144 * 1600 * 64 + dense)
    model = CifarNet((64, 64), (384, 192))
    return images_case(model, (24, 24, 3), 128, flop, net, optax.sgd(0.1), sgd(0.1))


class TorchLanguageModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10_000, 200)
        self.lstm = nn.LSTM(200, 200, 2)
        self.softmax = nn.Linear(200, 10_000)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.softmax(self.lstm(self.embedding(words))[0])


def lstm() -> Case:
    streams, window, vocabulary = 20, 20, 10_000
    model = LanguageModel(vocabulary, 200, 2, WEIGHTS)
    words = jnp.asarray(np.random.default_rng(0).integers(0, vocabulary, (streams, window + 1)))
    rest = model.rest(streams)

    def loss(params: Any, carry: Any, batch: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        out: Any = model.apply({"params": params}, carry, words[:, :-1])
        logits, state = out
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, words[:, 1:].T)
        return losses.sum(0).mean(), jax.tree.map(jax.lax.stop_gradient, state)

    task = Task(
        init=lambda key: model.init(key, rest, words[:, :-1])["params"],
        loss=loss,
        metrics={"loss": lambda params, data: loss(params, rest, data, jax.random.key(0))[0]},
        carry=rest,
    )
    landscape = bind(task)

    text = torch.tensor(np.asarray(words)).T.long()

    def summed(logits: torch.Tensor) -> torch.Tensor:
        losses = functional.cross_entropy(
            logits.reshape(-1, vocabulary), text[1:].reshape(-1), reduction="none"
        )
        return losses.reshape(window, streams).sum(0).mean()

    flop = 2.0 * streams * window * (2 * 400 * 800 + 200 * vocabulary)
    optimizer = optax.chain(optax.clip_by_global_norm(5.0), optax.sgd(1.0))
    theirs = Theirs(TorchLanguageModel, text[:-1], summed, sgd(1.0), clip=5.0)
    return Case(landscape, landscape.level, optimizer, flop, theirs)


CASES: dict[str, Callable[[], Case]] = {
    "1-4-4-1, 1,000 points": lambda: tiny(1_000),
    "1-4-4-1, 10,000 points": lambda: tiny(10_000),
    "784-512-512-10, batch 100": wide,
    "MNIST conv, batch 100": mnist,
    "CIFAR conv, batch 128": cifar,
    "LSTM, 20 × 20 words": lstm,
}
