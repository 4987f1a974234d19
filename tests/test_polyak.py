"""Polyak steps: their formula, where they stop, and what takes over where they stall."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from landscape import config_from
from landscape.config.load import ConfigError
from landscape.core.landscape import bind
from landscape.core.task import energy_task
from landscape.search import beads
from landscape.search.descend import Descender
from landscape.search.polyak import MOMENTUM, PATIENCE, RATE, RELAXATION, STRIDE, polyak
from landscape.stages import build
from landscape.stages.build import build_beads, build_landscape
from tests.analytic import RING


def steps(energy, x, target, count, reach=np.inf):
    """Parameters after each step."""
    made, state, places = polyak(), polyak().init(x), [x]
    for _ in range(count):
        value, gradient = jax.value_and_grad(energy)(x)
        update, state = made.update(gradient, state, x, value=value, target=target, reach=reach)
        x = optax.apply_updates(x, update)
        places.append(x)
    return np.array(places)


def test_steps_are_its_formula():
    def energy(x):
        return x[0] + 2 * x[1]

    x = jnp.array([1.0, 3.0])
    found = steps(energy, x, 2.0, 2)
    first = -RELAXATION * (7 - 2) * np.array([1, 2]) / 5
    second = MOMENTUM * first - RELAXATION * (7 + first @ [1, 2] - 2) * np.array([1, 2]) / 5
    assert np.allclose(np.diff(found, axis=0), [first, second], rtol=1e-5)


def test_at_the_target_it_stays_once_and_then_adam_goes_on():
    found = steps(lambda x: x[0], jnp.array([1.0, 0.0]), 1.0, 3)
    moved = np.diff(found, axis=0)[:, 0]
    assert moved[0] == 0 and moved[1:] == pytest.approx([-RATE, -RATE], rel=1e-3)


def test_near_a_flat_point_no_step_is_longer_than_its_stride():
    # the reviewer's: the tangent plane at 0.01 says to go 4 away, and at 0.0001 to go 200
    def energy(x):
        return 1 - 0.5 * jnp.tanh(x[0]) ** 2

    for start in (1e-2, 1e-4):
        found = steps(energy, jnp.array([start]), 0.9, 12, reach=1.0)
        lengths = abs(np.diff(found, axis=0))
        assert lengths.max() == pytest.approx(STRIDE, rel=1e-4)
        assert energy(found[-1]) <= 0.9 and found[-1, 0] < 0.49 + 2 * STRIDE  # nearest: .4812


def test_parameters_of_lower_precision_than_the_loss_keep_theirs():
    x = jnp.array([1.0, 3.0], jnp.bfloat16)
    made: Any = polyak()
    update, _ = made.update(
        x, made.init(x), x, value=jnp.float32(3), target=jnp.float32(1), reach=np.inf
    )
    assert update.dtype == jnp.bfloat16


def descend(energy, start, target, optimizer, steps=None, **options):
    landscape = bind(energy_task(energy, lambda key: jnp.zeros(len(start))))
    descender: Any = Descender(landscape, optimizer, 10, 5000, **options)
    params = {"params": np.array([start], np.float32)}
    descent = descender.start(params, np.zeros((1, 2), np.uint32), np.array([target]))
    if steps:
        descender._pace = SimpleNamespace(timed=lambda call: call(steps))
    while descender.going(descent).any():
        descent = descender.advance(descent)
    return descent.params["params"][0], float(descent.value[0]), int(descent.step[0])


def test_a_bead_comes_down_near_the_nearest_point_of_the_level_set():
    # the ring's level set at ε is ‖x‖ ≥ √(1 − √ε); the nearest point lies on the ray
    start, target = (0.3, 0.4), 0.01
    found, value, made = descend(RING.energy, start, target, polyak(), looks_early=True)
    nearest = np.array([0.6, 0.8]) * np.sqrt(1 - np.sqrt(target))
    way = np.linalg.norm(nearest - start)
    assert np.linalg.norm(found - nearest) < way / 10
    later = descend(RING.energy, start, target, polyak(), looks_early=False)
    assert value <= target and made < later[2] == 10


def test_a_stalled_bead_is_taken_over():
    """Plain Polyak steps zigzag across a kink."""
    _, value, made = descend(zigzag, (0.3, 0.0), 0.0055, polyak(), looks_early=True)
    assert value <= 0.0055 and made > PATIENCE


def test_penalties_do_not_count_as_loss():
    """A constraint's penalty bends the way, but the gap is the loss's."""

    class Pull:
        def penalty(self, params, fixed):
            return 100.0 + 0.1 * params["params"][0]

        def project(self, update, fixed):
            return update

    plain = descend(RING.energy, (0.3, 0.4), 0.01, polyak(), looks_early=True)
    held = descend(RING.energy, (0.3, 0.4), 0.01, polyak(), looks_early=True, constraint=Pull())
    assert held[1] <= 0.01 and held[0][0] < plain[0][0] - 1e-3
    assert np.linalg.norm(held[0] - plain[0]) < 0.2


def zigzag(x):
    return jnp.abs(x[0]) + 0.01 * jnp.abs(x[1] - 1) + 0.005


@pytest.mark.parametrize("steps", [1, 7, 33])
def test_the_way_down_is_the_same_however_it_is_cut(steps):
    whole = descend(zigzag, (0.3, 0.0), 0.0055, polyak(), looks_early=True)
    cut = descend(zigzag, (0.3, 0.0), 0.0055, polyak(), steps, looks_early=True)
    assert np.array_equal(whole[0], cut[0]) and whole[1:] == cut[1:]


DIGITS = {"task": {"name": "digits", "hidden": [4]}, "train": {"batch_size": 32}}


def first_step(**changes):
    """How far a bead moves in its first step, over what a Polyak step would be."""
    config = config_from(
        DIGITS | {"levels": {"values": [0.5], "metric": changes.pop("metric", "loss")}}
        | {"connect": {"max_steps_per_bead": 1} | changes}
    )  # fmt: skip
    landscape = build_landscape(config)
    descender = build_beads(config, landscape, build.bead_optimizer(config, landscape))(None)
    params = jax.tree.map(lambda leaf: leaf[None], landscape.init(jax.random.key(0)))
    start = jax.tree.map(np.asarray, params)
    after = descender.advance(descender.start(start, np.zeros((1, 2), np.uint32), np.array([0.5])))
    value, gradient = jax.value_and_grad(bind(build.build_task(config), "loss", "train").level)(
        jax.tree.map(lambda leaf: leaf[0], params)
    )
    square = sum(float(jnp.vdot(leaf, leaf)) for leaf in gradient.values())
    moved = sum(float(np.square(after.params[k] - start[k]).sum()) for k in start)
    return np.sqrt(moved) / (RELAXATION * (float(value) - 0.5) / np.sqrt(square))


def test_where_the_level_can_be_descended_on_few_data_beads_take_polyak_steps(monkeypatch):
    assert first_step() == pytest.approx(1, rel=1e-3)  # on all data, whatever training draws
    assert first_step(metric="error") != pytest.approx(1, rel=1e-2)
    assert first_step(optimizer="adam") != pytest.approx(1, rel=1e-2)
    assert first_step(learning_rate=1e-3) != pytest.approx(1, rel=1e-2)
    monkeypatch.setattr(beads, "FEW_SAMPLES", 1436)
    assert first_step() != pytest.approx(1, rel=1e-2)
    assert first_step(optimizer="polyak") == pytest.approx(1, rel=1e-3)


def test_polyak_needs_a_metric_with_a_gradient():
    with pytest.raises(
        ConfigError, match=r"connect\.optimizer: polyak descends the level's metric"
    ):
        first_step(metric="error", optimizer="polyak")


def test_weight_decay_does_not_go_with_it():
    with pytest.raises(ConfigError, match=r"connect\.weight_decay: does not go with"):
        first_step(optimizer="polyak", weight_decay={"rate": 0.1})


def test_a_metric_that_cannot_be_differentiated_is_found_early(tmp_path, caplog):
    task = energy_task(lambda x: jax.lax.while_loop(lambda y: y[0] > 9, lambda y: y / 2, x)[0] ** 2,
                       lambda key: jnp.ones(2))  # fmt: skip
    config = config_from(DIGITS | {"levels": {"values": [0.5]}, "train": {}})
    assert build.bead_optimizer(config, bind(task)) == "adam"
    assert "has no gradient" in caplog.text
    told = config_from(
        DIGITS | {"levels": {"values": [0.5]}, "train": {}, "connect": {"optimizer": "polyak"}}
    )
    with pytest.raises(ConfigError, match="has no gradient"):
        build.bead_optimizer(told, bind(task))


@pytest.mark.parametrize(
    "changes",
    [
        {"train": {"clip": 1.0}},
        {"train": {"weight_decay": {"rate": 0.1}}},
        {"connect": {"method": "constrained"}},
    ],
)
def test_beads_follow_training_where_training_has_its_own_ways(changes):
    config = config_from(DIGITS | {"levels": {"values": [0.5]}} | changes)
    assert build.bead_optimizer(config, build_landscape(config)) == "adam"


def test_a_task_says_which_metrics_can_be_descended():
    task = energy_task(RING.energy, lambda key: jnp.ones(2))
    assert bind(task).train_objective is not None
    assert bind(replace(task, differentiable=())).train_objective is None
