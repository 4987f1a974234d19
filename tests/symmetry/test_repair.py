"""Networks halfway between two, repaired, beside what they must be."""

# pyright: reportOptionalOperand=false, reportArgumentType=false, reportCallIssue=false
# a number that there is none of fails a test without that

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core import trees
from landscape.core.landscape import bind
from landscape.core.task import Task
from landscape.modules.from_linen import flax_task
from landscape.symmetry.repair import Middle
from tests.symmetry.networks import landscape_of

DATA = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)


def dense(params, data):
    """A layer without a bias, one with, and results that differ in their order, [samples, 2]."""
    hidden = jnp.maximum(data @ params["u"], 0)
    hidden = jnp.tanh(hidden @ params["v"] + params["c"][None])
    return (hidden @ params["w"]) * jnp.array([[1.0, 2.0]])


def of(predict) -> Task:
    return Task(
        init=lambda key: drawn(0),
        loss=lambda params, carry, batch, key: (0.0, carry),
        metrics={"loss": lambda params, data: jnp.mean(predict(params, data) ** 2)},
        data={"train": jnp.asarray(DATA)},
    )


def drawn(seed):
    shapes = {"u": (5, 7), "v": (7, 6), "c": (6,), "w": (6, 2)}
    draw = np.random.default_rng(seed)
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def by_hand(a, b):
    """The same with NumPy, after the definition: layer by layer."""

    def towards(half, first, second):
        means = [one.mean(0) for one in (half, first, second)]
        spreads = [one.std(0) for one in (half, first, second)]
        return (half - means[0]) / spreads[0] * sum(spreads[1:]) / 2 + sum(means[1:]) / 2

    half = {name: (a[name] + b[name]) / 2 for name in a}
    nets = (half, a, b)
    hidden = [DATA @ net["u"] for net in nets]
    hidden[0] = towards(*hidden)
    hidden = [np.maximum(one, 0) @ net["v"] for one, net in zip(hidden, nets, strict=True)]
    hidden[0] = towards(*hidden)
    hidden = [np.tanh(one + net["c"]) @ net["w"] for one, net in zip(hidden, nets, strict=True)]
    return float(np.mean((hidden[0] * [1, 2]) ** 2))


def test_it_is_what_its_definition_says():
    a, b = drawn(1), drawn(2)
    found = Middle(bind(of(dense)))(a, b)
    assert found.repaired == pytest.approx(by_hand(a, b), rel=1e-5)
    half = jnp.mean(dense(trees.lerp(a, b, 0.5), DATA) ** 2)
    assert found.value == pytest.approx(float(half), rel=1e-5)
    assert found.stale is None


def test_data_in_parts_are_one():
    """Of networks that are run a part of the data at a time."""

    def in_parts(params, data):
        return jax.lax.map(lambda one: dense(params, one), data.reshape(4, 15, 5))

    a, b = drawn(1), drawn(2)
    assert Middle(bind(of(in_parts)))(a, b).repaired == pytest.approx(by_hand(a, b), rel=1e-4)


@pytest.mark.parametrize("name", ["digits", "convolution", "attention"])
def test_between_a_network_and_itself_nothing_is_repaired(name):
    with jax.numpy_rank_promotion("allow"):
        landscape = landscape_of(name)
        a = landscape.init(jax.random.key(0))
        found = Middle(landscape)(a, a)
    assert found.repaired == pytest.approx(found.value, rel=1e-5)


def test_units_that_never_change_are_left():
    a = drawn(1)
    dead = {**a, "v": 0 * a["v"]}
    assert np.isfinite(Middle(bind(of(dense)))(dead, dead).repaired)


def test_a_landscape_without_units_has_nothing_to_repair():
    task = of(lambda params, data: params["c"][0] * data)
    assert Middle(bind(task))(drawn(1), drawn(2)).repaired is None


class Normed(nn.Module):
    """Convolutions, each with batch norm."""

    @nn.compact
    def __call__(self, x, train: bool = False):
        for _ in range(2):
            x = nn.Conv(4, (3, 3))(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not train)(x))
        return nn.Dense(3)(x.mean((1, 2)))


def test_statistics_that_are_reset_repair_a_network_with_batch_norm():
    """What its layers make is normalised again, so that REPAIR changes nothing beyond that; stale
    statistics do."""

    images = np.random.default_rng(0).normal(size=(20, 8, 8, 3)).astype(np.float32)
    labels = np.arange(20) % 3
    landscape = bind(flax_task(Normed(), (images, labels)))
    a, b = (landscape.init(jax.random.key(seed)) for seed in (0, 1))
    found = Middle(landscape)(a, b)
    assert found.repaired == pytest.approx(found.value, rel=1e-3)
    assert found.stale != pytest.approx(found.value, rel=5e-4)
