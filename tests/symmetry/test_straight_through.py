"""Permutations by the loss halfway."""

import jax
import pytest

from landscape.core import trees
from landscape.core.permute import reordered
from landscape.symmetry import straight_through as module
from landscape.symmetry.align import aligner
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
