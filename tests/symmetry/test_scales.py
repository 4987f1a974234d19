"""Signs and scales of units: which there are, and that planted ones are found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landscape as ls
from landscape.core.landscape import bind
from landscape.core.permute import Change
from landscape.core.task import Outputs, Task
from landscape.symmetry.align import aligner, scales_of, symmetries
from landscape.symmetry.scales import balanced, scales
from landscape.symmetry.spec import by_hand
from tests.symmetry.networks import random_units

DATA = jnp.asarray(np.random.default_rng(0).normal(size=(50, 5)), jnp.float32)
SHAPES = {"a": (5, 7), "c": (7,), "k": (7, 6), "w": (6, 2)}
ACTIVATIONS = {  # and what a sign and a scale are lost in; none: they are symmetries
    "tanh": (jnp.tanh, None, "tanh"),
    "relu": (jax.nn.relu, "max (relu)", None),
    "linear": (lambda x: x, None, None),
    "softplus": (jax.nn.softplus, "max (softplus)", "exp (softplus)"),
    "sigmoid": (jax.nn.sigmoid, "logistic", "logistic"),
    "sine": (jnp.sin, None, "sin"),
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
    activation, sign_lost, scale_lost = ACTIVATIONS[name]
    landscape = landscape_of(activation)
    spec = symmetries(landscape)
    assert [one.size for one in spec.classes] == [7, 6]
    for one, of in zip(scales_of(landscape, spec), spec.classes, strict=True):
        assert one.signs == (sign_lost is None)
        assert one.no_signs == (f"it counts in {sign_lost}" if sign_lost else "")
        assert one.no_powers == (f"it counts in {scale_lost}" if scale_lost else "")
        powers = {"a": 1, "c": 1, "k": -1} if of.size == 7 else {"k": 1, "w": -1}
        expected = None if scale_lost else tuple(powers[place.array] for place in of.places)
        assert one.powers == expected


def two_layers(between, penalty=0.0):
    """A landscape with outputs, which are a function of x @ a, weights g, and w."""

    def predict(params, data):
        return between(data @ params["a"], params["g"]) @ params["w"]

    def loss(params, data):
        weights = sum(jnp.sum(leaf**2) for leaf in params.values())
        return jnp.mean(predict(params, data) ** 2) + penalty * weights

    def init(key):
        del key
        draw = np.random.default_rng(0)
        shapes = {"a": (5, 4), "g": (4,), "w": (4, 2)}
        return {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}

    outputs = Outputs(predict, "l2")
    task = Task(
        init,
        lambda p, c, batch, k: (loss(p, batch), c),
        {"loss": loss},
        {"train": DATA},
        outputs=outputs,
        sample_means=("loss",),
    )
    return bind(task)


@jax.custom_vjp
def rectified(x):
    return jnp.maximum(x, 0)


rectified.defvjp(lambda x: (rectified(x), x > 0), lambda kept, out: (out * kept,))


def test_they_are_found_where_the_gradients_are_given_by_hand():
    """As those of convolutions are. These have no forward derivative of their own."""
    landscape = two_layers(lambda x, gains: rectified(x + gains[None]))
    (own,) = ls.scales(landscape, landscape.init(jax.random.key(0)))
    assert own.powers == (1, 1, -1) and own.no_signs == "it counts in max"


def test_a_penalty_that_is_in_no_output_holds_scales():
    landscape = two_layers(lambda x, gains: jax.nn.relu(x + gains[None]), penalty=0.1)
    (own,) = ls.scales(landscape, landscape.init(jax.random.key(0)))
    assert own.powers is None and own.no_powers.startswith("it counts in")


def test_what_a_unit_is_made_of_has_no_part_in_a_scale_behind_a_norm():
    def normalised(x, gains):
        return jax.nn.relu(x / jnp.linalg.norm(x, axis=1, keepdims=True) * gains[None])

    landscape = two_layers(normalised)
    a = {name: np.asarray(leaf) for name, leaf in landscape.init(jax.random.key(0)).items()}
    (own,) = ls.scales(landscape, a)
    (one,) = ls.symmetries(landscape, a).classes
    assert own.powers is not None
    assert dict(zip([place.array for place in one.places], own.powers, strict=True)) == {
        "a": 0, "g": 1, "w": -1,
    }  # fmt: skip
    factors = np.exp(np.random.default_rng(0).normal(size=4)).astype(np.float32)
    b = a | {"g": a["g"] * factors, "w": a["w"] / factors[:, None]}
    found = ls.align(landscape, a, b, by="weights-and-scales")
    assert all(found.params[name] == pytest.approx(a[name], rel=1e-4) for name in a)


def test_why_a_class_has_no_factor():
    """Behind a normalisation a factor of what is normalised is free of that of the gains."""

    def normalised(x, gains):
        return jax.nn.relu(x / jnp.linalg.norm(x, axis=0, keepdims=True) * gains[None])

    landscape = two_layers(normalised)
    (own,) = ls.scales(landscape, landscape.init(jax.random.key(0)))
    assert own.powers is None and "there are 2 factors" in own.no_powers

    def summed(x, gains):
        return (x + gains[None] > 0) * x.sum(1, keepdims=True)

    landscape = two_layers(summed)
    (own,) = ls.scales(landscape, landscape.init(jax.random.key(0)))
    assert own.powers is None and own.no_powers


@pytest.mark.parametrize("count, samples, told", [(5, 25_000, True), (20, 50, False)])
def test_they_are_told_by_many_outputs_and_not_by_fewer_than_there_are_places(count, samples, told):
    """Half a million derivatives are an array of a few columns. Of one number at each of the four
    points and along each of four directions, 20 places leave more scales free than there are."""
    readers = [f"w{number}" for number in range(count)]
    draw = np.random.default_rng(0)
    params = {name: draw.normal(size=(3, 2)).astype(np.float32) for name in readers}
    params["a"] = draw.normal(size=(5, 3)).astype(np.float32)
    data = jnp.asarray(draw.normal(size=(samples, 5)), jnp.float32)

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
    assert found.powers == (1, *[-1] * count)
    (found,) = scales(one, params, spec)
    assert (found.powers is not None) == told


def test_what_results_hardly_depend_on_is_not_proved():
    def faint(x, gains):
        return x[:, :1] + 1e-9 * jnp.tanh(x * gains[None])

    landscape = two_layers(faint)
    a = landscape.init(jax.random.key(0))
    (own,) = scales(lambda p: landscape.level(p), a, by_hand({"g": (4,)}, [{"g": 0}]))
    assert own.powers is None and "too little" in own.no_signs


def test_units_in_the_straight_part_of_an_activation_are_not_taken_for_odd():
    data = DATA * 1e-3

    def loss(params):
        return jnp.mean((jax.nn.sigmoid(data @ params["a"]) - 0.5) @ params["w"])

    a = {"a": np.full((5, 4), 0.1, np.float32), "w": np.full((4, 1), 0.1, np.float32)}
    (own,) = ls.scales(loss, a)
    assert not own.signs and own.powers is None


@pytest.mark.parametrize("name", ["tanh", "relu", "linear"])
def test_planted_ones_are_found(name):
    activation, sign_lost, scale_lost = ACTIVATIONS[name]
    landscape = landscape_of(activation)
    spec = symmetries(landscape)
    known = scales_of(landscape, spec)
    draw = np.random.default_rng(3)
    powers = [
        one.powers or (1,) * len(of.places) for one, of in zip(known, spec.classes, strict=True)
    ]
    planted = [
        (1.0 if scale_lost else np.exp(draw.normal(size=of.size)))
        * (np.ones(of.size) if sign_lost else draw.choice([-1.0, 1.0], of.size))
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
    even, factors = balanced(a, spec, scales_of(landscape, spec))
    narrow = {name: leaf.astype(np.float32) for name, leaf in even.items()}
    assert landscape.level(narrow) == pytest.approx(float(landscape.level(a)), rel=1e-4)
    incoming = np.square(even["a"]).sum(0) + np.square(even["c"])
    assert incoming == pytest.approx(np.square(even["k"]).sum(1), rel=1e-4)
    assert np.square(even["k"]).sum(0) == pytest.approx(np.square(even["w"]).sum(1), rel=1e-4)
    total = [sum(float(np.square(leaf).sum()) for leaf in of.values()) for of in (a, even)]
    assert total[1] < total[0] and all((factor > 0).all() for factor in factors)
