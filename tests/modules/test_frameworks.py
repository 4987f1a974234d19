"""A network with batch norm, written in each framework: its statistics are those of its parameters
and of the training data, and everything that a path is judged by goes by them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from landscape import (
    Task,
    bind,
    config_from,
    connect,
    find_path,
    flax_task,
    nnx_task,
    train,
    verify,
)
from landscape.core import trees

CLASSES, SAMPLES = 3, 60


def images() -> tuple[np.ndarray, np.ndarray]:
    """Classes that differ in their mean."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, SAMPLES)
    x = rng.normal(size=(SAMPLES, 4, 4, 1)) + y[:, None, None, None]
    return x.astype(np.float32), y


class Linen(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = nn.Conv(4, (3, 3))(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        x = nn.Dropout(0.5, deterministic=not train)(x.mean((1, 2)))
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(5)(x))
        return nn.Dense(CLASSES)(x)


class Nnx(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv, self.norm = nnx.Conv(1, 4, (3, 3), rngs=rngs), nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.dense, self.other = nnx.Linear(4, 5, rngs=rngs), nnx.BatchNorm(5, rngs=rngs)
        self.out = nnx.Linear(5, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.drop(nnx.relu(self.norm(self.conv(x))).mean((1, 2)))
        return self.out(self.other(self.dense(x)))


def of_equinox() -> Task:
    eqx = pytest.importorskip("equinox")

    class Net(eqx.Module):
        layers: list[Any]
        drop: Any
        norms: list[Any]

        def __init__(self, key: jax.Array) -> None:
            keys = jax.random.split(key, 3)
            self.layers = [
                eqx.nn.Conv2d(1, 4, 3, padding=1, key=keys[0]),
                eqx.nn.Linear(4, 5, key=keys[1]),
                eqx.nn.Linear(5, CLASSES, key=keys[2]),
            ]
            self.drop = eqx.nn.Dropout(0.5)
            self.norms = [eqx.nn.BatchNorm(n, "batch", mode="batch") for n in (4, 5)]

        def __call__(self, x: jax.Array, state: Any, key: jax.Array) -> tuple[jax.Array, Any]:
            x, state = self.norms[0](self.layers[0](jnp.moveaxis(x, -1, 0)), state)
            x = self.drop(jax.nn.relu(x).mean((1, 2)), key=key)
            x, state = self.norms[1](self.layers[1](x), state)
            return self.layers[2](x), state

    from landscape import equinox_task

    return equinox_task(eqx.nn.make_with_state(Net), images())


def of_haiku() -> Task:
    hk = pytest.importorskip("haiku")

    def forward(x: jax.Array, is_training: bool) -> jax.Array:
        def norm(x: jax.Array) -> jax.Array:
            return hk.BatchNorm(True, True, 0.9)(x, is_training)

        x = jax.nn.relu(norm(hk.Conv2D(4, 3)(x))).mean((1, 2))
        x = hk.dropout(hk.next_rng_key(), 0.5, x) if is_training else x
        return hk.Linear(CLASSES)(norm(hk.Linear(5)(x)))

    from landscape import haiku_task

    return haiku_task(forward, images())


TASKS: dict[str, Callable[[], Task]] = {
    "linen": lambda: flax_task(Linen(), images()),
    "nnx": lambda: nnx_task(Nnx, images()),
    "equinox": of_equinox,
    "haiku": of_haiku,
}


def level(task: Task, params: trees.Params) -> float:
    return float(jax.jit(bind(task).level)(params))


EXTRAS = ("equinox", "haiku")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.torch if name in EXTRAS else ()) for name in TASKS
    ],
)
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param]()


def test_parameters_are_apart_from_state(task: Task) -> None:
    landscape = bind(task)
    assert landscape.state is not None and landscape.state.samples == SAMPLES
    sizes = sorted(shape.shape[-1] for shape in landscape.state.shapes.values() if shape.shape)
    assert {4, 5} <= set(sizes)
    assert not landscape.shapes.keys() & landscape.state.shapes.keys()
    assert trees.size(landscape.shapes) == 9 * 4 + 4 + 8 + 4 * 5 + 5 + 10 + 5 * CLASSES + CLASSES


def test_statistics_are_those_of_the_data_whatever_the_scale_of_the_parameters(task: Task) -> None:
    """Batch norm undoes the scale of what comes before it, if its statistics follow."""
    landscape = bind(task)
    params = landscape.init(jax.random.key(1))
    scaled = {
        name: 3 * leaf if leaf.ndim > 2 or leaf.shape in ((4, 5), (5, 4)) else leaf
        for name, leaf in params.items()
    }
    assert level(task, scaled) == pytest.approx(level(task, params), rel=1e-3)


def test_another_state_is_another_level(task: Task) -> None:
    landscape = bind(task)
    params = landscape.init(jax.random.key(2))
    assert task.state is not None
    state = task.state.recompute(trees.from_named(task.init(jax.random.key(0)), params))
    named = trees.to_named(state)
    assert landscape.state is not None
    given = float(landscape.state.level(params, named))
    assert given == pytest.approx(level(task, params), rel=1e-5)
    stale = {name: leaf + 1 for name, leaf in named.items()}
    assert abs(float(landscape.state.level(params, stale)) - given) > 1e-3


def test_dropout_is_on_in_training_alone(task: Task) -> None:
    landscape = bind(task)
    params = landscape.init(jax.random.key(3))
    loss = jax.jit(lambda key: landscape.loss(params, (), key)[0])
    one, other = (float(loss(jax.random.key(seed))) for seed in range(2))
    assert np.isfinite([one, other]).all() and one != other
    assert level(task, params) == level(task, params)


def test_a_gradient_of_the_level_takes_the_statistics_along(task: Task) -> None:
    landscape = bind(task)
    params = landscape.init(jax.random.key(4))
    value, gradient = jax.jit(jax.value_and_grad(landscape.level))(params)
    squares = sum(float(jnp.sum(leaf**2)) for leaf in gradient.values())
    step = 1e-2 / np.sqrt(squares)
    there, back = (
        {name: params[name] + sign * step * gradient[name] for name in params} for sign in (1, -1)
    )
    slope = (level(task, there) - level(task, back)) / (2 * step)
    assert slope == pytest.approx(squares, rel=2e-2) and np.isfinite(value)


def test_networks_begin_apart(task: Task) -> None:
    landscape = bind(task)
    one, other = (landscape.init(jax.random.key(seed)) for seed in (0, 1))
    assert any(not np.array_equal(one[name], other[name]) for name in one)


FACTORY = """
from tests.modules.test_frameworks import Linen, images
from landscape import flax_task

def make_task():
    return flax_task(Linen(), images())
"""


def test_a_run_goes_by_recomputed_statistics_throughout(factory, tmp_path: Path) -> None:
    config = config_from(
        {
            "task": {"factory": f"{factory(FACTORY)}:make_task"},
            "train": {"models": 2, "learning_rate": 2e-2, "batch_size": 30, "max_steps": 400},
            "levels": {"values": [0.8]},
        }
    )
    run = train(config, tmp_path)
    state = run.meta().state
    assert state is not None and state.policy == "recompute"
    assert all(record.given is None for record in run.models()), "they were not trained elsewhere"
    (row,) = connect(run)
    assert row.status == "CONNECTED"
    assert all(verdict.agreed for verdict in verify(run))


def test_the_one_call_takes_a_task_with_state(task: Task) -> None:
    landscape = bind(task)
    template = task.init(jax.random.key(0))
    a, b = (trees.from_named(template, landscape.init(jax.random.key(seed))) for seed in (0, 1))
    found = find_path(task, a, b, level=50.0)
    assert found.status == "CONNECTED"
    middle = trees.lerp(trees.to_named(a), trees.to_named(b), 0.5)
    assert level(task, middle) <= found.certificate.maximum + 1e-5


def test_what_looks_like_state_is_asked_about() -> None:
    a = {"w": np.ones(2), "norm.running_mean": np.ones(2)}
    with pytest.raises(ValueError, match=r"norm\.running_mean look like running statistics"):
        find_path(lambda p: jnp.sum(p["w"] ** 2), a, a, level=9.0)
    counted = {"w": np.ones(2), "batches": np.array(3)}
    with pytest.raises(TypeError, match=r"batches is of type int\d+, not a float"):
        find_path(lambda p: jnp.sum(p["w"] ** 2), counted, counted, level=9.0)


@pytest.mark.parametrize("make", [lambda c: flax_task(Linen(), images(), chunk=c),
                                  lambda c: nnx_task(Nnx, images(), chunk=c)])  # fmt: skip
def test_chunks_change_memory_and_no_number(make: Callable[[int | None], Task]) -> None:
    whole, parts = make(None), make(7)
    params = bind(whole).init(jax.random.key(0))
    assert level(parts, params) == pytest.approx(level(whole, params), rel=1e-5)
