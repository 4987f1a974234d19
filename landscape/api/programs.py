"""What is compiled for a task, kept for the next call with it: a second search costs what it
computes."""

# pyright: strict, reportUnknownMemberType=false, reportMissingTypeStubs=false
# JAX is not typed throughout

from __future__ import annotations

import functools
from typing import NamedTuple

import optax

from landscape.api.problem import Problem, Tree, as_landscape
from landscape.core import devices
from landscape.core.certificate import segment_evaluator
from landscape.core.devices import Each, each
from landscape.core.landscape import Landscape
from landscape.core.segments import Memoized, SegmentEvaluator
from landscape.core.task import Task
from landscape.search.beads import (
    LEVEL_OPTIMIZERS,
    Descend,
    descend_level,
    descend_training,
    level_optimizer,
    why_no_gradient,
)
from landscape.search.shorten import Shortener
from landscape.search.tighten import TOLERANCE

CHECK_EVERY = 10  # steps of a bead between two looks at its level
LEARNING_RATE = 1e-3  # of `adam` and `sgd`, where none is given
OPTIMIZERS = {"adam": optax.adam, "sgd": optax.sgd}
KEPT = 4  # tasks, each with its settings, whose programs and data are kept


class Settings(NamedTuple):
    """Of a search, as `find_path` takes them."""

    grid: int
    optimizer: str | optax.GradientTransformation | None
    learning_rate: float | None
    max_steps: int


class Programs(NamedTuple):
    """What a search of a landscape runs; level_of: points [n, ...] → losses [n].

    Each search has an evaluator that remembers nothing of those before, so that its results and
    what it counts do not depend on them.
    """

    landscape: Landscape
    evaluate: SegmentEvaluator
    descend: Descend
    shortener: Shortener
    level_of: Each


class _Same:
    """A key that is equal where it is of the very same object."""

    def __init__(self, it: Task | Landscape) -> None:
        self.it = it

    def __hash__(self) -> int:
        return id(self.it)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.it is other.it


def programs_of(
    problem: Problem, example: Tree, metric: str, split: str, settings: Settings
) -> Programs:
    """The programs of a problem. Those of a task or a landscape are kept: these do not change. A
    plain function may read what has changed since, so its programs are made at each call; so are
    those of an optimiser of optax, of which each is another.

    Raises:
        ValueError: As `as_landscape`, or the optimizer is not for the metric.
        TypeError: As `as_landscape`.
    """
    named = not isinstance(settings.optimizer, optax.GradientTransformation)
    if isinstance(problem, Task | Landscape) and named:
        found = _kept(_Same(problem), metric, split, settings, devices.settings())
    else:
        found = _made(as_landscape(problem, example, metric, split), settings)
    evaluate = Memoized(found.evaluate)
    return found._replace(evaluate=evaluate, shortener=found.shortener.evaluated_by(evaluate))


@functools.lru_cache(KEPT)
def _kept(
    problem: _Same, metric: str, split: str, settings: Settings, on: devices.Settings
) -> Programs:
    return _made(as_landscape(problem.it, None, metric, split), settings)


def _made(landscape: Landscape, settings: Settings) -> Programs:
    evaluate = segment_evaluator(landscape, settings.grid)
    return Programs(
        landscape,
        evaluate,
        functools.lru_cache(KEPT)(_descend(landscape, settings)),
        Shortener(landscape, evaluate, TOLERANCE),
        each(landscape.level),
    )


def _descend(landscape: Landscape, settings: Settings) -> Descend:
    _, optimizer, learning_rate, max_steps = settings
    if not max_steps >= 1:
        raise ValueError(f"max_steps_per_bead must be 1 or more, got {max_steps}")
    no_gradient = why_no_gradient(landscape)
    if optimizer is None:
        optimizer = "adam" if no_gradient else level_optimizer(landscape)
    if isinstance(optimizer, optax.GradientTransformation):
        return descend_training(landscape, optimizer, CHECK_EVERY, max_steps)
    if optimizer in LEVEL_OPTIMIZERS:
        if no_gradient:
            raise ValueError(f"{optimizer} needs the level's gradient: {no_gradient}")
        if optimizer == "gauss-newton" and landscape.by_sample is None:
            raise ValueError("gauss-newton needs a task that names the metric in `sample_means`")
        return descend_level(landscape, optimizer, CHECK_EVERY, max_steps, learning_rate)
    if optimizer not in OPTIMIZERS:
        allowed = ", ".join((*LEVEL_OPTIMIZERS, *OPTIMIZERS))
        raise ValueError(f"unknown optimizer '{optimizer}' (allowed: {allowed}, or optax's own)")
    chosen = OPTIMIZERS[optimizer](learning_rate or LEARNING_RATE)
    return descend_training(landscape, chosen, CHECK_EVERY, max_steps)
