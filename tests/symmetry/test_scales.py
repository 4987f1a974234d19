"""Signs and scales of units: which there are, and that planted ones are found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core.landscape import bind
from landscape.core.permute import Change
from landscape.core.task import Task
from landscape.symmetry.align import aligner, symmetries
from landscape.symmetry.scales import balanced, scales
from landscape.symmetry.spec import by_hand
from tests.symmetry.networks import random_units

DATA = jnp.asarray(np.random.default_rng(0).normal(size=(50, 5)), jnp.float32)
SHAPES = {"a": (5, 7), "c": (7,), "k": (7, 6), "w": (6, 2)}
ACTIVATIONS = {
    "tanh": (jnp.tanh, True, False),
    "relu": (jax.nn.relu, False, True),
    "linear": (lambda x: x, True, True),
    "gelu": (jax.nn.gelu, False, False),
    "sigmoid": (jax.nn.sigmoid, False, False),
}


def landscape_of(activation):
    def loss(params, data):
        hidden = activation(data @ params["a"] + params["c"][None])
        results = activation(hidden @ params["k"]) @ params["w"]
        return jnp.mean((results - data[:, :2]) ** 2)

    def init(key):
        del key
        return drawn(0)

    return bind(
        Task(init, lambda p, c, batch, k: (loss(p, batch), c), {"loss": loss}, {"train": DATA})
    )


def drawn(seed):
    draw = np.random.default_rng(seed)
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_there_are_those_that_the_activation_allows(name):
    activation, signs, positive = ACTIVATIONS[name]
    landscape = landscape_of(activation)
    spec = symmetries(landscape)
    found = scales(landscape.level, drawn(0), spec)
    assert [one.signs for one in found] == [signs] * 2
    assert [one.powers is not None for one in found] == [positive] * 2
    for one, of in zip(found, spec.classes, strict=True):
        if one.powers:
            first = dict(zip([place.array for place in of.places], one.powers, strict=True))
            assert len({first.get("a"), first.get("c")}) == 1
            assert set(one.powers) == {1, -1}


def test_they_are_told_by_many_outputs_and_not_by_fewer_than_there_are_places():
    """A million derivatives are an array of a few columns. Of four, more scales seem free."""
    readers = [f"w{number}" for number in range(5)]
    draw = np.random.default_rng(0)
    params = {name: draw.normal(size=(3, 2)).astype(np.float32) for name in readers}
    params["a"] = draw.normal(size=(5, 3)).astype(np.float32)
    data = jnp.asarray(draw.normal(size=(25_000, 5)), jnp.float32)

    def outputs(params):
        hidden = jax.nn.relu(data @ params["a"])
        return [hidden @ params[name] for name in readers]

    def one(params):
        return sum(jnp.mean(jnp.square(each)) for each in outputs(params))

    spec = by_hand(
        {name: leaf.shape for name, leaf in params.items()},
        [{"a": 1} | dict.fromkeys(readers, 0)],
    )
    (found,) = scales(outputs, params, spec)
    assert [place.array for place in spec.classes[0].places] == ["a", *readers]
    assert found.powers in {(1, *[-1] * 5), (-1, *[1] * 5)}
    (found,) = scales(one, params, spec)
    assert found.powers is None


@pytest.mark.parametrize("name", ["tanh", "relu", "linear"])
def test_planted_ones_are_found(name):
    activation, signs, positive = ACTIVATIONS[name]
    landscape = landscape_of(activation)
    spec = symmetries(landscape)
    known = scales(landscape.level, drawn(0), spec)
    draw = np.random.default_rng(3)
    powers = [
        one.powers or (1,) * len(of.places) for one, of in zip(known, spec.classes, strict=True)
    ]
    planted = [
        (np.exp(draw.normal(size=of.size)) if positive else 1.0)
        * (draw.choice([-1.0, 1.0], of.size) if signs else np.ones(of.size))
        for of in spec.classes
    ]
    a = drawn(1)
    change = Change(spec.orders(random_units(spec)), spec.factors(powers, planted))
    b = change.of(a)
    assert landscape.level(b) == pytest.approx(float(landscape.level(a)), rel=1e-4)
    found = aligner(landscape, "weights-and-scales")(a, b)
    for leaf in a:
        assert found.params[leaf] == pytest.approx(a[leaf], rel=1e-4, abs=1e-5)
    again = found.change.of(b)
    assert all(np.array_equal(again[leaf], found.params[leaf]) for leaf in a)


def test_units_are_balanced_and_their_function_is_the_same():
    landscape = landscape_of(jax.nn.relu)
    spec = symmetries(landscape)
    a = drawn(1)
    even, factors = balanced(a, spec, scales(landscape.level, drawn(0), spec))
    narrow = {name: leaf.astype(np.float32) for name, leaf in even.items()}
    assert landscape.level(narrow) == pytest.approx(float(landscape.level(a)), rel=1e-4)
    incoming = np.square(even["a"]).sum(0) + np.square(even["c"])
    assert incoming == pytest.approx(np.square(even["k"]).sum(1), rel=1e-4)
    assert np.square(even["k"]).sum(0) == pytest.approx(np.square(even["w"]).sum(1), rel=1e-4)
    total = [sum(float(np.square(leaf).sum()) for leaf in of.values()) for of in (a, even)]
    assert total[1] < total[0] and all((factor > 0).all() for factor in factors)
