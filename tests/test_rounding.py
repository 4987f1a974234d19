"""How far a certified maximum is from the loss in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core.certificate import certify, segment_evaluator
from landscape.core.landscape import bind
from landscape.core.rounding import rounding_of
from landscape.core.task import Task, energy_task
from landscape.stages.build import build_landscape
from tests.test_paths import landscape_of, line


def few_bits(x):
    """As a GPU multiplies in TF32 unless it is told not to: 10 bits."""
    return jax.lax.reduce_precision(x, 8, 10) if x.dtype == jnp.float32 else x


def test_a_certificate_holds_only_if_its_rounding_leaves_room():
    path = line(1, 1.0004)
    found = certify(path, segment_evaluator(landscape_of(lambda x: few_bits(x)[0]), 20), 1.0)
    assert (found.maximum, found.last_change) == (1, 0)
    assert found.rounding is not None
    assert found.rounding == pytest.approx(0.0004 * found.max_at, rel=1e-3) and found.max_at > 0.1
    assert not found.holds(1.0) and found.holds(1 + 1.01 * found.rounding)
    found = certify(path, segment_evaluator(landscape_of(lambda x: x[0]), 20), 1.0)
    assert found.rounding == 0 and found.holds(float(np.float32(1.0004)))


def test_a_matrix_product_of_few_bits_is_noticed():
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)

    def energy(x):
        return jnp.mean((few_bits(weights * x[0]) @ few_bits(x[0] * weights)) ** 2)

    landscape = bind(energy_task(energy, lambda key: jnp.ones(1)))
    point = {"params": np.ones(1, np.float32)}
    loss = float(landscape.level(point))
    exact = np.mean((weights.astype(float) @ weights.astype(float)) ** 2)
    assert rounding_of(landscape)(point, loss) == pytest.approx(abs(loss - exact), rel=1e-3)
    assert abs(loss - exact) > 1e-5 * exact


def test_a_task_that_keeps_to_float32_has_none():
    landscape = landscape_of(lambda x: x.astype(jnp.float32)[0])
    assert rounding_of(landscape)({"params": np.ones(1, np.float32)}, 1.0) is None

    def loop(x):
        return jax.lax.fori_loop(0, 3, lambda i, y: y * x[0], jnp.float32(1))

    assert rounding_of(landscape_of(loop))({"params": np.ones(1, np.float32)}, 1.0) is None


def test_the_tasks_own_type_is_kept_where_it_is_coarser():
    def metric(params, data):
        return jnp.sum(params["x"].astype(jnp.float32))

    task = Task(
        init=lambda key: {"x": jnp.ones(3, jnp.bfloat16)},
        loss=lambda params, carry, batch, key: (metric(params, batch), carry),
        metrics={"loss": metric},
    )
    landscape = bind(task)
    point = {"x": np.full(3, 1.001, np.float32)}
    assert rounding_of(landscape)(point, float(landscape.level(point))) is None
    assert float(landscape.level(point)) == 3


@pytest.mark.parametrize("config", ["quickstart", "paper/quadratics"])
def test_of_real_networks_it_is_a_few_bits(config, tmp_path):
    from landscape.config.load import load_config

    landscape = build_landscape(load_config(f"configs/{config}.yaml"))
    point = jax.device_get(landscape.init(jax.random.key(0)))
    loss = float(landscape.level(point))
    found = rounding_of(landscape)(point, loss)
    assert found is None or found < 1e-5 * abs(loss)
