"""What beads descend by is asked once, and must have a slope; what is trained, a gradient."""

import pytest

from landscape.config.load import ConfigError, config_from
from landscape.stages import build
from landscape.stages.connect import connect
from landscape.stages.train import train

SOURCE = """
import jax
import jax.numpy as jnp
import numpy as np

from landscape import Task


def make(*, kind: str) -> Task:
    def loss(p, data):
        if kind == "callback":
            out = jax.ShapeDtypeStruct((), jnp.float32)
            return jax.pure_callback(lambda w: np.float32((w**2).sum()), out, p["w"])
        return jnp.sum(p["w"] ** 2)

    def metric(p, data):
        return jnp.mean(jnp.round(jnp.abs(p["w"]))) if kind == "steps" else loss(p, data)

    start = jnp.zeros if kind == "saddle" else lambda n: jnp.full(n, 3.0)
    return Task(
        init=lambda key: {"w": start(3) + 0.0 * jax.random.normal(key, (3,))},
        loss=lambda p, carry, batch, key: (loss(p, batch), carry),
        metrics={"size": metric},
        differentiable=("size",),
        data={"train": jnp.zeros(4)},
    )
"""


@pytest.fixture
def job(factory):
    module = factory(SOURCE)

    def make(kind, **sections):
        return config_from(
            {
                "task": {"factory": f"{module}:make", "kind": kind},
                "train": {"models": 2, "learning_rate": 0.1, "max_steps": 200},
                "levels": {"metric": "size", "values": [1.0]},
                **sections,
            },
            name="slopes",
        )

    return make


def test_a_metric_without_a_slope_is_refused_before_the_search(job):
    run = train(job("steps"))
    with pytest.raises(
        ConfigError, match=r"task.factory: .*'size' among its `differentiable`"
    ) as told:
        connect(run)
    assert "gradient is zero at 4 random points" in str(told.value)
    assert run.rows() == []


@pytest.mark.parametrize("kind", ["smooth", "saddle"])
def test_a_start_where_the_gradient_vanishes_is_no_reason_to_refuse(job, kind):
    (row,) = connect(train(job(kind)))
    assert row.status == "CONNECTED"


def test_a_loss_that_cannot_be_differentiated_is_refused_by_its_key(job):
    with pytest.raises(ConfigError, match=r"task.factory: JAX cannot differentiate the loss: "):
        train(job("callback"))


def test_what_beads_descend_by_is_asked_once(job, monkeypatch):
    run, asked = train(job("smooth")), []

    def counted(*given):
        asked.append(given)
        return original(*given)

    original = build.bead_optimizer
    monkeypatch.setattr("landscape.stages.context.bead_optimizer", counted)
    monkeypatch.setattr("landscape.stages.build.bead_optimizer", counted)
    connect(run)
    assert len(asked) == 1
