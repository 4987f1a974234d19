"""Training steps and forward passes of the paper's networks, against PyTorch in the same run.

    python benchmarks/steps.py [NAME …] [--full] [--json FILE]

Ours run as in training (landscape/descend.py), so many models at once. PyTorch runs in the quickest
of the ways that its users would reach for, found first: eagerly, one model after the other, on one
thread and on all, in both memory formats; all models by torch.func.vmap; with --full, which also
has rows of more models, by torch.compile. Times are of one step of one model, medians of rounds in
which both take turns; the ratio is PyTorch's over ours, with its lowest and highest round; eager is
the ratio to the quickest eager way. The share is of the rate of a large float32 matrix product.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

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
SECONDS = 0.5  # of one turn, about


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


@dataclass(frozen=True)
class Way:
    """How PyTorch is run: a step and a forward pass, each of so many models."""

    name: str
    models: int
    train: Callable[[], Any]
    forward: Callable[[], Any]


def random_images(count: int, *shape: int) -> tuple[jax.Array, jax.Array]:
    drawn = np.random.default_rng(0)
    images = drawn.normal(size=(count, *shape)).astype(np.float32)
    return jnp.asarray(images), jnp.asarray(drawn.integers(0, 10, count), jnp.int32)


def one_after_the_other(theirs: Theirs, last: bool, compiled: bool) -> Way:
    net, x = theirs.net(), theirs.x
    optimizer = theirs.optimizer(net.parameters())
    if last:
        net, x = (part.to(memory_format=torch.channels_last) for part in (net, x))
    run = torch.compile(net) if compiled else net

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        theirs.loss(run(x)).backward()
        if theirs.clip:
            nn.utils.clip_grad_norm_(net.parameters(), theirs.clip)
        optimizer.step()

    def forward() -> None:
        with torch.inference_mode():
            run(x)

    name = "compile" if compiled else "eager" + ", channels last" * last
    return Way(name, 1, train, forward)


def all_together(theirs: Theirs, models: int) -> Way:
    nets = [theirs.net() for _ in range(models)]
    stacked, _ = torch.func.stack_module_state(nets)
    params = {name: leaf.detach().clone() for name, leaf in stacked.items()}
    optimizer = theirs.optimizer(params.values())

    def output(params: Any) -> torch.Tensor:
        return torch.func.functional_call(nets[0], params, (theirs.x,))

    gradients = torch.func.vmap(
        torch.func.grad(lambda params: theirs.loss(output(params))), randomness="different"
    )
    outputs = torch.func.vmap(output, randomness="different")

    def train() -> None:
        for name, gradient in gradients(params).items():
            params[name].grad = gradient
        optimizer.step()

    def forward() -> None:
        with torch.inference_mode():
            outputs(params)

    return Way("vmap", models, train, forward)


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


def timed(call: Callable[[], Any], seconds: float = SECONDS) -> float:
    """Seconds a call, repeated for about so long."""
    count, began = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - began < seconds:
        call()
        count += 1
    return (time.perf_counter() - began) / count


def at_threads(call: Callable[[], Any], threads: int) -> Callable[[], Any]:
    def run() -> None:
        torch.set_num_threads(threads)
        call()

    return run


def ways(theirs: Theirs, models: int, full: bool) -> Iterator[Way]:
    """Every way of PyTorch's that works here for this network."""
    makers = [lambda: one_after_the_other(theirs, False, False)]
    if theirs.x.ndim == 4:
        makers.append(lambda: one_after_the_other(theirs, True, False))
    if models > 1:
        makers.append(lambda: all_together(theirs, models))
    if full:
        makers.append(lambda: one_after_the_other(theirs, False, True))
    for make in makers:
        try:
            way = make()
            way.train()
            way.forward()
        except Exception as error:
            print(f"(PyTorch: {str(error).splitlines()[0][:90]})")
        else:
            yield way


def best_of_theirs(theirs: Theirs, models: int, full: bool) -> dict[str, dict[str, Any]]:
    """what → {best, eager}: the quickest way here, {name, call, models}."""
    found: dict[str, dict[str, Any]] = {"train": {}, "forward": {}}
    for way in ways(theirs, models, full):
        for what, best in found.items():
            for threads in {1, os.cpu_count() or 1}:
                call = at_threads(getattr(way, what), threads)
                seconds = timed(call, SECONDS / 4) / way.models
                name = f"{way.name}, {threads} thread{'s' * (threads > 1)}"
                for kind in ("best", "eager") if way.name.startswith("eager") else ("best",):
                    if kind not in best or seconds < best[kind]["seconds"]:
                        best[kind] = {
                            "seconds": seconds, "name": name, "call": call, "models": way.models,
                        }  # fmt: skip
    return found


def ours(case: Case, models: int) -> dict[str, tuple[Callable[[], Any], int]]:
    """Our step and forward pass of so many models, and how many of one model a call makes."""
    keys = np.stack([key_data("bench", model) for model in range(models)])
    params = each(lambda key: case.landscape.init(jax.random.wrap_key_data(key)))(keys)

    def train(steps: int) -> tuple[Callable[[], Any], int]:
        descender = Descender(case.landscape, case.optimizer, steps, 2**30)
        descender._pace.timed = lambda call: call(steps)
        state = {"now": descender.start(params, keys, np.full(models, -np.inf))}

        def step() -> None:
            state["now"] = descender.advance(state["now"])

        step()
        return step, int(state["now"].step.sum())

    def long_enough(make: Callable[[int], tuple[Callable[[], Any], int]]) -> Any:
        steps = 1
        while True:
            call, count = make(steps)
            call()
            seconds = timed(call, 0)
            if seconds > SECONDS / 2 or steps >= 2**16:
                return call, count
            steps = max(2 * steps, int(steps * SECONDS / seconds / 2))

    def passes(count: int) -> tuple[Callable[[], Any], int]:
        def repeated(item: Any) -> jax.Array:
            def body(i: jax.Array, total: jax.Array) -> jax.Array:
                moved = jax.tree.map(lambda leaf: leaf + 0 * total, item)  # or it is lifted out
                return total + case.forward(moved) * 1e-9

            return jax.lax.fori_loop(0, count, body, jnp.zeros(()))

        run = each(repeated)
        return lambda: run(params), models * count

    return {"train": long_enough(train), "forward": long_enough(passes)}


def ceiling() -> float:
    """FLOP a second of a large float32 matrix product."""
    a = jnp.ones((2048, 2048), jnp.float32)
    product = jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    best = min(timed(lambda: product(a, a).block_until_ready(), 0.2) for _ in range(5))
    return 2 * 2048**3 / best


def measure(name: str, case: Case, most: float, full: bool) -> list[dict[str, Any]]:
    records = []
    for models in case.models if full or case.flop < 1e8 else case.models[:-1]:
        theirs = best_of_theirs(case.theirs, models, full)
        for what, (call, count) in ours(case, models).items():
            best, eager = theirs[what]["best"], theirs[what]["eager"]
            rounds = [
                (
                    timed(call) / count,
                    timed(best["call"]) / best["models"],
                    timed(eager["call"]) / eager["models"],
                )
                for _ in range(ROUNDS)
            ]
            mine, other, plain = (statistics.median(column) for column in zip(*rounds, strict=True))
            ratios = sorted(their / our for our, their, _ in rounds)
            work = case.flop * (3 if what == "train" else 1)
            records.append(
                {
                    "network": name, "models": models, "what": what,
                    "ours_us": 1e6 * mine, "pytorch_us": 1e6 * other, "pytorch": best["name"],
                    "ratio": other / mine, "ratio_low": ratios[0], "ratio_high": ratios[-1],
                    "ratio_to_eager": plain / mine,
                    "gflops": work / mine / 1e9, "share_of_ceiling": work / mine / most,
                }
            )  # fmt: skip
            show(records[-1])
    return records


def show(record: dict[str, Any]) -> None:
    spread = f"({record['ratio_low']:.2f} to {record['ratio_high']:.2f})"
    print(
        f"| {record['network']} | {record['models']} | {record['what']} | {record['ours_us']:,.1f} "
        f"| {record['pytorch_us']:,.1f} ({record['pytorch']}) | {record['ratio']:.2f} {spread} "
        f"| {record['ratio_to_eager']:.2f} "
        f"| {record['share_of_ceiling']:.0%} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of networks' names")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    most = ceiling()
    about = {
        "machine": f"{len(jax.devices())} × {jax.devices()[0].device_kind}, {platform.machine()}",
        "jax": jax.__version__, "torch": torch.__version__, "ceiling_gflops": most / 1e9,
    }  # fmt: skip
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print(
        "| network | models | what | ours, µs | PyTorch, µs | ratio | to eager | of the ceiling |"
    )
    print("|---|---|---|---|---|---|---|---|")
    records = []
    for name, build in CASES.items():
        if not given.names or any(name.startswith(part) for part in given.names):
            records += measure(name, build(), most, given.full)
    if given.json:
        given.json.write_text(json.dumps({**about, "rows": records}, indent=1) + "\n")


if __name__ == "__main__":
    main()
