"""Permutations by the loss halfway."""

import jax
import numpy as np
import pytest

from landscape.core import trees
from landscape.core.permute import reordered
from landscape.symmetry import straight_through as module
from landscape.symmetry.align import aligner, symmetries
from tests.symmetry.networks import landscape_of, random_like, random_units


def test_it_ends_no_higher_than_where_weights_bring_it(monkeypatch):
    monkeypatch.setattr(module, "STEPS", 8)
    landscape = landscape_of("digits")
    level = jax.jit(landscape.level)
    a, b = (landscape.init(jax.random.key(seed)) for seed in (0, 1))
    by_loss, by_weights = (
        aligner(landscape, how)(a, b, 1) for how in ("straight-through", "weights")
    )
    heights = [float(level(trees.lerp(a, found.params, 0.5))) for found in (by_loss, by_weights)]
    assert -by_loss.matching.objective == pytest.approx(heights[0], rel=1e-5)
    assert heights[0] <= heights[1] + 1e-6
    assert by_loss.matching.objective >= by_loss.matching.before


def test_it_ends_no_higher_than_where_a_planted_permutation_is_undone(monkeypatch):
    monkeypatch.setattr(module, "STEPS", 3)
    landscape = landscape_of("digits")
    a = random_like(landscape.shapes)
    aligned = aligner(landscape, "straight-through")
    b = reordered(a, aligned.spec.orders(random_units(aligned.spec)))
    found = aligned(a, b, 1).matching
    assert -found.objective <= float(landscape.level(a)) * (1 + 1e-5)


@pytest.fixture
def planted():
    """Arrays, the same with their units in another order, and which these are."""
    landscape = landscape_of("digits")
    a, spec = random_like(landscape.shapes), symmetries(landscape)
    return a, reordered(a, spec.orders(random_units(spec))), spec


def test_a_permutation_of_finite_loss_is_better_than_none(planted):
    a, b, spec = planted

    def loss(params):
        near = all(np.allclose(params[name], a[name]) for name in a)
        return 0.25 if near else np.nan

    def gradient(params, _):
        return jax.tree.map(np.zeros_like, params)

    found = module.straight_through(a, b, spec, loss, gradient, restarts=1)
    assert (found.before, found.objective) == (-np.inf, -0.25)
    back = reordered(b, spec.orders(found.permutations))
    assert all(np.array_equal(back[name], a[name]) for name in a)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_where_no_loss_and_no_gradient_is_finite_nothing_is_moved(planted, value):
    a, b, spec = planted

    def gradient(params, _):
        return jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), params)

    found = module.straight_through(a, b, spec, lambda _: value, gradient, restarts=2)
    assert found.before == found.objective == -np.inf
    assert found.objectives == (-np.inf, -np.inf)
    assert all(
        np.array_equal(*pair) for pair in zip(found.permutations, spec.identity(), strict=True)
    )
