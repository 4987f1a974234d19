"""Training steps and forward passes of the paper's networks, against PyTorch in the same run.

    python benchmarks/steps.py [NAME …] [--full] [--json FILE]

Ours run as in training (landscape/search/descend.py), so many models at once. PyTorch runs in the
quickest of the ways that its users would reach for, found first: eagerly, one model after the
other, on one thread and on all, in both memory formats; all models by torch.func.vmap; with --full,
which also has rows of more models, by torch.compile. Times are of one step of one model, medians of
rounds in which both take turns; the ratio is PyTorch's over ours, with its lowest and highest
round; eager is the ratio to the quickest eager way. The share is of the rate of a large float32
matrix product.
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
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from networks import CASES, Case, Theirs
from torch import nn

from landscape.core import devices
from landscape.core.devices import each
from landscape.core.keys import key_data
from landscape.search.descend import Descender

ROUNDS = 5
SECONDS = 0.5  # of one turn, about


@dataclass(frozen=True)
class Way:
    """How PyTorch is run: a step and a forward pass, each of so many models."""

    name: str
    models: int
    train: Callable[[], Any]
    forward: Callable[[], Any]


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
    devices.configure()
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
