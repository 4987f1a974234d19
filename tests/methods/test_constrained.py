"""The constrained string: its formula, its hyperplanes, its levels, its sign of a barrier."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core.status import Status
from landscape.methods.constrained import Springs
from tests.analytic import DOUBLE_WELL_BELOW, RING, search

DRAWN = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
THETA, LEFT, RIGHT = ({"w": jnp.array(row[:3]), "b": jnp.array(row[3])} for row in DRAWN)
FIXED = {f"{side}.{k}": v for side, at in (("left", LEFT), ("right", RIGHT)) for k, v in at.items()}


def test_the_penalty_is_its_formula():
    theta, left, right = DRAWN.astype(float)
    chord, away = right - left, theta - (left + right) / 2
    rounded = np.hypot(np.linalg.norm(away), 0.05 * np.linalg.norm(chord))
    cosine = chord @ away / np.linalg.norm(chord) / rounded
    springs = np.linalg.norm(theta - left) + np.linalg.norm(right - theta)
    found = Springs(0.3, 0.7).penalty(THETA, FIXED)
    assert float(found) == pytest.approx(0.3 * springs + 0.7 * abs(cosine), rel=1e-5)


def test_its_gradient_is_tame_where_the_cosine_is_zero_by_zero():
    middle = jax.tree.map(lambda a, b: (a + b) / 2, LEFT, RIGHT)
    for at in (middle, LEFT):
        gradient = jax.grad(Springs(0.3, 0.7).penalty)(at, FIXED)
        assert all((abs(leaf) < 20 / 2).all() for leaf in jax.tree.leaves(gradient))


def test_a_projected_update_keeps_the_bead_equidistant():
    update: dict = Springs(0.0, "project").project(THETA, FIXED)
    middle = jax.tree.map(lambda a, b, u: (a + b) / 2 + u, LEFT, RIGHT, update)
    to_left, to_right = (
        sum(float(((middle[k] - end[k]) ** 2).sum()) for k in middle) for end in (LEFT, RIGHT)
    )
    assert to_left == pytest.approx(to_right, rel=1e-5)
    assert Springs(0.0, 0.5).project(THETA, FIXED) is THETA


def test_the_first_bead_stays_on_its_hyperplane():
    found = search(RING, "constrained", max_rounds=1)["0-1"]
    a, bead, b = found.string.points["params"]
    assert np.linalg.norm(bead - a) == pytest.approx(np.linalg.norm(b - bead), rel=1e-5)


def test_all_beads_stand_below_the_instantaneous_level_while_it_falls():
    found = search(RING, "constrained")["0-1"]
    assert found.status is Status.CONNECTED
    levels = [one.level for one in found.string.history]
    assert levels == sorted(levels, reverse=True) and levels[-1] == RING.level
    assert levels[0] == pytest.approx(0.99875, abs=1e-4)  # the straight segment's maximum
    assert len(set(levels)) > 4
    for one in found.string.history:
        at_beads = one.profile[51::51, 1]  # a segment has 51 points
        assert len(at_beads) == len(one.places) - 2
        assert (at_beads <= one.level + 1e-6).all()


def test_a_barrier_shows_as_a_bead_that_cannot_come_down():
    found = search(DOUBLE_WELL_BELOW, "constrained")["0-1"]
    assert found.status is Status.STUCK
    # the hyperplane between the wells is x ≈ 0, on which the least loss is the saddle's, 1
    stood, worst = re.findall(r"instantaneous level ([\d.]+) .*\(worst ([\d.]+)\)", found.reason)[0]
    assert float(worst) == pytest.approx(1, abs=1e-4) and 0.5 < float(stood) < 1
    assert found.string.grad_evals <= 1000 + 100


def test_a_segment_that_its_splits_do_not_lower_is_named():
    ends = {"0-1": ((1.0, 0.05), (-0.9, 0.1))}  # off the exact middle, which has no gradient
    found = search(DOUBLE_WELL_BELOW, "constrained", ends, kappa=0.0, max_rounds=4)["0-1"]
    assert found.status is Status.NOT_FOUND
    assert "max_rounds (4) spent on one segment" in found.reason
    assert "one within the other" in found.reason
    said = re.findall(
        r"persists: (\d).*its excess \(([\d.]+) at ([\d.]+) of the string\)", found.reason
    )
    splits, height, place = map(float, said[0])
    assert splits == 3 and height == pytest.approx(1, abs=1e-3) and 0.3 < place < 0.7


@pytest.mark.parametrize("max_rounds", [1, 2, 3, 4])
def test_a_budget_too_small_is_no_sign_of_a_barrier(max_rounds):
    found = search(RING, "constrained", max_rounds=max_rounds)["0-1"]
    assert found.status is Status.NOT_FOUND and "persists" not in found.reason


@pytest.mark.parametrize("kappa", ["project", 0.0, 0.01])
def test_every_stiffness_connects_the_ring(kappa):
    found = search(RING, "constrained", kappa=kappa)["0-1"]
    assert found.status is Status.CONNECTED


def test_springs_shorten_the_string():
    lengths = [search(RING, "constrained", zeta=zeta)["0-1"].length for zeta in (0.0, 0.01)]
    assert lengths[1] < lengths[0]
