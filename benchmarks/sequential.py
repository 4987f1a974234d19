"""Dynamic String Sampling in plain PyTorch, as one would write it for one experiment.

    python benchmarks/sequential.py CONFIG.yaml START.npz OUT.npz [--threads N] [--channels-last]

One model after the other, then one pair and one bead after the other. The protocol is that of a
resolved config of lscape's with one level, Adam and disjoint pairs; START holds the initial models,
the data, and OUT gets the strings (benchmarks/jobs.py writes the one and judges the other). Nothing
of lscape is imported.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

ZOOM, ZOOMS, MOVED, QUIET = 4, 12, 1e-4, 3  # of the certificate's refinement
# of the trust radius of a bead's steps, and of the ball around its start (docs/descent.md)
WINDOW, LONGEST, SHORTEST, GROWTH, SHRINKAGE = 20, 0.005, 0.2, 2.0, 0.5
NEAR, FARTHER = 0.5, 2.0
TURNS, TURN_SECONDS = 7, 0.3  # of finding the quickest settings


class Problem(NamedTuple):
    """A network, the loss of a training step, and the metric that a level bounds."""

    net: nn.Module
    loss: Callable[[], torch.Tensor]
    level: Callable[[], float]
    to_named: Callable[[], dict[str, np.ndarray]]
    from_named: Callable[[dict[str, np.ndarray]], None]

    def set(self, model: torch.Tensor) -> None:
        vector_to_parameters(model.clone(), self.net.parameters())

    def get(self) -> torch.Tensor:
        return parameters_to_vector(self.net.parameters()).detach().clone()

    def level_at(self, model: torch.Tensor) -> float:
        self.set(model)
        return self.level()


def polynomial(config: dict[str, Any], data: dict[str, torch.Tensor], last: bool) -> Problem:
    sizes = (1, *config["task"]["hidden"], 1)
    layers = [nn.Linear(inputs, outputs, bias=False) for inputs, outputs in pairwise(sizes)]
    net = nn.Sequential(*(part for layer in layers for part in (layer, nn.Sigmoid())))
    x, y = data["train.x"], data["train.y"]
    test_x, test_y = data["test.x"], data["test.y"]

    @torch.inference_mode()
    def level() -> float:
        return (net(test_x) - test_y).abs().mean().item()

    def to_named() -> dict[str, np.ndarray]:
        return {f"Dense_{i}.kernel": one.weight.detach().numpy().T for i, one in enumerate(layers)}

    def from_named(named: dict[str, np.ndarray]) -> None:
        for i, layer in enumerate(layers):
            layer.weight.data = torch.tensor(named[f"Dense_{i}.kernel"].T.copy())

    return Problem(net, lambda: (net(x) - y).abs().mean(), level, to_named, from_named)


def mnist(config: dict[str, Any], data: dict[str, torch.Tensor], last: bool) -> Problem:
    task, batch = config["task"], config["train"]["batch_size"]
    (first, second), width = task["filters"], task["dense"]
    convolutions = [nn.Conv2d(1, first, 5, padding=2), nn.Conv2d(first, second, 5, padding=2)]
    dense = [nn.Linear(49 * second, width), nn.Linear(width, 10)]
    net = nn.Sequential(
        convolutions[0], nn.ReLU(), nn.MaxPool2d(2), convolutions[1], nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), dense[0], nn.ReLU(), nn.Dropout(task["dropout"]), dense[1],
    )  # fmt: skip
    form = torch.channels_last if last else torch.contiguous_format
    images, test_images = (
        (data[f"{split}.x"][:, None] / 255).to(memory_format=form) for split in ("train", "test")
    )
    labels, test_labels = data["train.y"].long(), data["test.y"].long()

    def loss() -> torch.Tensor:
        net.train()
        index = torch.randint(len(labels), (batch,))
        return nn.functional.cross_entropy(net(images[index]), labels[index])

    @torch.inference_mode()
    def level() -> float:
        net.eval()
        parts = zip(test_images.split(batch), test_labels.split(batch), strict=True)
        wrong = sum((net(x).argmax(1) != y).sum().item() for x, y in parts)
        return 100 * wrong / len(test_labels)

    def places() -> Iterator[tuple[str, nn.Parameter, Any, Any]]:
        """Names, parameters, and how each is turned to lscape's layout and back."""
        for i, layer in enumerate(convolutions):
            yield f"Conv_{i}.kernel", layer.weight, (2, 3, 1, 0), (3, 2, 0, 1)
            yield f"Conv_{i}.bias", layer.bias, (0,), (0,)
        for i, layer in enumerate(dense):
            yield f"Dense_{i}.kernel", layer.weight, (1, 0), (1, 0)
            yield f"Dense_{i}.bias", layer.bias, (0,), (0,)

    def to_named() -> dict[str, np.ndarray]:
        named = {}
        for name, parameter, there, _ in places():
            array = parameter.detach().contiguous().numpy().transpose(there)
            if name == "Dense_0.kernel":  # pixels of channels here, channels of pixels there
                array = array.reshape(second, 7, 7, -1).transpose(1, 2, 0, 3).reshape(array.shape)
            named[name] = array
        return named

    def from_named(named: dict[str, np.ndarray]) -> None:
        for name, parameter, _, back in places():
            array = named[name]
            if name == "Dense_0.kernel":
                array = array.reshape(7, 7, second, -1).transpose(2, 0, 1, 3).reshape(array.shape)
            parameter.data = torch.tensor(array.transpose(back).copy())

    return Problem(net, loss, level, to_named, from_named)


PROBLEMS = {"polynomial": polynomial, "mnist": mnist}


class TrustRegion:
    """How far a bead goes: each step within a radius, and all within a ball around its start."""

    def __init__(self, start: torch.Tensor, reach: float) -> None:
        self.start, self.reach = start, reach
        self.radius, self.ball, self.cut = LONGEST, NEAR, 0
        self.losses: list[float] = []
        self.before = math.inf

    def moved(self, old: torch.Tensor, new: torch.Tensor, loss: float) -> torch.Tensor:
        """Where a step from `old`, of that loss, to `new` may go."""
        self.losses.append(loss)
        if len(self.losses) == WINDOW:
            mean = sum(self.losses) / WINDOW
            change = GROWTH if mean < self.before else SHRINKAGE
            self.radius = min(max(change * self.radius, SHORTEST * LONGEST), LONGEST)
            self.before, self.losses = mean, []
        allowed = self.radius * self.reach * self.ball / NEAR
        new = old + _shortened(new - old, allowed)
        away = new - self.start
        if torch.linalg.vector_norm(away) > self.ball * self.reach:
            new = self.start + _shortened(away, self.ball * self.reach)
            self.cut += 1
            if self.cut == WINDOW:
                self.ball, self.cut = FARTHER * self.ball, 0
        return new


def _shortened(vector: torch.Tensor, longest: float) -> torch.Tensor:
    norm = float(torch.linalg.vector_norm(vector))
    return vector * min(1.0, longest / norm) if norm > 0 else vector


def descend(
    problem: Problem,
    model: torch.Tensor,
    target: float,
    most: int,
    every: int,
    rate: float,
    reach: float | None = None,
) -> tuple[torch.Tensor, float, int]:
    """The model when a look finds it at the target, or when its steps are spent; of a bead, within
    its trust region, where `reach` is the length of its segment."""
    problem.set(model)
    trust = None if reach is None else TrustRegion(model, reach)
    adam = torch.optim.Adam(problem.net.parameters(), rate, fused=True)
    step, value = 0, problem.level()
    while value > target and step < most and math.isfinite(value):
        last = min(step + every, most)
        for _ in range(step, last):
            old = problem.get() if trust else model
            adam.zero_grad()
            loss = problem.loss()
            loss.backward()
            adam.step()
            if trust:
                problem.set(trust.moved(old, problem.get(), float(loss.detach())))
        step, value = last, problem.level()
    return problem.get(), value, step


def highest(
    problem: Problem, left: torch.Tensor, right: torch.Tensor, grid: int, limit: float
) -> tuple[float, float, int]:
    """The segment's maximum with its last change, where it is, and how many losses that took.

    On the grid; if that is below the limit, each local maximum on finer and finer grids besides.
    """

    losses = 0

    def at(t: float) -> float:
        nonlocal losses
        losses += 1
        value = problem.level_at(torch.lerp(left, right, t))
        return value if math.isfinite(value) else math.inf

    ts = np.linspace(0, 1, grid + 1).tolist()
    values = [at(t) for t in ts]
    top = max(values)
    if top > limit:
        return top, ts[values.index(top)], losses
    walled, found, first = [-math.inf, *values, -math.inf], [], 0
    for value, run in groupby(values):  # a plateau is one maximum
        after = first + len(list(run))
        if value > max(walled[first], walled[after + 1]):
            ends = ts[max(first - 1, 0)], ts[min(after, grid)]
            found.append(refined(at, ts[(first + after - 1) // 2], value, *ends, limit))
        first = after
    top, place, _ = max(found)
    return max(top + rise for top, _, rise in found), place, losses


def refined(
    at: Callable[[float], float], place: float, top: float, low: float, high: float, limit: float
) -> tuple[float, float, float]:
    """A local maximum, its place and last change, when it has come to rest between low and high."""
    rise, quiet = 0.0, 0
    for _ in range(ZOOMS):
        inner = [(t, at(t)) for t in np.linspace(low, high, ZOOM + 2)[1:-1].tolist()]
        points = [(low, -math.inf), *inner, (place, top), (high, -math.inf)]
        points.sort(key=lambda point: point[0])  # stable: an end of the segment stays within
        before = top
        if max(value for _, value in inner) > top:
            place, top = max(inner, key=lambda point: point[1])
        here = max(i for i, point in enumerate(points) if point == (place, top))
        low, high = points[here - 1][0], points[here + 1][0]
        move = top - before
        calm = move <= MOVED * max(abs(limit), abs(top))
        rise = max(rise, move) if calm and quiet else move
        quiet = quiet + 1 if calm else 0
        if quiet == QUIET or not math.isfinite(top):
            break
    return top, place, rise


def connect(
    problem: Problem, a: torch.Tensor, b: torch.Tensor, level: float, config: dict[str, Any]
) -> tuple[list[torch.Tensor], str, int, int]:
    """The string, how the search ended, and the gradients and losses that it took."""
    train, settings = config["train"], config["connect"]
    limit = level + (settings["tolerance"] - 1) * abs(level)
    target = level - (1 - settings["target"]) * abs(level)
    rate = settings["learning_rate"] or train["learning_rate"]
    string, seen, rounds, grads, losses = [a, b], [(math.nan, 0.5)], 0, 0, 0
    while True:
        for i, (left, right) in enumerate(pairwise(string)):
            if math.isnan(seen[i][0]):
                upper, place, made = highest(problem, left, right, settings["grid"], limit)
                seen[i] = upper, place
                losses += made
        begins = settings["first_midpoint"] and len(string) == 2
        failing = [0] if begins else [i for i, (upper, _) in enumerate(seen) if upper > limit]
        if not failing:
            return string, "CONNECTED", grads, losses
        if not begins and rounds >= settings["max_rounds"]:
            return string, "NOT_FOUND", grads, losses
        if len(string) + len(failing) > settings["max_beads"]:
            return string, "NOT_FOUND", grads, losses
        stuck = False
        for i in reversed(failing):
            place = 0.5 if begins or settings["insert"] == "midpoint" else seen[i][1]
            start = torch.lerp(string[i], string[i + 1], place)
            reach = float(torch.linalg.vector_norm(string[i + 1] - string[i]))
            bead, value, steps = descend(
                problem, start, target, settings["max_steps_per_bead"], train["check_every"], rate,
                reach,
            )  # fmt: skip
            grads += steps
            stuck |= not value <= level
            string.insert(i + 1, bead)
            seen[i : i + 1] = [(math.nan, place)] * 2
        rounds += not begins
        if stuck:
            return string, "STUCK", grads, losses


def read(
    config: dict[str, Any], start: Path, last: bool
) -> tuple[Problem, list[dict[str, np.ndarray]]]:
    """The problem and the initial models."""
    with np.load(start) as arrays:
        data = {
            name.removeprefix("data/"): torch.tensor(arrays[name])
            for name in arrays
            if name.startswith("data/")
        }
        models = [
            {
                name.removeprefix(f"{number}/"): arrays[name]
                for name in arrays
                if name.startswith(f"{number}/")
            }
            for number in range(config["train"]["models"])
        ]
    return PROBLEMS[config["task"]["name"]](config, data, last), models


def run(
    config: dict[str, Any], start: Path, last: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Strings as arrays [beads, ...] by `pair/name`, and what they took."""
    torch.manual_seed(config["seed"])
    problem, models = read(config, start, last)
    train, (level,) = config["train"], config["levels"]["values"]
    began, ends, train_steps = time.perf_counter(), [], 0
    for named in models:
        problem.from_named(named)
        steps = train["max_steps"], train["check_every"]
        model, value, made = descend(problem, problem.get(), level, *steps, train["learning_rate"])
        train_steps += made
        ends.append((model, value <= level))
    trained = time.perf_counter()
    strings, pairs = {}, []
    for number in range(0, len(ends) - 1, 2):
        (a, reached), (b, also) = ends[number : number + 2]
        if not (reached and also):
            pairs.append({"status": "LEVEL_NOT_REACHED", "grad_evals": 0, "loss_evals": 0})
            continue
        string, status, grads, losses = connect(problem, a, b, level, config)
        pairs.append({"status": status, "grad_evals": grads, "loss_evals": losses})
        beads = []
        for bead in string:
            problem.set(bead)
            beads.append({name: leaf.copy() for name, leaf in problem.to_named().items()})
        for name in beads[0]:
            strings[f"{number}-{number + 1}/{name}"] = np.stack([bead[name] for bead in beads])
    return strings, {
        "train_seconds": trained - began,
        "connect_seconds": time.perf_counter() - trained,
        "train_steps": train_steps,
        "pairs": pairs,
    }


def tune(config: dict[str, Any], start: Path) -> dict[str, Any]:
    """The number of threads and the memory format at which training steps are quickest here.

    They take turns, and medians decide: a moment's luck is not to choose two threads, which take
    many times as long as one where another process has a core.
    """
    whole = torch.get_num_threads()
    formats = (False, True) if config["task"]["name"] == "mnist" else (False,)
    settings = [(threads, last) for threads in sorted({1, whole}) for last in formats]
    models = read(config, start, False)[1]
    problems = {last: read(config, start, last)[0] for last in formats}
    found: dict[tuple[int, bool], list[float]] = {setting: [] for setting in settings}
    for _ in range(TURNS):
        for threads, last in settings:
            torch.set_num_threads(threads)
            problem = problems[last]
            problem.from_named(models[0])
            count, began = 0, time.perf_counter()
            while count == 0 or time.perf_counter() - began < TURN_SECONDS:
                descend(problem, problem.get(), -math.inf, 10, 10, 1e-4)
                count += 10
            found[threads, last].append((time.perf_counter() - began) / count)
    torch.set_num_threads(whole)
    medians = {setting: statistics.median(times) for setting, times in found.items()}
    threads, last = min(settings, key=medians.__getitem__)
    return {"threads": threads, "channels_last": last, "step_seconds": medians[threads, last]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("start", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--channels-last", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    config = yaml.safe_load(given.config.read_text())
    strings, record = run(config, given.start, given.channels_last)
    np.savez(given.out, **strings)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
