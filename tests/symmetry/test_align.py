"""Symmetries are proved before they are used, and planted permutations are found."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core.landscape import bind
from landscape.core.permute import reordered
from landscape.symmetry.align import aligner, prove_at_random, symmetries
from landscape.symmetry.match import match
from landscape.symmetry.prove import NotSymmetric
from landscape.symmetry.spec import by_hand
from tests.symmetry.networks import (
    BUILT_IN,
    landscape_of,
    places,
    random_like,
    random_units,
    sizes,
)
from tests.tasks.conftest import real_or_made  # noqa: F401  (a fixture)

CLASSES = {
    "digits": [12, 6],
    "polynomial": [4, 4],
    "regression": [8],
    "triangle": [4],
    "mnist": [3, 4, 5],
    "mnist, dense": [5, 4],
    "cifar10": [5, 6],  # local response normalisation gives channels an order
    "ptb": [5, 5, 5],
    "resnet": [3, 3, 3, 6, 6, 12],
    "resnet, not normalised": [3, 3, 3, 6, 6, 12],
    "vgg": [3, 3, 4, 4, 5],
    "resnet, batch norm": [3, 3, 3, 6, 6, 12],
    "vgg, batch norm": [3, 3, 4, 4, 5],
    "text": [8, 2, 4, 4, 16],
    "vit": [8, 2, 4, 4, 16],
    "mixer": [6, 8, 12],
    "attention": [8, 16, 2, 4, 4],
    "convolution": [3, 6],
}


@pytest.fixture
def promoting():
    """The attention example adds arrays of different ranks."""
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.usefixtures("promoting")
@pytest.mark.parametrize("name", BUILT_IN)
def test_a_planted_permutation_is_recovered(name, real_or_made):  # noqa: F811
    landscape = landscape_of(name)
    spec = symmetries(landscape)
    assert sorted(sizes(spec)) == sorted(CLASSES[name])
    a = random_like(landscape.shapes)
    planted = spec.orders(random_units(spec))
    b = reordered(a, planted)
    assert any(not np.array_equal(a[leaf], b[leaf]) for leaf in a)
    level = jax.jit(landscape.level)
    assert level(a) == pytest.approx(float(level(b)), rel=1e-4)
    found = aligner(landscape, "weights")(a, b)
    assert all(np.array_equal(found.params[leaf], a[leaf]) for leaf in a)
    assert found.matching.objective == max(found.matching.objectives)
    by_activations = aligner(landscape, "activations")
    found, itself = by_activations(a, b).matching, by_activations(a, a).matching
    # the weights are not told where units are dead on all of the few samples
    assert found.objective == pytest.approx(itself.before, rel=1e-5)
    assert found.objective > found.before


def test_weights_are_matched_as_well_as_can_be():
    """Against all 4!·3! permutations of small layers; independent networks, not planted ones."""
    spec = by_hand({"u": (3, 4), "v": (4, 3), "w": (3, 2)}, [{"u": 1, "v": 0}, {"v": 1, "w": 0}])
    shapes = {"u": np.empty((3, 4)), "v": np.empty((4, 3)), "w": np.empty((3, 2))}
    for seed in range(5):
        a, b = random_like(shapes, 2 * seed), random_like(shapes, 2 * seed + 1)
        every = itertools.product(*(itertools.permutations(range(n)) for n in (4, 3)))
        best = max(
            sum(float(np.vdot(a[name], other[name])) for name in a)
            for units in every
            for other in [reordered(b, spec.orders([np.array(one) for one in units]))]
        )
        found = match(a, b, spec, restarts=10, seed=seed)
        assert found.objective == pytest.approx(best)
        permuted = reordered(b, spec.orders(found.permutations))
        reached = sum(float(np.vdot(a[name], permuted[name])) for name in a)
        assert found.objective == pytest.approx(reached)


def test_the_first_start_alone_recovers_what_is_near_a_planted_permutation():
    """Known layers first: the others, in wrong orders, would be noise."""
    shapes = {"u": np.empty((20, 40)), "v": np.empty((40, 40)), "w": np.empty((40, 5))}
    spec = by_hand({name: leaf.shape for name, leaf in shapes.items()}, [
        {"u": 1, "v": 0}, {"v": 1, "w": 0},
    ])  # fmt: skip
    a, noise = random_like(shapes), random_like(shapes, 1)
    units = random_units(spec)
    b = reordered({name: a[name] + 0.3 * noise[name] for name in a}, spec.orders(units))
    found = match(a, b, spec, restarts=1)
    assert all(
        np.array_equal(order[own], np.arange(40))
        for own, order in zip(found.permutations, units, strict=True)
    )


def test_matching_is_the_same_again():
    landscape = landscape_of("digits")
    a, b = (random_like(landscape.shapes, seed) for seed in (0, 1))
    one, two = (aligner(landscape, "weights")(a, b) for _ in range(2))
    assert all(
        np.array_equal(one.change.orders[key], two.change.orders[key]) for key in one.change.orders
    )
    assert len(one.matching.objectives) > 1


DIGITS = {"Dense_0.kernel": 1, "Dense_0.bias": 0, "Dense_1.kernel": 0}
SECOND = {"Dense_1.kernel": 1, "Dense_1.bias": 0, "Dense_2.kernel": 0}


def given(landscape, *axes):
    return by_hand({name: leaf.shape for name, leaf in landscape.shapes.items()}, axes)


def test_a_specification_by_hand_is_what_is_derived():
    landscape = landscape_of("digits")
    spec = given(landscape, DIGITS, SECOND)
    prove_at_random(landscape, spec)
    assert places(spec) == places(symmetries(landscape))


@pytest.mark.parametrize("left_out", DIGITS)
def test_an_axis_that_is_left_out_is_named(left_out):
    landscape = landscape_of("digits")
    axes = {name: axis for name, axis in DIGITS.items() if name != left_out}
    with pytest.raises(NotSymmetric, match=rf"{left_out}\[{DIGITS[left_out]}\].* is missing"):
        prove_at_random(landscape, given(landscape, SECOND, axes))


def test_an_axis_that_does_not_belong_is_named():
    landscape = landscape_of("digits")
    with pytest.raises(NotSymmetric, match=r"Dense_1.bias\[0\].* does not belong"):
        prove_at_random(landscape, given(landscape, DIGITS | {"Dense_1.bias": 0}))


def test_arrays_that_are_not_there_are_refused():
    landscape = landscape_of("digits")
    with pytest.raises(ValueError, match="no parameter 'Dense_9"):
        given(landscape, {"Dense_9.kernel": 0})
    with pytest.raises(ValueError, match="has no axis 2"):
        given(landscape, {"Dense_0.kernel": 2})


def test_a_unit_that_never_changes_has_no_activations_to_match():
    landscape = landscape_of("digits")
    a = random_like(landscape.shapes)
    dead = {**a, "Dense_0.bias": jnp.full(12, -1e3)}
    found = aligner(landscape, "activations")(dead, a)
    assert np.isfinite(found.matching.objective)


def test_a_task_may_name_its_symmetries():
    task = BUILT_IN["digits"]()
    named = bind(replace(task, symmetries=(DIGITS, SECOND)))
    derived = bind(task)
    assert places(symmetries(named)) == places(symmetries(derived))
    a, b = (random_like(derived.shapes, seed) for seed in (0, 1))
    one, two = (aligner(each, "weights")(a, b).matching for each in (named, derived))
    assert one.objective == pytest.approx(two.objective)
    with pytest.raises(ValueError, match="cannot be aligned by activations"):
        aligner(named, "activations")
    by_scales = aligner(named, "weights-and-scales")(a, b).matching
    assert by_scales.objective >= by_scales.before
    wrong = bind(replace(task, symmetries=(DIGITS | {"Dense_1.bias": 0},)))
    with pytest.raises(NotSymmetric, match="does not belong"):
        symmetries(wrong)


def test_what_the_metric_pins_beside_the_outputs_is_not_matched_by_activations():
    task = BUILT_IN["digits"]()
    loss = task.metrics["loss"]

    def uneven(params, data):
        return loss(params, data) + params["Dense_0"]["bias"] @ jnp.arange(12.0)

    landscape = bind(replace(task, metrics={"loss": uneven}))
    assert sizes(symmetries(landscape)) == [6]
    a = random_like(landscape.shapes)
    planted = symmetries(landscape).orders([np.array([3, 1, 5, 0, 2, 4])])
    found = aligner(landscape, "activations")(a, reordered(a, planted))
    assert all(np.array_equal(found.params[name], a[name]) for name in a)
