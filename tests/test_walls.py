"""Where the theory proves that no path is below a height."""

from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import label

from landscape.core.landscape import bind
from landscape.measures import barrier_bounds
from landscape.tasks.regression import regression

pytestmark = pytest.mark.usefixtures("float64")

SWAPPED = 0.5 - 1 / np.pi**2  # the least loss of a first layer of rank one, docs/theory.md


def swapped(samples=2000, hidden=2, design: Literal["circle", "normal"] = "circle"):
    return bind(
        regression(
            target="rectified-inputs", outputs=2, hidden=(hidden,), design=design, samples=samples
        )
    )


def deep(depth, kappa=0.2, **settings):
    keys = {"inputs": 2, "outputs": 2, "design": "circle", "samples": 64, **settings}
    return bind(
        regression(
            target="linear", activation="linear", penalty="ridge", hidden=(4,) * (depth - 1),
            kappa=kappa, **keys,
        )
    )  # fmt: skip


def test_the_swapped_teachers_wall_is_what_the_integral_says():
    (wall,) = barrier_bounds.barrier_lower_bounds(swapped())
    assert wall.height == pytest.approx(SWAPPED, abs=1e-3)
    assert min(wall.facts["scan"]) >= wall.height
    one = {"Dense_0.kernel": np.eye(2), "Dense_1.kernel": np.eye(2)}
    other = {name: leaf[::-1] for name, leaf in one.items()}
    flat = {**one, "Dense_0.kernel": np.ones((2, 2))}
    assert [wall.side(params) for params in (one, other, flat)] == [1, -1, 0]


def arc_cosine(angle):
    """E ρ(⟨u, X⟩)ρ(⟨v, X⟩) of normal X and unit vectors at an angle (Cho & Saul 2009)."""
    return (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)


def test_the_swapped_teachers_pass_is_a_minimax_over_directions():
    """On the exact losses of normal inputs, by thresholding and labelling instead of a flood."""
    (wall,) = barrier_bounds.barrier_lower_bounds(swapped())
    turns = 2 * np.pi * np.arange(120) / 120
    a, b = np.meshgrid(turns, turns, indexing="ij")
    gram = arc_cosine(np.arccos(np.clip(np.cos(a - b), -1, 1)))
    loss = np.ones_like(a)
    for axis in (0, np.pi / 2):
        one, other = (arc_cosine(np.arccos(np.clip(np.cos(t - axis), -1, 1))) for t in (a, b))
        same = a == b
        apart = (0.5 * (one**2 + other**2) - 2 * gram * one * other) / np.where(
            same, 1, 0.25 - gram**2
        )
        loss -= np.where(same, 2 * one**2, apart)

    def joined(height):
        tiled = np.tile(loss <= height, (2, 2))  # the torus' edges, once over
        labels: Any = label(tiled)
        labels = labels[0]
        starts = {labels[i, j] for i in (0, 120) for j in (30, 150)}
        goals = {labels[i, j] for i in (30, 150) for j in (0, 120)}
        return bool(starts & goals - {0})

    assert not joined(wall.facts["pass"] - 2e-3) and joined(wall.facts["pass"] + 2e-3)
    assert wall.facts["pass"] > wall.height + 0.02  # the scan's bound is not what can be attained


def test_no_network_on_the_wall_is_below_it():
    landscape = swapped(300)
    (wall,) = barrier_bounds.barrier_lower_bounds(landscape)
    rng = np.random.default_rng(0)
    for _ in range(300):
        inner = np.outer(rng.normal(size=2), rng.normal(size=2))
        params = {"Dense_0.kernel": inner, "Dense_1.kernel": rng.normal(size=(2, 2))}
        assert float(landscape.level(params)) >= wall.height


@pytest.mark.parametrize("settings", [{}, {"design": "normal", "inputs": 3, "samples": 100}])
@pytest.mark.parametrize("depth", [3, 4])
def test_no_network_of_the_walls_singular_value_is_below_it(depth, settings):
    """Also where the inputs are not white, which only makes the wall lower."""
    landscape = deep(depth, **settings)
    (wall,) = barrier_bounds.barrier_lower_bounds(landscape)
    assert wall.facts["f(s*)"] > 0
    rng = np.random.default_rng(0)
    for _ in range(200):
        params = {
            name: rng.normal(size=shape.shape) * rng.uniform(0.1, 2)
            for name, shape in landscape.shapes.items()
        }
        largest = np.linalg.norm(np.linalg.multi_dot([params[n] for n in sorted(params)]), 2)
        size = (wall.facts["s*"] / largest) ** (1 / depth)
        at = {name: size * leaf for name, leaf in params.items()}
        assert float(landscape.level(at)) >= wall.height
        near, far = ({n: s * leaf for n, leaf in at.items()} for s in (0.99, 1.01))
        assert [wall.side(near), wall.side(far)] == [-1, 1]


def test_the_wall_around_zero_is_the_known_one():
    """κ³/σ² for K = 3 and 2κ²/σ for K = 4, to leading order."""
    for depth, expected in ((3, lambda k, s: k**3 / s**2), (4, lambda k, s: 2 * k**2 / s)):
        (wall,) = barrier_bounds.barrier_lower_bounds(deep(depth, kappa=0.01))
        assert wall.facts["f(s*)"] == pytest.approx(expected(0.01, wall.facts["sigma"]), rel=0.05)


@pytest.mark.parametrize("kappa", [1e-5, 1e-6, 1e-7])
def test_the_wall_of_a_small_ridge(kappa):
    """s* is of order κ³ there; f(s*) is below what F(0) + f(s*) can tell, but still right."""
    (wall,) = barrier_bounds.barrier_lower_bounds(deep(3, kappa=kappa))
    sigma = wall.facts["sigma"]
    assert wall.facts["s*"] == pytest.approx((kappa / sigma) ** 3, rel=1e-6)
    assert wall.facts["f(s*)"] == pytest.approx(kappa**3 / sigma**2, rel=1e-6)


@pytest.mark.parametrize("depth", [3, 4])
def test_fewer_samples_than_inputs_wall_in_as_well(depth):
    kappa = 0.01
    (wall,) = barrier_bounds.barrier_lower_bounds(
        deep(depth, kappa, design="normal", inputs=8, samples=5)
    )
    sigma, s = wall.facts["sigma"], wall.facts["s*"]
    assert s == pytest.approx((kappa / sigma) ** (depth / (depth - 2)), rel=1e-6)
    assert wall.facts["f(s*)"] == pytest.approx(
        kappa * depth * s ** (2 / depth) - 2 * sigma * s, rel=1e-6
    )
    assert wall.facts["f(s*)"] > 0


@pytest.mark.parametrize("samples", [2, 3])
def test_directions_that_no_sample_switches_on(samples):
    """Of few samples some directions see none: a unit there is as good as none."""
    landscape = swapped(samples, design="normal")
    (wall,) = barrier_bounds.barrier_lower_bounds(landscape)
    zeros = {name: np.zeros(shape.shape) for name, shape in landscape.shapes.items()}
    assert 0 <= wall.facts["pass"] <= float(landscape.level(zeros))


@pytest.mark.parametrize(
    "landscape",
    [
        lambda: deep(2),
        lambda: deep(3, kappa=0.0),
        lambda: deep(3, kappa=2.0),  # nothing is lower than zero
        lambda: swapped(hidden=3),
        lambda: bind(regression(target="teacher", hidden=(2,)), "mse"),
    ],
)
def test_no_wall_is_known(landscape):
    assert barrier_bounds.barrier_lower_bounds(landscape()) == []


def test_a_wall_speaks_of_parameters_of_any_float_type():
    (wall,) = barrier_bounds.barrier_lower_bounds(swapped(100))
    params = {"Dense_0.kernel": jnp.eye(2, dtype=jnp.float32), "Dense_1.kernel": jnp.eye(2)}
    assert wall.side(params) == 1
