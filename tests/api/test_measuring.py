"""Lengths, second derivatives, spectra and planes of plain functions, against known answers."""

import jax.numpy as jnp
import numpy as np
import pytest

import landscape as ls
from landscape.tasks.digits import digits

SCALES = np.array([3.0, 1.0, 0.5, -0.25])


def quadratic(params):
    return jnp.sum(SCALES * params["w"] ** 2) / 2


POINT = {"w": jnp.array([0.1, -0.2, 0.3, 0.4])}


def test_the_hessian_of_a_quadratic_is_its_matrix():
    found = ls.hessian_extremes(quadratic, POINT)
    assert found.largest == pytest.approx(3, abs=found.largest_error + 1e-6)
    assert found.smallest == pytest.approx(-0.25, abs=found.smallest_error + 1e-6)
    assert found.gradient == pytest.approx(np.linalg.norm(SCALES * POINT["w"]), rel=1e-5)
    density = ls.spectrum(quadratic, POINT)
    assert density.exact and np.allclose(np.sort(density.nodes[0]), np.sort(SCALES), atol=1e-5)
    assert density.trace == pytest.approx(SCALES.sum(), rel=1e-5) and density.trace_error == 0


def test_a_block_of_the_hessian():
    def loss(params):
        return jnp.sum(params["a"] ** 2) + 5 * jnp.sum(params["b"] ** 2)

    point = {"a": jnp.ones(2), "b": jnp.ones(3)}
    assert ls.hessian_extremes(loss, point, over="a").largest == pytest.approx(2, rel=1e-5)
    assert ls.spectrum(loss, point, over="b").trace == pytest.approx(30, rel=1e-5)
    with pytest.raises(ValueError, match="matches none of: a, b"):
        ls.hessian_extremes(loss, point, over="c")


def test_the_level_set_of_a_circle_bends_by_its_radius():
    """Along an arc of radius r around a bowl's minimum the curvature is 1/r."""
    angles = np.linspace(0, 1, 9)
    path = {"x": 0.5 * np.stack([np.cos(angles), np.sin(angles)], 1)}
    found = ls.curvature(lambda p: jnp.sum(p["x"] ** 2), path, level=0.3)
    assert found.level_curvature[:-1] == pytest.approx(2.0, rel=1e-3)
    assert found.peak in ("on a slope", "near a minimum")


def test_lengths_of_a_right_angle():
    path = {"x": np.array([[0.0, 0], [3, 0], [3, 4]])}
    found = ls.lengths(path)
    assert (found.length, found.chord) == (7, 5)
    assert found.total_curvature == found.largest_angle == pytest.approx(np.pi / 2)
    assert found.function_length is None
    with pytest.raises(ValueError, match="matches none of: x"):
        ls.lengths(path, over="y")


def test_function_lengths_have_their_error_and_their_samples():
    task = digits(hidden=(4,))
    a, b = ls.train_models(task, 2, [1.5], seed=3, progress=False)
    found = ls.find_path(task, a.params, b.params, level=1.5, progress=False)
    seen = ls.lengths(found.path, task, samples=100)
    assert seen.function_samples == 100 and seen.function_change is not None
    assert seen.function_length is not None and seen.function_chord is not None
    assert seen.function_length >= seen.function_chord * (1 - 1e-3) > 0


def test_a_plane_goes_through_its_three_points():
    corners = [{"w": jnp.array(w)} for w in ([0.0, 0, 0, 0], [0.0, 1, 0, 0], [2.0, 0, 0, 0])]
    found = ls.plane(quadratic, *corners, grid=21, margin=0.5)
    assert found.points == pytest.approx(np.array([[0, 0], [0, 1], [2, 0]]), abs=1e-12)
    expected = (3 * found.x[None] ** 2 + found.y[:, None] ** 2) / 2
    assert found.loss == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_results_show_themselves():
    for shown in (
        ls.hessian_extremes(quadratic, POINT),
        ls.spectrum(quadratic, POINT),
        ls.plane(quadratic, POINT, {"w": jnp.ones(4)}, {"w": jnp.arange(4.0)}, grid=5),
    ):
        assert "<t" in shown._repr_html_() or "<svg" in shown._repr_html_()
