"""Optimisers and schedules of a config, against optax called directly."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from landscape import train
from landscape.config.load import ConfigError, config_from, load_config, resolved
from landscape.config.optax_section import LEVEL_OPTIMIZERS, Optimizer, Schedule
from landscape.core import devices
from landscape.core.landscape import bind
from landscape.core.task import energy_task
from landscape.search.descend import Descender
from landscape.stages.build import build_landscape
from landscape.stages.checkpoints import Checkpoints, Due
from landscape.stages.optimizer import build_optimizer
from landscape.store.files import load_arrays

TASK = {"name": "polynomial", "coefficients": [0.0, 1.0], "points": 10, "test_points": 10}
LEVELS = {"values": [1]}
WARM = {
    "name": "warmup_cosine_decay_schedule", "init_value": 0, "peak_value": 0.1,
    "warmup_steps": 5, "decay_steps": 20,
}  # fmt: skip
HALVED = {
    "name": "exponential_decay", "init_value": 0.8, "decay_rate": 0.5, "transition_steps": 2,
    "transition_begin": 1, "staircase": True,
}  # fmt: skip
JOINED = {
    "name": "join_schedules", "boundaries": [3],
    "schedules": [{"name": "constant_schedule", "value": 1.0}, HALVED],
}  # fmt: skip
STEPPED = {
    "name": "piecewise_constant_schedule", "init_value": 1.0,
    "boundaries_and_scales": {"3": 0.1, "6": 0.5},
}  # fmt: skip
RESTARTED: dict[str, Any] = {
    "name": "sgdr_schedule",
    "cosine_kwargs": [
        {"init_value": 0.1, "peak_value": 1, "warmup_steps": 2, "decay_steps": 5},
        {"init_value": 0.1, "peak_value": 0.5, "warmup_steps": 1, "decay_steps": 5},
    ],
}


def made(connect=None, **train):
    mapping = {"task": TASK, "train": train, "levels": LEVELS, "connect": connect or {}}
    config = config_from(mapping)
    assert config_from(resolved(config)) == config
    landscape = build_landscape(config)
    return build_optimizer(config, landscape, beads=connect is not None), landscape


def moves(optimizer: Any, landscape, steps: int, at: float = 0.0, slope: float = 1.0) -> list[Any]:
    """What so many steps subtract, at parameters and with a gradient that are alike throughout."""
    params = {name: jnp.full(shape.shape, at) for name, shape in landscape.shapes.items()}
    gradient = {name: jnp.full_like(leaf, slope) for name, leaf in params.items()}
    state, found = optimizer.init(params), []
    for _ in range(steps):
        update, state = optimizer.update(gradient, state, params)
        found.append({name: -np.asarray(leaf) for name, leaf in update.items()})
    return found


def first(move: Any) -> float:
    return float(next(iter(move.values())).ravel()[0])


def energy(x):
    return (x["a"] ** 2 * jnp.array([1.0, 9.0])).sum() + (x["b"] ** 4).sum()


START = {"a": jnp.array([1.0, -2.0]), "b": jnp.array([0.7])}
ARGUMENTS: dict[str, Any] = {"optimistic_adam": {"optimism": 0.1}}


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", Optimizer.takes())
def test_every_optimizer_of_optax_descends_as_it_does_there(name):
    """A descent's parameters after some steps are those of a plain loop over optax's own."""
    arguments = ARGUMENTS.get(name, {})
    given = {"optimizer": {"name": name, **arguments}, "learning_rate": 0.03}
    optimizer, _ = made(**given)
    landscape = bind(energy_task(energy, lambda key: START))
    descender = Descender(landscape, optimizer, check_every=4, max_steps=12)
    start = {key: np.array(leaf)[None] for key, leaf in START.items()}
    state = descender.start(start, np.zeros((1, 2), np.uint32), np.array([-np.inf]))
    while descender.going(state).any():
        state = descender.advance(state)
    found = state.settled().params

    rate = {"max_learning_rate" if name == "polyak_sgd" else "learning_rate": 0.03}
    theirs = optax.with_extra_args_support(getattr(optax, name)(**rate, **arguments))

    @jax.jit
    def step(params: Any, memory: Any) -> Any:
        value, gradient = jax.value_and_grad(energy)(params)
        update, memory = theirs.update(
            gradient, memory, params, value=value, grad=gradient, value_fn=energy
        )
        return optax.apply_updates(params, update), memory

    params: Any = START
    memory: Any = theirs.init(params)
    for _ in range(12):
        params, memory = step(params, memory)
    for key, leaf in params.items():
        assert np.allclose(found[key][0], leaf, rtol=1e-5, atol=1e-6), key
        assert not np.array_equal(leaf, START[key])


@pytest.mark.parametrize(
    "given, theirs",
    [
        (WARM, optax.warmup_cosine_decay_schedule(0, 0.1, 5, 20)),
        (HALVED, lambda step: 0.8 * 0.5 ** max((step - 3) // 2 + 1, 0)),
        (
            JOINED,
            lambda step: 1.0 if step < 3 else 0.8 * 0.5 ** max((step - 6) // 2 + 1, 0),
        ),
        (STEPPED, optax.piecewise_constant_schedule(1.0, {3: 0.1, 6: 0.5})),
        (RESTARTED, optax.sgdr_schedule(RESTARTED["cosine_kwargs"])),
        (0.25, lambda step: 0.25),
    ],
    ids=lambda given: given.get("name") if isinstance(given, dict) else "",
)
def test_steps_are_as_long_as_the_schedule_says(given, theirs):
    for step, move in enumerate(moves(*made(optimizer="sgd", learning_rate=given), 10)):
        for leaf in move.values():
            assert np.allclose(leaf, theirs(step), rtol=1e-5), step


def test_decoupled_weight_decay_is_only_where_its_mask_is():
    given = {"name": "adamw", "weight_decay": 0.5, "mask": "Dense_1.*, *.bias"}
    (move,) = moves(*made(optimizer=given, learning_rate=0.1), 1, at=2.0, slope=0.0)
    for name, leaf in move.items():
        decays = name.startswith("Dense_1.") or name.endswith(".bias")
        assert np.allclose(leaf, 0.1 * 0.5 * 2 if decays else 0), name


def test_beads_have_an_optimizer_and_a_schedule_of_their_own():
    connect = {"optimizer": {"name": "sgd", "momentum": 0.5}, "learning_rate": HALVED}
    found = [first(move) for move in moves(*made(connect=connect, learning_rate=1e-4), 4)]
    assert found == pytest.approx([0.8, 0.8 * 1.5, 0.8 * 1.75, 0.4 * 1.875])


def test_a_schedule_of_beads_of_adam_does_not_fall_below_what_they_need():
    rate = {**HALVED, "init_value": 2e-3}
    found = [first(move) for move in moves(*made(connect={}, learning_rate=rate), 8)]
    assert found == pytest.approx([2e-3] * 3 + [1e-3] * 5, rel=1e-4)
    found = [first(move) for move in moves(*made(learning_rate=rate), 8)]
    assert found[-1] == pytest.approx(2e-3 / 8, rel=1e-4)


@pytest.mark.parametrize(
    "train, key, said",
    [
        ("optimizer: sgdd", "optimizer", "unknown optimizer 'sgdd'; did you mean 'sgd'? (allowed"),
        ("optimizer: {name: nadamx}", "optimizer.name", "unknown optimizer 'nadamx'"),
        ("optimizer: polyak", "optimizer", "unknown optimizer 'polyak'; did you mean"),
        (
            "optimizer: {name: sgd, momentm: 0.9}", "optimizer.momentm",
            "unknown key; did you mean 'momentum'? (allowed: momentum, nesterov, ",
        ),
        ("optimizer: {name: sgd, nesterov: 1}", "optimizer.nesterov", "expected true or false"),
        ("optimizer: {name: adamw, mask: 1}", "optimizer.mask", "expected text"),
        ("optimizer: {name: sgd, learning_rate: 1}", "optimizer.learning_rate", "unknown key"),
        ("optimizer: {momentum: 0.9}", "optimizer.name", "missing"),
        ("learning_rate: {name: cosine}", "learning_rate.name", "unknown schedule 'cosine'"),
        (
            "learning_rate: {name: cosine_decay_schedule, init_value: 1}",
            "learning_rate.decay_steps", "missing, and it has no default",
        ),
        (
            "learning_rate: {name: linear_schedule, init_value: 1, end_value: x, "
            "transition_steps: 1.5}",
            "learning_rate.end_value", "expected a number, got 'x'",
        ),
        (
            "learning_rate: {name: join_schedules, boundaries: [3], schedules: [{name: x}]}",
            "learning_rate.schedules[0].name", "unknown schedule 'x'",
        ),
        ("learning_rate: constant_schedule", "learning_rate", "expected a number"),
        ("learning_rate: 0", "learning_rate", "must be greater than 0"),
        ("rate_decay: {}", "rate_decay", "unknown key"),
    ],
)  # fmt: skip
def test_mistakes_name_line_key_and_what_is_allowed(tmp_path, train, key, said):
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"task: {{name: digits}}\nlevels: {{values: [1]}}\ntrain:\n  models: 2\n  {train}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.problems[0].startswith(f"{path}:5: train.{key}: {said}")


@pytest.mark.parametrize(
    "train, key, said",
    [
        ({"learning_rate": {**WARM, "decay_steps": 2}}, "train.learning_rate", "The"),
        (
            {"optimizer": "rprop", "learning_rate": WARM}, "train.optimizer",
            "rprop takes a number as its learning rate, no schedule",
        ),
        (
            {"optimizer": {"name": "lion", "mask": "Conv*"}}, "train.optimizer.mask",
            "'Conv*' matches none of: ",
        ),
    ],
)  # fmt: skip
def test_what_optax_refuses_is_a_mistake_in_the_config(train, key, said):
    with pytest.raises(ConfigError) as caught:
        made(**train)
    assert str(caught.value).startswith(f"{key}: {said}")


def test_names_are_those_of_optax_and_none_is_ours():
    assert {"sgd", "adam", "adamw", "lion", "lamb", "lars", "rmsprop", "adafactor"} <= (
        Optimizer.takes().keys()
    )
    assert not set(LEVEL_OPTIMIZERS) & Optimizer.takes().keys()
    ends = ("_schedule", "_schedules", "exponential_decay")
    assert all(name.endswith(ends) for name in Schedule.takes())


def test_an_interrupted_training_resumes_to_the_same_bits(tmp_path, monkeypatch):
    mapping = {
        "task": {"name": "digits", "hidden": [8]}, "levels": {"values": [1.0, 1e-4]},
        "train": {
            "models": 3, "batch_size": 100, "sampling": "epochs", "precision": "bfloat16",
            "ema": 0.9, "max_steps": 150, "clip": 1.0,
            "learning_rate": {**WARM, "decay_steps": 150},
            "optimizer": {"name": "adamw", "mask": "*kernel", "mu_dtype": "bfloat16"},
        },
    }  # fmt: skip
    config = config_from(mapping)
    whole = train(config, tmp_path / "whole")
    keep, kept = Checkpoints.keep, []

    def keep_then_stop(self, make, now=False):
        keep(self, make, now=True)
        kept.append(make())
        if len(kept) % 3 == 0:  # each model is kept by itself
            raise KeyboardInterrupt

    monkeypatch.setattr(devices.Pace, "timed", lambda self, call: call(37))
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(Checkpoints, "keep", keep_then_stop)
            patch.setattr(Due, "passed", True)
            with pytest.raises(KeyboardInterrupt):
                train(config, tmp_path / "cut")
    first, second = (
        max(int(one["descent"]["step"][0]) for one in part) for part in (kept[:3], kept[3:])
    )
    assert 0 < first < second, "it goes on where it was"
    cut = train(config, tmp_path / "cut")
    assert cut.models() == whole.models()
    files = sorted(whole.directory.glob("models/*/*.safetensors"))
    assert files
    for path in files:
        ours, _ = load_arrays(path)
        theirs, _ = load_arrays(cut.directory / path.relative_to(whole.directory))
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
