"""What a user's task is asked before anything runs, with errors that name the config's own keys."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.interpreters.partial_eval import dce_jaxpr

from landscape.config.load import Config
from landscape.core import trees
from landscape.core.devices import each
from landscape.core.keys import key_data
from landscape.core.landscape import Landscape, unequal_samples
from landscape.core.parts import has_halves
from landscape.core.state import look_like_state
from landscape.core.task import Task
from landscape.core.trees import Params

log = logging.getLogger("lscape")

GROWS = re.compile(
    r"(.*[\W_])?(accuracy|acc|auc|auroc|f1|r2|iou|psnr|ssim|likelihood)([\W_]?score)?", re.I
)
TURNED = re.compile(r"\s*(1\s*)?[-−]|.*(minus|neg)", re.I)
DOCUMENT = "docs/networks.md"
FINE, COARSE = 1e-4, 0.02  # by which a mean may round, in float32 and in less
OFF = 0.1  # of the parameters' root mean square
SHOWN = 6  # names in a message


def check_samples(config: Config, task: Task) -> None:
    """Raise ConfigError where samples are to be taken apart and arrays have not as many."""
    batch_size = config.train.batch_size
    splits = {"train": config.task_key if task.sample_means else "train.batch_size"}
    if task.sample_means:
        splits[config.levels.split] = config.task_key
    for split, key in splits.items() if task.sample_means or batch_size is not None else ():
        said = unequal_samples(task.data[split])
        if said:
            raise config.problem(
                key,
                f"arrays of the split '{split}' must share their leading axis: {said}. "
                "Without train.batch_size, and without `sample_means` in the task, the loss "
                "is given all data and may draw its own batches",
            )


def check_direction(config: Config, task: Task) -> None:
    """Raise ConfigError for a metric that grows as models get better, by the task or its name."""
    metric = config.levels.metric
    if task.higher_is_better is None:
        grows = bool(GROWS.fullmatch(metric)) and not TURNED.match(metric)
        said = f"by its name, '{metric}' grows as models get better"
        otherwise = "; if it falls, the task says so by higher_is_better=()"
    else:
        grows, otherwise = metric in task.higher_is_better, ""
        said = f"the task says that '{metric}' grows as models get better (higher_is_better)"
    if grows:
        raise config.problem(
            "levels.metric",
            f"{said}, but models and paths are to stay at or below a level. Add a metric that "
            f"falls, such as 1 - {metric}, and give levels of that{otherwise}",
        )


def check_policy(config: Config, task: Task) -> None:
    """Raise ConfigError for a policy that the task, or what is asked for, does not go with."""
    policy = config.task.state
    if policy is None:
        return
    if task.state is None:
        raise config.problem("task.state", "the task has no state: every array is a parameter")
    if policy != "recompute" and not config.train.files:
        raise config.problem(
            "task.state", f"{policy} is of networks trained elsewhere (train.endpoints)"
        )


def check_start(config: Config, landscape: Landscape, values: np.ndarray) -> str:
    """What is to be said where untrained models, of these values [n], all meet every level.

    Raises ConfigError if the task does not say that the metric falls as models get better.
    """
    if not (values <= min(config.levels.values)).all():
        return ""
    metric = config.levels.metric
    said = (
        f"every level is met before any training: '{metric}' is {values.min():.4g} to "
        f"{values.max():.4g} at {len(values)} untrained models"
    )
    if landscape.falls:
        return said
    raise config.problem(
        "levels.values",
        f"{said}. If '{metric}' grows as models get better, give levels of one that falls, such as "
        "its negative; if it falls, ask for a lower level, too, or have the task say so by "
        "higher_is_better=()",
    )


def check_means(config: Config, landscape: Landscape) -> None:
    """Raise ConfigError where the level's metric is no mean over samples, and the task says so."""
    metric, apart = config.levels.metric, landscape.taken_apart
    if apart is None:
        return
    try:
        coarse = has_halves(jax.make_jaxpr(apart)(dict(landscape.shapes)))
    except Exception as error:
        raised = f"{type(error).__name__}{raised_at(error)}: {error}"
        said = f"'{metric}', given one sample, raised {raised}"
        raise config.problem(config.task_key, said) from error

    def compared(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        return apart(off_start(landscape, key))

    found = each(compared, made=trees.nbytes(landscape.shapes))(key_data("means")[None])
    together, alone, size = (float(value[0]) for value in found)
    if not np.isfinite(together):
        return
    allowed = COARSE if coarse else FINE
    if not abs(together - alone) <= allowed * max(abs(together), size):
        raise config.problem(
            config.task_key,
            f"'{metric}' is among the task's `sample_means`, but over a few samples it is "
            f"{together:.6g}, and the mean of what each of these gives alone is {alone:.6g}. If it "
            f"is no mean over samples, leave it out of `sample_means` ({DOCUMENT})",
        )


def off_start(landscape: Landscape, key: jax.Array) -> Params:
    """A random point off an initialisation, which may be a stationary point by symmetry, or one
    where all samples give the same; key: its data."""
    key, draw = jax.random.split(jax.random.wrap_key_data(key))
    flat, unravel = ravel_pytree(landscape.init(key))
    size = jnp.sqrt(jnp.mean(flat**2))
    moved = flat + OFF * jnp.where(size > 0, size, 1) * jax.random.normal(draw, flat.shape)
    return unravel(moved.astype(flat.dtype))


def check_functions(config: Config, landscape: Landscape) -> None:
    """Trace the functions once, so that a mistake in a factory is found before anything runs.

    Raises ConfigError, also for arrays among the parameters that look like state.
    """
    metric = f"the metric '{config.levels.metric}'"
    level, _ = _read(config, metric, lambda params, carry, key: landscape.level(params), landscape)
    loss, carry = _read(config, "the loss", lambda *given: landscape.loss(*given)[0], landscape)
    if jax.tree.leaves(landscape.carry) and not carry:
        log.warning(
            "the training loss does not read its carry, and metrics are not given it: state that "
            f"is for evaluation has to be computed in the metric ({DOCUMENT})"
        )
    if config.task.coordinates == "all":
        return
    declared = landscape.state.shapes if landscape.state else {}
    state = look_like_state(name for name in landscape.shapes if name not in declared)
    why = "look like running statistics or other state, by their names"
    if not state and not config.train.files:
        state = [name for name in landscape.shapes if name in level - loss]
        why = f"are read by {metric} and not by the training loss, so that nothing trains them"
    if state:
        raise config.problem(
            config.task_key,
            f"of the parameters, {_listed(state)} {why}. Every parameter is a coordinate of the "
            "search. Leave these out of what `init` returns, and give the task a `state` that "
            f"follows from the parameters ({DOCUMENT}); or set task.coordinates: all, if they are "
            "meant to be searched",
        )


def _read(
    config: Config, named: str, function: Callable[..., jax.Array], landscape: Landscape
) -> tuple[set[str], bool]:
    """Trace a function of (params, carry, key): the parameters that its value depends on, and
    whether it depends on the carry."""
    params, carry = dict(landscape.shapes), landscape.carry
    try:
        traced, value = jax.make_jaxpr(function, return_shape=True)(
            params, carry, jax.random.key(0)
        )
    except Exception as error:
        message = f"{named} raised {type(error).__name__}{raised_at(error)}: {error}"
        raise config.problem(config.task_key, message) from error
    if value.shape != ():
        message = f"{named} has shape {value.shape}; it must be a scalar"
        raise config.problem(config.task_key, message)
    used = dce_jaxpr(traced.jaxpr, [True])[1]
    names = trees.names(params)
    read = {name for name, one in zip(names, used, strict=False) if one}
    return read, any(used[len(names) : len(names) + len(jax.tree.leaves(carry))])


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def raised_at(error: Exception) -> str:
    """Where in the user's code, as ` at file:line`."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
