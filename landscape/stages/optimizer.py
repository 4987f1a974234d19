"""What training descends by: from the config's words to optax."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import optax

from landscape.config.load import Config
from landscape.config.optax_section import (
    Call,
    Schedule,
    optimizers,
    rate_of,
    schedules,
    takes_schedule,
)
from landscape.core import trees
from landscape.core.landscape import Landscape

Given: TypeAlias = (
    "bool | int | float | str | Schedule | tuple[Given, ...] | dict[str, Given] | None"
)
Made: TypeAlias = (
    "bool | int | float | str | optax.Schedule | tuple[Made, ...] | dict[str | int, Made] | None"
)
Seen: TypeAlias = (
    jax.typing.ArrayLike | trees.Params | Callable[[trees.Params], jax.typing.ArrayLike]
)

TOLD = ("value", "grad", "value_fn")  # what optax's optimisers may ask for
BEAD_RATE = 1e-3  # of Adam, at least: a bead has only to reach the level, not to be trained well


def build_optimizer(
    config: Config, landscape: Landscape, beads: bool = False
) -> optax.GradientTransformation:
    """What training, or a bead as in training, descends by; Adam of a bead whose optimizer nobody
    chose at BEAD_RATE or more. Raises ConfigError."""
    train, connect = config.train, config.connect
    decay = (beads and connect.weight_decay) or train.weight_decay
    parts = []
    if decay:
        key = "connect" if decay is connect.weight_decay else "train"
        mask = _mask(decay.over, f"{key}.weight_decay.over", config, landscape)
        parts.append(optax.add_decayed_weights(decay.rate, mask))
    if train.clip:
        parts.append(optax.clip_by_global_norm(train.clip))
    own = connect.optimizer if beads else None
    call, key = (own, "connect.optimizer") if own else (train.optimizer, "train.optimizer")
    rate = learning_rate(config, beads)
    if beads and call.name == "adam" and not connect.optimizer:
        rate = _at_least(rate, BEAD_RATE) if connect.learning_rate is None else rate
    if callable(rate) and not takes_schedule(call.name):
        raise config.problem(key, f"{call.name} takes a number as its learning rate, no schedule")
    arguments = {
        name: _mask(given, f"{key}.{name}", config, landscape)
        if name.endswith("mask")
        else _made(given)
        for name, given in call.arguments.items()
    }
    try:
        made = optimizers()[call.name](**{rate_of(call.name).name: rate}, **arguments)
        own = _told_as_by_optax(made)
        _check_step(own, landscape)
    except Exception as error:
        raise config.problem(key, f"{call.name}: {error}") from error
    return optax.chain(*parts, own)


def _told_as_by_optax(
    inner: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """The same, told of nothing that is ours, such as `target`: line searches refuse it."""
    whole = optax.with_extra_args_support(inner)

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        **seen: Seen,
    ) -> tuple[optax.Updates, optax.OptState]:
        told = {key: seen[key] for key in TOLD if key in seen}
        return whole.update(updates, state, params, **told)

    return optax.GradientTransformationExtraArgs(whole.init, update)


def _check_step(optimizer: optax.GradientTransformationExtraArgs, landscape: Landscape) -> None:
    """Raise what the optimiser raises at its first step."""

    def step(params: trees.Params) -> optax.Updates:
        def half(at: trees.Params) -> jax.typing.ArrayLike:
            return optax.tree.vdot(at, at) / 2

        seen = {"value": half(params), "grad": params, "value_fn": half}
        return optimizer.update(params, optimizer.init(params), params, **seen)[0]

    jax.eval_shape(step, dict(landscape.shapes))


def learning_rate(config: Config, beads: bool = False) -> float | optax.Schedule:
    """The learning rate of training, or of beads, as optax takes it. Raises ConfigError for a
    schedule that optax refuses."""
    key, rate = "train", config.train.learning_rate
    if beads and config.connect.learning_rate is not None:
        key, rate = "connect", config.connect.learning_rate
    try:
        return _schedule(rate) if isinstance(rate, Schedule) else rate
    except Exception as error:
        raise config.problem(f"{key}.learning_rate", str(error)) from error


def _at_least(rate: float | optax.Schedule, least: float) -> float | optax.Schedule:
    if not callable(rate):
        return max(rate, least)
    return lambda step: jnp.maximum(rate(step), least)


def _mask(globs: str, key: str, config: Config, landscape: Landscape) -> dict[str, bool]:
    """Which parameters the globs name. Raises ConfigError where there are none."""
    chosen = trees.matching(landscape.shapes, globs)
    if not chosen:
        raise config.problem(key, f"'{globs}' matches none of: {', '.join(landscape.shapes)}")
    return {name: name in chosen for name in landscape.shapes}


def _schedule(call: Call) -> optax.Schedule:
    made = schedules()[call.name](**{key: _made(one) for key, one in call.arguments.items()})
    jax.eval_shape(made, jnp.int32(0))  # some mistakes show only here
    return made


def _made(given: Given) -> Made:
    """An argument as optax takes it: steps, which are keys in a config, are numbers."""
    if isinstance(given, Schedule):
        return _schedule(given)
    if isinstance(given, dict):
        return {int(key) if key.isdigit() else key: _made(one) for key, one in given.items()}
    return tuple(map(_made, given)) if isinstance(given, tuple) else given
