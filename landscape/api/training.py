"""Train many models at once, down to levels."""

# pyright: strict, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false, reportMissingTypeStubs=false
# JAX and matplotlib are not typed throughout

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import jax
import numpy as np
import optax

from landscape.api import display
from landscape.api.problem import Tree
from landscape.core import trees
from landscape.core.devices import each
from landscape.core.keys import key_data
from landscape.core.task import Task
from landscape.search.descend import Descender
from landscape.search.training import Training
from landscape.search.training_task import Precision, Sampling, bound_as_trained


@dataclass(frozen=True)
class TrainedModel:
    """A model, and what it was where it first met each level.

    Attributes:
        params: Where it first met the lowest level that it met; None where it met none.
        met: Level → (step, value, parameters), from high to low.
        steps: How many steps it took.
        value: The level's metric at the end.
        missed: The levels that it did not meet.
    """

    params: Tree = field(repr=False)
    met: dict[float, tuple[int, float, Tree]] = field(repr=False)
    steps: int
    value: float
    missed: tuple[float, ...]


def train_models(
    task: Task,
    models: int,
    levels: Sequence[float],
    *,
    metric: str = "loss",
    split: str = "train",
    optimizer: optax.GradientTransformation | None = None,
    batch_size: int | None = None,
    sampling: Sampling | None = None,
    precision: Precision | None = None,
    ema: float | None = None,
    max_steps: int = 20_000,
    check_every: int = 10,
    seed: int = 0,
    progress: bool | None = None,
) -> list[TrainedModel]:
    """Train independent models until each has met the lowest level or spent its steps.

    Args:
        task: What to train.
        models: How many.
        levels: Of the metric; parameters are kept from the first check at or below each.
        metric: What the levels bound.
        split: On which split.
        optimizer: Of optax; None: adam with a rate of 1e-3.
        batch_size: Samples a step; None: all.
        sampling: `epochs`: each sample once an epoch, in a new random order each time; None: drawn
            with replacement.
        precision: `bfloat16`: what training computes the loss and its gradient in; None: the
            parameters' type. Levels are always in that.
        ema: The decay of the moving average of the parameters, which is then what meets the
            levels, between 0 and 1; None: there is none.
        max_steps: A model's budget.
        check_every: Steps between checks of the metric.
        seed: Initialisations and batches come from it.
        progress: Show a bar; None: in a terminal or a notebook.

    Returns:
        The models. One that missed a level says so in `missed`.

    Raises:
        ValueError: There are no levels or no models, no such metric, split or batch, or an argument
            is out of its range.
    """
    if models < 1 or not levels or max_steps < 1 or check_every < 1:
        raise ValueError("models, levels, max_steps and check_every must be 1 or more")
    if metric not in task.metrics or split not in task.data:
        raise ValueError(
            f"the task has metrics {', '.join(task.metrics)} and splits {', '.join(task.data)}; "
            f"got '{metric}' and '{split}'"
        )
    for name, given, allowed in (
        ("sampling", sampling, get_args(Sampling)),
        ("precision", precision, get_args(Precision)),
    ):
        if given is not None and given not in allowed:
            raise ValueError(f"{name}: '{given}' is unknown (allowed: {', '.join(allowed)}, None)")
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"ema must be between 0 and 1, got {ema}")
    landscape = bound_as_trained(task, metric, split, batch_size, sampling, precision)
    steps = optimizer or optax.adam(1e-3)
    descender = Descender(landscape, steps, check_every, max_steps, ema=ema)
    seeds = np.stack([key_data(seed, "init", model) for model in range(models)])
    size = trees.nbytes(landscape.shapes)
    params = each(lambda key: landscape.init(jax.random.wrap_key_data(key)), made=size)(seeds)
    keys = np.stack([key_data(seed, "train", model) for model in range(models)])
    falling = sorted(map(float, levels), reverse=True)
    state = descender.start(params, keys, np.full(models, falling[0]))
    training = Training(descender, falling, state)
    template = jax.eval_shape(task.init, jax.eval_shape(lambda: jax.random.key(0)))
    snapshots: list[dict[float, tuple[int, float, Tree]]] = [{} for _ in range(models)]
    with display.progress("training", progress) as tell:
        while True:
            for new in training.newly_met():
                tree = trees.from_named(template, jax.tree.map(np.array, new.params))
                snapshots[new.model][new.level] = (new.step, new.value, tree)
            tell(
                {
                    "levels": f"{sum(map(len, snapshots))}/{models * len(falling)}",
                    "worst": f"{np.max(training.state.value):.4g}",
                }
            )
            if not training.going.any():
                break
            training.advance()
    return [
        TrainedModel(
            params=met[min(met)][2] if met else None,
            met={level: met[level] for level in falling if level in met},
            steps=int(step),
            value=float(value),
            missed=tuple(level for level in falling if level not in met),
        )
        for met, step, value in zip(
            snapshots, training.state.step, training.state.value, strict=True
        )
    ]
