"""The elastic band: its tangents, its spacing, and saddles whose energies are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core import paths
from landscape.core.certificate import certify, segment_evaluator
from landscape.core.landscape import bind
from landscape.core.task import energy_task
from landscape.search import band_geometry
from landscape.search.elastic_band import Elastic


def tangent_by_hand(points, values):
    """Henkelman & Jónsson 2000, equations 8 to 11, bead by bead; between the ends."""
    found = []
    for i in range(1, len(values) - 1):
        ahead, behind = points[i + 1] - points[i], points[i] - points[i - 1]
        before, here, after = values[i - 1 : i + 2]
        if after > here > before:
            tangent = ahead
        elif after < here < before:
            tangent = behind
        else:
            steps = abs(after - here), abs(before - here)
            large, small = max(steps), min(steps)
            tangent = large * ahead + small * behind if after > before else None
            if tangent is None:
                tangent = small * ahead + large * behind
        found.append(tangent / np.linalg.norm(tangent))
    return np.array(found)


@pytest.mark.parametrize("seed", range(6))
def test_tangents_are_those_of_the_publication(seed, float64):
    rng = np.random.default_rng(seed)
    points, values = rng.normal(size=(9, 2, 3)), rng.normal(size=9)
    found = band_geometry.tangents({"a": jnp.array(points)}, jnp.array(values))["a"]
    by_hand = tangent_by_hand(points.reshape(9, -1), values)
    assert np.asarray(found).reshape(9, -1)[1:-1] == pytest.approx(by_hand)


def test_beads_are_spread_evenly_on_either_side_of_the_climbing_one(float64):
    points = np.random.default_rng(0).normal(size=(9, 4)).cumsum(0)
    kept = 3
    spread = np.asarray(band_geometry.spread({"a": jnp.array(points)}, jnp.array(kept))["a"])
    for still in (0, kept, 8):
        assert np.array_equal(spread[still], points[still])
    # on the old polyline, at even distances along it
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    at = np.concatenate([[0], lengths.cumsum()])
    wanted = [*np.linspace(0, at[kept], kept + 1), *np.linspace(at[kept], at[-1], 6)[1:]]
    by_hand = np.stack([np.interp(wanted, at, axis) for axis in points.T], 1)
    assert spread == pytest.approx(by_hand)


def muller_brown(p):
    """Müller & Brown 1979. Saddles at −40.6648 and −72.2489."""
    x, y = p["x"]
    height = jnp.array([-200.0, -100.0, -170.0, 15.0])
    a, b = jnp.array([-1.0, -1.0, -6.5, 0.7]), jnp.array([0.0, 0.0, 11.0, 0.6])
    c = jnp.array([-10.0, -10.0, -6.5, 0.7])
    u, v = x - jnp.array([1.0, 0.0, -0.5, -1.0]), y - jnp.array([0.0, 0.5, 1.5, 1.0])
    return jnp.sum(height * jnp.exp(a * u**2 + b * u * v + c * v**2))


MINIMA = {"a": (-0.558224, 1.441726), "b": (0.623499, 0.028038), "c": (-0.050011, 0.466694)}


@pytest.mark.parametrize(("ends", "saddle"), [("ab", -40.6648), ("bc", -72.2489)])
def test_the_climbing_bead_finds_the_saddle(ends, saddle, float64):
    landscape = bind(energy_task(muller_brown, lambda key: {"x": jax.random.normal(key, (2,))}))
    elastic = Elastic(landscape, 150)
    line = paths.at(
        paths.straight(*({"x": np.array(MINIMA[end])} for end in ends)), np.linspace(0, 1, 17)
    )
    start = {"x": line["x"][None]}
    bands = elastic.start(start, np.zeros((1, 2), np.uint32))
    while elastic.going(bands):
        bands = elastic.advance(bands)
    assert bands.value[0] == pytest.approx(saddle, abs=1e-3)
    assert bands.gradient[0] < 0.5  # of some hundred on the way
    found = {"x": bands.points["x"][0]}
    assert np.array_equal(found["x"][[0, -1]], line["x"][[0, -1]])
    certificate = certify(found, segment_evaluator(landscape, 50), 0.0)
    assert saddle - 1e-3 <= certificate.maximum < saddle + 1
    lengths = paths.segment_lengths(found)
    assert lengths.max() < 3 * lengths.min()


def test_a_band_does_not_depend_on_the_unit_of_the_loss(float64):
    """The same landscape measured in another unit: the same way down."""
    made = []
    line = np.linspace(MINIMA["a"], MINIMA["b"], 5)
    landscape = bind(energy_task(muller_brown, lambda key: {"x": jnp.zeros(2)}))
    for unit in (1.0, 1e-4):
        scaled = landscape._replace(train_objective=lambda p, unit=unit: unit * muller_brown(p))
        elastic = Elastic(scaled, 10)
        bands = elastic.start({"x": line[None]}, np.zeros((1, 2), np.uint32))
        while elastic.going(bands):
            bands = elastic.advance(bands)
        made.append(bands.points["x"])
    assert made[0] == pytest.approx(made[1], rel=1e-6, abs=1e-9)
    assert not np.allclose(made[0][0], line)


@pytest.mark.parametrize("stiff", [10.0, 1e4])
def test_what_the_highest_bead_may_still_change_by_is_the_quadratic_models(stiff, float64):
    """Of ½(−x² + κy²) with the highest bead at (0, h), κh²/2 above the pass."""
    saddle = energy_task(
        lambda p: (-(p["x"][0] ** 2) + stiff * p["x"][1] ** 2) / 2, lambda key: {"x": jnp.zeros(2)}
    )
    elastic = Elastic(bind(saddle), 1)
    for height in (0.0, 0.01):
        line = np.array([[-1.0, 0.0], [0.0, height], [1.0, 0.0]])[None]
        bands = elastic.start({"x": line}, np.zeros((1, 2), np.uint32))
        assert elastic.unsettled(bands)[0] == pytest.approx(stiff * height**2 / 2, rel=1e-6)
    slope = energy_task(lambda p: p["x"][1] - p["x"][0] ** 4, lambda key: {"x": jnp.zeros(2)})
    elastic = Elastic(bind(slope), 1)
    assert elastic.unsettled(elastic.start({"x": line}, np.zeros((1, 2), np.uint32)))[0] > 1e6


def test_a_line_that_a_symmetry_holds_has_no_force_across(float64):
    """Where it is not held it is told from rounding by orders of magnitude."""
    across = []
    for ends in ([[-1.0, 0.0], [1.0, 0.0]], [[-1.0, 0.0], [1.0, 1e-3]]):
        hill = energy_task(
            lambda p: (jnp.sum(p["x"] ** 2) - 1) ** 2, lambda key: {"x": jnp.zeros(2)}
        )
        elastic = Elastic(bind(hill), 1)
        line = np.linspace(np.array(ends[0]), np.array(ends[1]), 9)[None]
        bands = elastic.start({"x": line}, np.zeros((1, 2), np.uint32))
        across.append(float(elastic.advance(bands).across[0]))
    assert across[0] < 1e-12 and across[1] > 1e-5
