"""From a config to the landscape it speaks of, with errors that name the config's own keys."""

from __future__ import annotations

import inspect
import logging
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from landscape.config.load import Config, load_config
from landscape.config.optax_section import Optimizer
from landscape.config.sections import Data
from landscape.core import devices, trees
from landscape.core.devices import Each, each
from landscape.core.keys import key_data
from landscape.core.landscape import Landscape, bind
from landscape.core.task import Task
from landscape.core.versions import version_of
from landscape.data import DataError, Store
from landscape.measures.filters import chosen
from landscape.methods.registry import load_method
from landscape.search.beads import (
    LEVEL_OPTIMIZERS,
    Descend,
    descend_level,
    descend_training,
    has_few_samples,
    level_optimizer,
    why_no_gradient,
)
from landscape.search.descend import Constraint, Descender
from landscape.search.training_task import bound_as_trained
from landscape.stages.inputs import (
    check_direction,
    check_functions,
    check_policy,
    check_samples,
    off_start,
    raised_at,
)
from landscape.stages.optimizer import build_optimizer, learning_rate
from landscape.store.files import Arrays, RunError
from landscape.store.run import Run
from landscape.tasks.registry import load_builder

log = logging.getLogger("lscape")

SLOPES = 4  # random points at which a metric that beads are to descend is tried
PACKAGES = ("lscape", "jax", "jaxlib", "flax", "optax", "numpy")


Fact = str | float


class Progress(Protocol):
    """What a stage says while it works: how far it is, and facts worth a glance."""

    def __call__(self, stage: str, done: float, total: float, **facts: Fact) -> None: ...


def silent(stage: str, done: float, total: float, **facts: Fact) -> None:
    """The progress of a stage that nobody watches."""


def renamed(progress: Progress, before: str = "", after: str = "") -> Progress:
    """The same progress, with more in the names of its stages."""

    def told(stage: str, done: float, total: float, **facts: Fact) -> None:
        progress(f"{before}{stage}{after}", done, total, **facts)

    return told


def config_of(run: Run) -> Config:
    """What a run was made with, but for a data.dir that has gone since: the same data may be in
    another place now. Raises RunError for an altered file, ConfigError."""
    config = load_config(run.checked_config_file())
    folder = config.data.dir
    if folder is not None and not os.path.isdir(folder):
        log.warning(f"{run.config_file}: data.dir: {folder} is gone; going on without it")
        config = replace(config, data=Data())
    return config


def build_task(config: Config, progress: Progress = silent) -> Task:
    """Call the task's builder. Raises DataError for files of data, ConfigError naming the key for
    everything else, also for a user's factory."""
    asked = config.compute
    try:
        devices.configure(
            asked.precision, asked.strategy, asked.devices, asked.memory, asked.spread,
            asked.shares_machine, asked.matmul,
        )  # fmt: skip
    except devices.SpreadError as error:
        raise config.problem("compute.spread", str(error)) from None
    except ValueError as error:
        raise config.problem("compute.devices", str(error)) from None
    spec = config.task
    key = config.task_key
    if config.data.dir is not None and not os.path.isdir(config.data.dir):
        raise config.problem("data.dir", f"{config.data.dir}: no such folder")
    try:
        make = load_builder(spec.factory or str(spec.name))
        given = {
            name: Store(config.data.dir, progress)
            for name, parameter in inspect.signature(make, eval_str=True).parameters.items()
            if parameter.annotation is Store
        }
        task = make(**given, **spec.build_kwargs())
    except DataError:
        raise
    except Exception as error:
        where = raised_at(error)
        raise config.problem(key, f"raised {type(error).__name__}{where}: {error}") from error
    if not isinstance(task, Task):
        raise config.problem(key, f"returned {type(task).__name__}, not a landscape.Task")
    return task


def build_landscape(
    config: Config, progress: Progress = silent, task: Task | None = None
) -> Landscape:
    """The task with the levels' metric and split bound; task: the config's, where it is built
    already. Raises ConfigError naming the key."""
    task = task or build_task(config, progress)
    levels, key = config.levels, config.task_key
    if levels.metric not in task.metrics:
        allowed = ", ".join(task.metrics)
        raise config.problem(
            "levels.metric", f"the task has no metric '{levels.metric}' (allowed: {allowed})"
        )
    if levels.split not in task.data:
        allowed = ", ".join(task.data)
        raise config.problem(
            "levels.split", f"the task has no split '{levels.split}' (allowed: {allowed})"
        )
    if "train" not in task.data:
        raise config.problem(key, "the task's data have no split 'train'")
    check_policy(config, task)
    check_direction(config, task)
    check_samples(config, task)
    try:
        policy = config.task.state or "recompute"
        landscape = bind(task, levels.metric, levels.split, config.train.batch_size, policy)
    except ValueError as error:
        raise config.problem("train.batch_size", str(error)) from error
    except Exception as error:
        raise config.problem(key, f"init: {type(error).__name__}: {error}") from error
    check_functions(config, landscape)
    try:
        chosen(landscape.shapes, landscape.filters)
    except ValueError as error:
        raise config.problem(key, f"the task's filters: {error}") from None
    for over in config.measure.over:
        if not trees.size(trees.matching(landscape.shapes, over)):
            allowed = ", ".join(landscape.shapes)
            raise config.problem("measure.over", f"'{over}' matches none of: {allowed}")
    return landscape


def as_trained(config: Config, task: Task) -> Landscape:
    """The landscape of training: with its own batches and arithmetic, of a task that
    `build_landscape` takes. Beads are in neither."""
    train, levels = config.train, config.levels
    return bound_as_trained(
        task, levels.metric, levels.split, train.batch_size, train.sampling, train.precision
    )


def check_hypotheses(config: Config, landscape: Landscape) -> None:
    """Raises ConfigError for a method that is not made for the task."""
    connect = config.connect
    methods = {"method": connect.finder}
    if connect.start_method:
        methods["start"] = load_method(connect.start_method)()
    for key, method in methods.items():
        try:
            method.check(landscape)
        except ValueError as error:
            raise config.problem(f"connect.{key}", str(error)) from None


def bead_optimizer(config: Config, landscape: Landscape) -> str:
    """The name of what beads descend by: what `connect` says, or gauss-newton or polyak where that
    is possible, cheap and like training, or what training descends by. Raises ConfigError."""
    train, connect = config.train, config.connect
    named = f"'{config.levels.metric}'"
    asked = connect.optimizer.name if connect.optimizer else None
    if asked in LEVEL_OPTIMIZERS:
        if landscape.train_objective is None:
            allowed = ", ".join(Optimizer.takes())
            raise config.problem(
                "connect.optimizer",
                f"{asked} descends the level's metric itself, and the task does not name {named} "
                f"among its `differentiable` metrics (allowed: {allowed})",
            )
        if asked == "gauss-newton" and landscape.by_sample is None:
            allowed = ", ".join(["polyak", *Optimizer.takes()])
            raise config.problem(
                "connect.optimizer",
                f"gauss-newton takes a metric apart by samples, and the task does not name {named} "
                f"among its `sample_means` (allowed: {allowed})",
            )
        if asked == "gauss-newton" and connect.learning_rate:
            raise config.problem("connect.learning_rate", f"does not go with optimizer: {asked}")
        if connect.weight_decay:
            raise config.problem("connect.weight_decay", f"does not go with optimizer: {asked}")
        if error := why_no_gradient(landscape):
            raise config.problem("connect.optimizer", f"{named} has no gradient: {error}")
    if asked:
        return asked
    told = (connect.learning_rate, connect.weight_decay, train.clip, train.weight_decay)
    cheap = train.batch_size is None or has_few_samples(landscape)
    if (
        landscape.train_objective is None
        or not connect.finder.descends_level
        or any(told)
        or not cheap
        or jax.tree.leaves(landscape.carry)
    ):
        return train.optimizer.name
    if error := why_no_gradient(landscape):
        log.warning(f"beads descend by {train.optimizer.name}: {named} has no gradient: {error}")
        return train.optimizer.name
    return level_optimizer(landscape)


def slope_of(landscape: Landscape) -> Each:
    """A key's data → the metric that beads descend, at a random point, and whether it has a slope
    there."""
    objective = landscape.train_objective
    assert objective is not None, "only of a metric that can be differentiated"

    def slope(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, gradient = jax.value_and_grad(objective)(off_start(landscape, key))
        return value, jnp.array([jnp.any(leaf != 0) for leaf in gradient.values()]).any()

    return each(slope, made=trees.nbytes(landscape.shapes))


def _check_slope(config: Config, landscape: Landscape) -> None:
    """Raise ConfigError for a metric that can be differentiated but has no slope, as an error rate:
    its gradient is zero at each of SLOPES random points, and it is above the lowest level there."""
    keys = np.stack([key_data(config.seed, "slope", number) for number in range(SLOPES)])
    values, slopes = slope_of(landscape)(keys)
    if not slopes.any() and (values > min(config.levels.values)).all():
        raise config.problem(
            config.task_key,
            f"the task names '{config.levels.metric}' among its `differentiable` metrics, but its "
            f"gradient is zero at {SLOPES} random points, where it is {values.min():.4g} to "
            f"{values.max():.4g}: beads cannot descend it. Take it out of `differentiable`, and "
            "beads descend the training loss",
        )


def check_differentiable(config: Config, landscape: Landscape) -> None:
    """Raise ConfigError for a training loss that JAX cannot differentiate."""
    loss = jax.grad(lambda params, key: landscape.loss(params, landscape.carry, key)[0])
    try:
        jax.eval_shape(loss, dict(landscape.shapes), jax.random.key(0))
    except Exception as error:
        said = f"{type(error).__name__}{raised_at(error)}: {str(error).splitlines()[0]}"
        message = f"JAX cannot differentiate the loss: {said}"
        raise config.problem(config.task_key, message) from error


def build_beads(config: Config, landscape: Landscape, name: str) -> Descend:
    """How beads descend by an optimiser of this name (`bead_optimizer`), under what constrains
    them. Raises ConfigError."""
    every, most = config.train.check_every, config.connect.max_steps_per_bead
    if name in LEVEL_OPTIMIZERS:
        _check_slope(config, landscape)
        rate = learning_rate(config, beads=True) if config.connect.learning_rate else None
        return descend_level(landscape, name, every, most, rate)
    optimizer = build_optimizer(config, landscape, beads=True)

    def as_in_training(constraint: Constraint | None) -> Descender:
        check_differentiable(config, landscape)
        return descend_training(landscape, optimizer, every, most)(constraint)

    return as_in_training


def surroundings() -> dict[str, Any]:
    """What a run was made with: command, versions, device, commit of this package's checkout."""
    return {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": {"python": platform.python_version()} | {p: version_of(p) for p in PACKAGES},
        "device": devices.device_description(),
        "commit": _commit(),
    }


def _commit() -> str | None:
    folder = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=folder, capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def check_and_cast_params(arrays: Arrays, landscape: Landscape, source: object) -> Arrays:
    """The arrays in the landscape's types. Raises RunError for wrong names or shapes."""
    wanted = landscape.shapes
    missing, extra = wanted.keys() - arrays.keys(), arrays.keys() - wanted.keys()
    if missing or extra:
        said = [
            f"{what}: {', '.join(sorted(found))}"
            for what, found in (("missing", missing), ("unknown", extra))
            if found
        ]
        raise RunError(f"{source}: other parameters than the task's ({'; '.join(said)})")
    other = [name for name, shape in wanted.items() if arrays[name].shape != shape.shape]
    if other:
        said = ", ".join(f"{name} {arrays[name].shape}, not {wanted[name].shape}" for name in other)
        raise RunError(f"{source}: other shapes than the task's: {said}")
    return {name: arrays[name].astype(shape.dtype, copy=False) for name, shape in wanted.items()}
