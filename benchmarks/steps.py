"""Training steps and forward passes of the paper's networks, against PyTorch in the same run.

    python benchmarks/steps.py [NAME …] [--json FILE]

Ours run as in training (landscape/descend.py), so many models at once; PyTorch runs eagerly, one
model after the other, at its best number of threads and memory format. Times are of one step of one
model, medians of rounds in which both take turns; the ratio is PyTorch's over ours, with its lowest
and highest round. The share is of the rate of a large float32 matrix product here.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from landscape import compute

compute.configure()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402

from landscape import trees  # noqa: E402
from landscape.base import Landscape, Task, bind, key_data  # noqa: E402
from landscape.compute import each  # noqa: E402
from landscape.descend import Descender  # noqa: E402
from landscape.networks import initialiser, predictor  # noqa: E402
from landscape.networks.convolutional import CifarNet, MnistNet  # noqa: E402
from landscape.networks.dense import MLP  # noqa: E402
from landscape.networks.recurrent import LanguageModel  # noqa: E402
from landscape.tasks.classification import classification  # noqa: E402
from landscape.tasks.polynomial import polynomial  # noqa: E402
from landscape.tasks.ptb import WEIGHTS  # noqa: E402

ROUNDS = 5
SECONDS = 1.0  # of one turn, about
nn, functional = torch.nn, torch.nn.functional


@dataclass(frozen=True)
class Case:
    """A network of ours and of PyTorch's, and what a step of theirs costs.

    flop: multiplications and additions of one forward pass; a training step has three times as
    many. theirs: memory format → (step, forward), each a call that does one.
    """

    landscape: Landscape
    forward: Callable[[Any], Any]
    optimizer: optax.GradientTransformation
    flop: float
    theirs: Callable[[bool], tuple[Callable[[], Any], Callable[[], Any]]]
    models: tuple[int, ...]


def random_images(count: int, *shape: int) -> tuple[jax.Array, jax.Array]:
    drawn = np.random.default_rng(0)
    images = drawn.normal(size=(count, *shape)).astype(np.float32)
    return jnp.asarray(images), jnp.asarray(drawn.integers(0, 10, count), jnp.int32)


def torch_training(
    net: nn.Module, optimizer: Any, loss: Callable[[], torch.Tensor], forward: Callable[[], Any]
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    def evaluate() -> Any:
        with torch.inference_mode():
            return forward()

    return step, evaluate


def tiny(points: int) -> Case:
    task = polynomial(coefficients=(0.1, 0.25, 0.5), points=points, test_points=points)
    landscape = bind(task, "mae", "train")

    def theirs(last: bool) -> Any:
        x = torch.rand(points, 1)
        y = 0.1 + 0.25 * x + 0.5 * x**2
        sizes = (1, 4, 4, 1)
        layers = [nn.Linear(i, o, bias=False) for i, o in pairwise(sizes)]
        net = nn.Sequential(*(part for layer in layers for part in (layer, nn.Sigmoid())))
        adam = torch.optim.Adam(net.parameters(), 1e-3)

        def loss() -> torch.Tensor:
            return (net(x) - y).abs().mean()

        return torch_training(net, adam, loss, loss)

    flop = 2.0 * points * 24
    return Case(landscape, landscape.level, optax.adam(1e-3), flop, theirs, (1, 8, 64))


def images_case(
    model: Any,
    shape: tuple[int, ...],
    batch: int,
    flop: float,
    net: Callable[[], nn.Module],
    optimizer: optax.GradientTransformation,
    torch_optimizer: Callable[..., Any],
    dropout: bool = False,
    models: tuple[int, ...] = (1, 8),
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

    def theirs(last: bool) -> Any:
        x = torch.tensor(np.asarray(one_batch))
        x = x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x
        labels = torch.randint(0, 10, (batch,))
        made = net()
        if last and x.ndim == 4:
            x, made = (part.to(memory_format=torch.channels_last) for part in (x, made))
        return torch_training(
            made,
            torch_optimizer(made.parameters()),
            lambda: functional.cross_entropy(made(x), labels),
            lambda: made(x),
        )

    return Case(landscape, forward, optimizer, flop, theirs, models)


def wide() -> Case:
    sizes = (784, 512, 512, 10)
    flop = 2.0 * 100 * sum(a * b for a, b in pairwise(sizes))

    def net() -> nn.Module:
        return nn.Sequential(
            nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
        )

    model = MLP((512, 512), 10, "relu", "linear")
    adam = lambda parameters: torch.optim.Adam(parameters, 1e-3)  # noqa: E731
    return images_case(model, (784,), 100, flop, net, optax.adam(1e-3), adam, models=(1, 8, 64))


def mnist() -> Case:
    def net() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(3136, 1024), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, 10),
        )  # fmt: skip

    flop = 2.0 * 100 * (784 * 25 * 32 + 196 * 25 * 32 * 64 + 3136 * 1024 + 1024 * 10)
    adam = lambda parameters: torch.optim.Adam(parameters, 1e-4)  # noqa: E731
    model = MnistNet((32, 64), 1024, 0.5)
    return images_case(model, (28, 28, 1), 100, flop, net, optax.adam(1e-4), adam, dropout=True)


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
    sgd = lambda parameters: torch.optim.SGD(parameters, 0.1)  # noqa: E731
    model = CifarNet((64, 64), (384, 192))
    return images_case(model, (24, 24, 3), 128, flop, net, optax.sgd(0.1), sgd)


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

    def theirs(last: bool) -> Any:
        net, text = TorchLanguageModel(), torch.tensor(np.asarray(words)).T.long()

        def summed() -> torch.Tensor:
            logits = net(text[:-1])
            losses = functional.cross_entropy(
                logits.reshape(-1, vocabulary), text[1:].reshape(-1), reduction="none"
            )
            return losses.reshape(window, streams).sum(0).mean()

        sgd = torch.optim.SGD(net.parameters(), 1.0)
        return torch_training(net, sgd, summed, lambda: net(text[:-1]))

    flop = 2.0 * streams * window * (2 * 400 * 800 + 200 * vocabulary)
    sgd = optax.chain(optax.clip_by_global_norm(5.0), optax.sgd(1.0))
    return Case(landscape, landscape.level, sgd, flop, theirs, (1, 8))


CASES: dict[str, Callable[[], Case]] = {
    "1-4-4-1, 1,000 points": lambda: tiny(1_000),
    "1-4-4-1, 10,000 points": lambda: tiny(10_000),
    "784-512-512-10, batch 100": wide,
    "MNIST conv, batch 100": mnist,
    "CIFAR conv, batch 128": cifar,
    "LSTM, 20 × 20 words": lstm,
}


def timed(call: Callable[[], Any], seconds: float = SECONDS) -> float:
    """Seconds a call, repeated for about so long."""
    count, began = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - began < seconds:
        call()
        count += 1
    return (time.perf_counter() - began) / count


def best_of_theirs(case: Case) -> dict[str, Callable[[], Any]]:
    """Their step and forward pass at the settings that are quickest here."""
    found: dict[str, tuple[float, Callable[[], Any]]] = {}
    for threads in {1, torch.get_num_threads()}:
        for last in (False, True):
            for what, call in zip(("train", "forward"), case.theirs(last), strict=True):

                def at(call: Any = call, threads: int = threads) -> None:
                    torch.set_num_threads(threads)
                    call()

                at()
                seconds = timed(at, SECONDS / 4)
                if what not in found or seconds < found[what][0]:
                    found[what] = seconds, at
    return {what: call for what, (_, call) in found.items()}


def ours(case: Case, models: int) -> dict[str, tuple[Callable[[], Any], int]]:
    """Our step and forward pass of so many models, and how many of one model a call makes."""
    keys = np.stack([key_data("bench", model) for model in range(models)])
    params = each(lambda key: case.landscape.init(jax.random.wrap_key_data(key)))(keys)
    # a look would not be a step: there is none before the end
    descender = Descender(case.landscape, case.optimizer, 2**20, 2**20)
    start = descender.start(params, keys, np.full(models, -np.inf))

    def train(steps: int) -> Callable[[], Any]:
        quick = Descender(case.landscape, case.optimizer, steps, steps)
        quick.advance(start)  # compiles
        return lambda: quick.advance(start)

    steps = max(1, min(4096, int(SECONDS / timed(train(1), SECONDS / 2))))
    if steps > 1:
        steps = max(1, min(65536, int(SECONDS * steps / timed(train(steps), SECONDS / 2))))
    passes = max(1, steps // 2)

    def repeated(item: Any) -> jax.Array:
        def body(i: jax.Array, total: jax.Array) -> jax.Array:
            moved = jax.tree.map(lambda leaf: leaf + 0 * total, item)  # or the loop is lifted out
            return total + case.forward(moved) * 1e-9

        return jax.lax.fori_loop(0, passes, body, jnp.zeros(()))

    run = each(repeated)
    return {
        "train": (train(steps), models * steps),
        "forward": (lambda: run(params), models * passes),
    }


def ceiling() -> float:
    """FLOP a second of a large float32 matrix product."""
    a = jnp.ones((2048, 2048), jnp.float32)
    product = jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    best = min(timed(lambda: product(a, a).block_until_ready(), 0.2) for _ in range(5))
    return 2 * 2048**3 / best


def measure(name: str, case: Case, most: float) -> list[dict[str, Any]]:
    theirs, records = best_of_theirs(case), []
    for models in case.models:
        for what, (call, count) in ours(case, models).items():
            call()
            rounds = [(timed(call) / count, timed(theirs[what])) for _ in range(ROUNDS)]
            mine, other = (statistics.median(column) for column in zip(*rounds, strict=True))
            ratios = sorted(their / our for our, their in rounds)
            work = case.flop * (3 if what == "train" else 1)
            records.append(
                {
                    "network": name, "models": models, "what": what,
                    "ours_us": 1e6 * mine, "pytorch_us": 1e6 * other,
                    "ratio": other / mine, "ratio_low": ratios[0], "ratio_high": ratios[-1],
                    "gflops": work / mine / 1e9, "share_of_ceiling": work / mine / most,
                }
            )  # fmt: skip
            show(records[-1])
    return records


def show(record: dict[str, Any]) -> None:
    spread = f"({record['ratio_low']:.2f} to {record['ratio_high']:.2f})"
    print(
        f"| {record['network']} | {record['models']} | {record['what']} | {record['ours_us']:,.1f} "
        f"| {record['pytorch_us']:,.1f} | {record['ratio']:.2f} {spread} "
        f"| {record['share_of_ceiling']:.0%} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of networks' names")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    most = ceiling()
    about = {
        "machine": f"{len(jax.devices())} × {jax.devices()[0].device_kind}, {platform.machine()}",
        "jax": jax.__version__, "torch": torch.__version__, "ceiling_gflops": most / 1e9,
    }  # fmt: skip
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print("| network | models | what | ours, µs | PyTorch, µs | PyTorch / ours | of the ceiling |")
    print("|---|---|---|---|---|---|---|")
    records = []
    for name, build in CASES.items():
        if not given.names or any(name.startswith(part) for part in given.names):
            records += measure(name, build(), most)
    if given.json:
        given.json.write_text(json.dumps({**about, "rows": records}, indent=1) + "\n")


if __name__ == "__main__":
    main()
