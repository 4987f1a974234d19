"""Coming down, against a plain loop over the same optimiser."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from landscape.core import trees
from landscape.core.devices import each
from landscape.core.keys import key_data
from landscape.core.landscape import bind
from landscape.core.task import Task
from landscape.search.descend import Descender

MODELS = 7


def regression() -> Task:
    """Least squares with a carry that counts, and noise drawn by the key."""
    x = jax.random.normal(jax.random.key(1), (64, 3))
    y = x @ jnp.array([1.0, -2.0, 0.5])

    def loss(params, carry, batch, key):
        x, y = batch
        noise = 0.1 * jax.random.normal(key, ())
        return jnp.mean((x @ params["w"] - y + noise) ** 2) * (1 + 0.0 * carry), carry + 1

    return Task(
        init=lambda key: {"w": jax.random.normal(key, (3,))},
        loss=loss,
        metrics={"loss": lambda p, data: jnp.mean((data[0] @ p["w"] - data[1]) ** 2)},
        data={"train": (x, y)},
        carry=jnp.zeros(()),
    )


@pytest.fixture(scope="module")
def landscape():
    return bind(regression())


def begin(landscape, descender, models, target=0.05):
    keys = np.stack([key_data("keys", model) for model in models])
    params = each(lambda key: landscape.init(jax.random.wrap_key_data(key)))(keys)
    return descender.start(params, keys, np.full(len(keys), target))


def run(descender, descent):
    while descender.going(descent).any():
        descent = descender.advance(descent)
    return descent


def test_it_is_the_plain_loop(landscape):
    optimizer = optax.adam(0.05)
    descender = Descender(landscape, optimizer, check_every=10, max_steps=205)
    descent = run(descender, begin(landscape, descender, range(MODELS), target=0.02))
    for model in range(MODELS):
        key = jax.random.wrap_key_data(jnp.asarray(key_data("keys", model)))
        params: Any = landscape.init(key)
        state, carry, step = optimizer.init(params), landscape.carry, 0
        while landscape.level(params) > 0.02 and step < 205:
            for _ in range(min(10, 205 - step)):
                gradient, carry = jax.grad(landscape.loss, has_aux=True)(
                    params, carry, jax.random.fold_in(key, step)
                )
                updates, state = optimizer.update(gradient, state, params)
                params = optax.apply_updates(params, updates)
                step += 1
        assert descent.step[model] == step
        assert descent.memory[-2][model] == step  # the carry counted the steps
        np.testing.assert_allclose(descent.params["w"][model], params["w"], rtol=2e-4)
        assert descent.value[model] == pytest.approx(float(landscape.level(params)), rel=1e-3)
    assert len(set(descent.step)) > 2, "the models should end at different steps"


def test_the_result_depends_on_no_other_model(landscape):
    descender = Descender(landscape, optax.adam(0.05), 10, 300)
    together = run(descender, begin(landscape, descender, range(37)))
    for chosen in ([5], [36, 1, 5]):
        alone = run(descender, begin(landscape, descender, chosen))
        for ours, theirs in zip(
            jax.tree.leaves(alone.arrays()),
            jax.tree.leaves(trees.take(together.arrays(), chosen)),
            strict=True,
        ):
            assert np.array_equal(ours, theirs)


def test_the_result_does_not_depend_on_how_it_was_cut(landscape):
    descender = Descender(landscape, optax.adam(0.05), 10, 300)
    whole = run(descender, begin(landscape, descender, range(MODELS)))
    descender._pace.steps = 1
    descent = begin(landscape, descender, range(MODELS))
    while descender.going(descent).any():
        descender._pace.steps = 13
        descent = descender.advance(descent)
    for ours, theirs in zip(
        jax.tree.leaves(descent.arrays()), jax.tree.leaves(whole.arrays()), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_not_a_step_for_who_is_there(landscape):
    descender = Descender(landscape, optax.adam(0.05), 10, 300)
    descent = run(descender, begin(landscape, descender, range(3), target=1e9))
    assert descent.step.tolist() == [0, 0, 0]


def test_what_is_not_finite_ends_alone(landscape):
    descender = Descender(landscape, optax.sgd(0.05), 10, 300)
    descent = begin(landscape, descender, range(3))
    descent.params["w"][1] = 1e30
    descent = run(descender, descent)
    assert not np.isfinite(descent.value[1]) and descent.step[1] == 10
    assert (descent.value[[0, 2]] <= 0.05).all()


def test_batches_are_drawn_from_all_the_data():
    seen = []
    task = regression()
    x = jnp.arange(64.0)[:, None] * jnp.ones((1, 3))
    landscape = bind(
        Task(
            init=task.init,
            loss=lambda p, c, batch, key: (jnp.sum(p["w"]) * 0 + batch[0].sum(), c),
            metrics=task.metrics,
            data={"train": (x, x[:, 0])},
        ),
        batch_size=8,
    )
    params = landscape.init(jax.random.key(0))
    for step in range(60):
        value, _ = landscape.loss(params, (), jax.random.key(step))
        seen.append(float(value) / 3)
    mean, error = np.mean(seen), np.std(seen) / np.sqrt(len(seen))
    assert mean == pytest.approx(8 * 31.5, abs=4 * error)


@pytest.mark.parametrize("batch_size", [0, 65])
def test_a_batch_must_fit_the_data(batch_size):
    with pytest.raises(ValueError, match=f"a batch of {batch_size} from 64"):
        bind(replace(regression(), carry=()), batch_size=batch_size)


def test_parameters_must_be_floats():
    with pytest.raises(TypeError, match="parameter params is of type int32"):
        bind(
            regression().__class__(
                lambda key: jnp.arange(3), regression().loss, regression().metrics
            )
        )
