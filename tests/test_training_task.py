"""Batches in epochs, arithmetic in bfloat16, averaged parameters, and all of it cut and resumed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from landscape import ConfigError, config_from, train
from landscape.core.keys import key_data
from landscape.core.landscape import bind
from landscape.core.task import Task
from landscape.search.descend import Descender, DescentState
from landscape.search.training import Training
from landscape.search.training_task import in_bfloat16, in_epochs
from landscape.store.files import load_arrays

SAMPLES, STEPS = 10, 24


def regression() -> Task:
    x = jax.random.normal(jax.random.key(1), (SAMPLES, 3))
    y = x @ jnp.array([1.0, -2.0, 0.5])

    def loss(params, carry, batch, key):
        x, y = batch
        return jnp.mean((x @ params["w"] - y) ** 2) + 0.01 * jax.random.normal(key), carry

    return Task(
        init=lambda key: {"w": jax.random.normal(key, (3,))},
        loss=loss,
        metrics={"loss": lambda p, data: jnp.mean((data[0] @ p["w"] - data[1]) ** 2)},
        data={"train": (x, y)},
    )


@pytest.mark.parametrize("batch", [1, 3, 5, 7, 10])
def test_each_epoch_visits_each_sample_once(batch):
    samples = jnp.arange(SAMPLES)
    task = Task(
        init=lambda key: {"w": jnp.zeros(1)},
        loss=lambda params, carry, batch, key: (batch, carry),  # tells what it was given
        metrics={"loss": lambda params, data: jnp.sum(params["w"])},
        data={"train": samples},
    )
    drawn: Any = in_epochs(task, batch)
    step, carry, seen = jax.jit(drawn.loss), drawn.carry, []
    for number in range(8 * SAMPLES):
        found, carry = step({"w": jnp.zeros(1)}, carry, samples, jax.random.key(number))
        assert found.shape == (batch,)
        seen += found.tolist()
    epochs = np.reshape(seen[: 8 * SAMPLES], (8, SAMPLES))
    assert (np.sort(epochs, axis=1) == np.arange(SAMPLES)).all()
    assert len({tuple(epoch) for epoch in epochs}) == 8, "each in an order of its own"


def test_the_loss_is_computed_in_bfloat16_and_nothing_else_is():
    kinds = []

    def loss(params, carry, batch, key):
        kinds.extend(leaf.dtype for leaf in jax.tree.leaves((params, carry, batch)))
        return jnp.sum(params["w"][None] * batch[0]), carry

    task = Task(
        init=lambda key: {"w": jnp.ones(3)},
        loss=loss,
        metrics={"loss": lambda params, data: jnp.sum(params["w"][None] * data[0])},
        data={"train": (jnp.full((4, 3), 1 + 2**-10), jnp.arange(4))},
        carry=jnp.ones(2),
    )
    landscape = bind(in_bfloat16(task))
    params: Any = {"w": jnp.ones(3)}
    gradient, carry = jax.grad(landscape.loss, has_aux=True)(
        params, landscape.carry, jax.random.key(0)
    )
    assert kinds == [jnp.bfloat16, jnp.bfloat16, jnp.bfloat16, jnp.int32]
    assert gradient["w"].dtype == jnp.float32 and carry.dtype == jnp.float32
    assert np.array_equal(gradient["w"], [4, 4, 4])  # bfloat16 has 8 bits: 1 + 2⁻¹⁰ is 1
    assert landscape.level(params) == pytest.approx(12 * (1 + 2**-10), rel=1e-7)


def descender(ema: float | None) -> Descender:
    schedule = optax.warmup_cosine_decay_schedule(0, 0.3, 4, STEPS)
    optimizer = optax.sgd(schedule, momentum=0.9, nesterov=True)
    landscape = bind(in_epochs(in_bfloat16(regression()), 4))
    return Descender(landscape, optimizer, check_every=4, max_steps=STEPS, ema=ema)


def begun(by: Descender) -> DescentState:
    keys = np.stack([key_data("train", model) for model in range(3)])
    params = {"w": np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)}
    return by.start(params, keys, np.full(3, -np.inf))


@pytest.mark.parametrize("ema", [None, 0.8])
def test_what_was_kept_in_the_middle_goes_on_to_the_same_bits(ema):
    by = descender(ema)
    whole = by.advance(begun(by))
    while by.going(whole).any():
        whole = by.advance(whole)
    cut = begun(by)
    while by.going(cut).any():
        by._pace.steps = 3  # not a whole check, not a whole epoch
        cut = by.advance(cut)
        kept = jax.tree.map(np.copy, cut.settled().arrays())
        by = descender(ema)
        cut = DescentState(**kept)
    for one, other in zip(
        jax.tree.leaves(whole.settled().arrays()), jax.tree.leaves(cut.settled().arrays()),
        strict=True,
    ):  # fmt: skip
        assert np.array_equal(one, other)


def test_a_moving_average_is_judged_and_kept():
    task, decay = regression(), 0.8
    landscape, optimizer = bind(task), optax.adam(0.1)
    by = Descender(landscape, optimizer, check_every=4, max_steps=STEPS, ema=decay)
    state = begun(by)
    start = state.params["w"].copy()
    training = Training(by, [100.0, 1e-9], state)
    assert [new.level for new in training.newly_met()] == [100.0] * 3
    while training.going.any():
        training.advance()
    for model in range(3):
        params: Any = {"w": jnp.asarray(start[model])}
        average, memory = params["w"], optimizer.init(params)
        key = jax.random.wrap_key_data(jnp.asarray(key_data("train", model)))
        for step in range(STEPS):
            gradient, _ = jax.grad(landscape.loss, has_aux=True)(
                params, (), jax.random.fold_in(key, step)
            )
            update, memory = optimizer.update(gradient, memory, params)
            params = optax.apply_updates(params, update)
            average = decay * average + (1 - decay) * params["w"]
        judged = by.judged(training.state, model)["w"]
        assert np.allclose(judged, average, rtol=1e-5)
        assert not np.allclose(judged, params["w"], rtol=1e-3)
        assert training.state.value[model] == pytest.approx(
            float(landscape.level({"w": average})), rel=1e-4
        )


def test_a_run_keeps_the_average_and_its_value(tmp_path):
    given = {
        "models": 2, "batch_size": 64, "sampling": "epochs", "precision": "bfloat16", "ema": 0.9,
        "max_steps": 60, "learning_rate": 1e-2,
    }  # fmt: skip
    mapping = {
        "task": {"name": "digits", "hidden": [8]}, "levels": {"values": [1.0]}, "train": given
    }  # fmt: skip
    from landscape.stages.build import build_landscape

    config = config_from(mapping)
    run, landscape = train(config, tmp_path), build_landscape(config)
    for model in run.models():
        (met,) = model.levels
        path = run.model_file(0, 1.0) if met.step is not None else run.last_file(model.model)
        arrays, record = load_arrays(path)
        value = float(landscape.level(arrays))
        assert arrays["Dense_0.kernel"].dtype == np.float32
        assert record["value"] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    "given, said",
    [
        ({"sampling": "epochs"}, "train.sampling: goes with train.batch_size"),
        ({"sampling": "epoch"}, "train.sampling: expected 'epochs'"),
        ({"ema": 1.0}, "train.ema: must be less than 1"),
        ({"precision": "float16"}, "train.precision: expected 'bfloat16'"),
    ],
)
def test_mistakes(given, said):
    mapping = {"task": {"name": "digits"}, "levels": {"values": [1.0]}, "train": given}
    with pytest.raises(ConfigError) as caught:
        config_from(mapping)
    assert str(caught.value).startswith(said)
