"""Polylines and the certificate, against NumPy and SciPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.signal import find_peaks

from landscape.core import paths, trees
from landscape.core.certificate import Certificate, certify, segment_evaluator
from landscape.core.grid import REFINED_POINTS, SETTLED_TIMES, local_maxima
from landscape.core.landscape import bind
from landscape.core.segments import Memoized
from landscape.core.task import energy_task
from tests.analytic import RING

finite = st.floats(-10, 10, width=32)


def landscape_of(energy, size=1):
    return bind(energy_task(energy, lambda key: jnp.zeros(size)))


def line(*xs):
    return {"params": np.array(xs, np.float32)[:, None]}


def along(energy, points, grid, limit=1.0):
    return certify(points, segment_evaluator(landscape_of(energy), grid), limit)


@given(
    st.lists(st.tuples(finite, finite), min_size=2, max_size=6, unique=True),
    st.floats(0.01, 0.99),
    st.data(),
)
@settings(max_examples=50, deadline=None)
def test_length(beads, t, data):
    points = {"w": np.array(beads, np.float64)[:, :1], "v": np.array(beads, np.float64)[:, 1:]}
    total = paths.length(points)
    assert total == pytest.approx(np.linalg.norm(np.diff(beads, axis=0), axis=1).sum())
    assert total >= paths.chord(points) * (1 - 1e-9)
    segment = data.draw(st.integers(0, len(beads) - 2))
    ends = trees.take(points, np.array([segment])), trees.take(points, np.array([segment + 1]))
    more = paths.insert(points, np.array([segment]), trees.lerp(*ends, t))
    assert trees.count(more) == len(beads) + 1
    assert paths.length(more) == pytest.approx(total, rel=1e-9)


def test_insert_keeps_the_order_of_several_beads():
    points = paths.insert(line(0, 1, 2), np.array([0, 1]), line(0.5, 1.5))
    assert points["params"].ravel().tolist() == [0, 0.5, 1, 1.5, 2]


def test_length_over_some_parameters_uses_the_same_chord():
    points = {"a.kernel": np.eye(3), "a.bias": 7 * np.eye(3)}
    assert paths.length(points, "*.kernel") == pytest.approx(2 * np.sqrt(2))
    assert paths.chord(points, "*.kernel") == pytest.approx(np.sqrt(2))
    assert paths.length(points, "*.kernel, *.bias") == pytest.approx(paths.length(points))


@pytest.mark.parametrize("centre", [0.013, 0.5, 0.617, 0.999])
def test_a_maximum_between_grid_points_is_found(centre):
    def energy(x):
        return jnp.exp(-(((x[0] - centre) / 0.05) ** 2)) + 0.2 * x[0]

    found = along(energy, line(0, 1), grid=20)
    best: Any = minimize_scalar(
        lambda x: -float(np.exp(-(((x - centre) / 0.05) ** 2)) + 0.2 * x),
        bounds=(max(0, centre - 0.05), min(1, centre + 0.05)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert found.maximum == pytest.approx(-best.fun, abs=2e-4)
    assert found.maximum <= -best.fun + 1e-6
    assert found.max_at == pytest.approx(best.x, abs=5e-3)
    assert found.last_change <= 1e-4 * found.maximum
    assert found.resolution == pytest.approx(1 / 20)


def test_every_local_maximum_is_refined():
    """The grid sees the left one higher; the right one, narrower, is the true maximum."""

    def energy(x):
        left = jnp.exp(-(((x[0] - 0.2) / 0.1) ** 2))
        return left + 1.5 * jnp.exp(-(((x[0] - 0.747) / 0.04) ** 2))

    found = along(energy, line(0, 1), grid=10)
    assert max(found.profile[:, 1]) < 1.1
    assert found.maximum == pytest.approx(1.5, abs=1e-3)


def test_a_finer_grid_finds_more_of_a_step_function():
    def energy(x):
        return jnp.where((x[0] > 0.51234) & (x[0] < 0.51236), 2.0, 1.0)

    assert along(energy, line(0, 1), grid=10).holds(1.5)
    assert not along(energy, line(0, 1), grid=100_000).holds(1.5)


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_a_plateau_is_one_maximum(rows):
    """Against SciPy, which leaves out those at an end."""
    values = np.array(rows, float)
    found = set(zip(*map(np.ndarray.tolist, local_maxima(values)), strict=True))
    walled = np.pad(values, ((0, 0), (1, 1)), constant_values=-1)
    expected = set()
    for row, profile in enumerate(walled):
        _, plateau = find_peaks(profile, plateau_size=1)
        edges = zip(plateau["left_edges"], plateau["right_edges"], strict=True)
        expected |= {(row, int(left) - 1, int(right) - 1) for left, right in edges}
    assert found == expected


def test_an_error_rate_is_looked_at_once_a_plateau():
    looks = []

    def energy(x):
        jax.debug.callback(lambda: looks.append(1))
        return jnp.floor(4 * x[0]) % 2

    found = along(energy, line(0, 1), grid=40)
    jax.effects_barrier()
    assert (found.maximum, found.last_change) == (1, 0)
    assert (
        len(looks) == 41 + 2 * REFINED_POINTS * SETTLED_TIMES + 1
    )  # of 18 points at 1, on two plateaus; and one in float64


def test_the_barrier_is_over_the_straight_interpolation_of_the_ends():
    def energy(x):
        return 1 + x[0] + 4 * x[0] * (1 - x[0])

    found = along(energy, line(0, 1), grid=50)
    assert found.barrier == pytest.approx(1, abs=1e-3)  # of 4x(1 − x) at 1/2
    assert found.profile[[0, -1], 1].tolist() == [1, 2]
    # uneven segments: fractions are of arc length
    assert along(energy, line(0, 0.1, 1), grid=50).barrier == pytest.approx(1, abs=1e-3)
    assert along(energy, line(0, 0.1, 1), grid=50).max_at == pytest.approx(0.625, abs=5e-3)


def test_a_monotone_loss_has_its_maximum_at_an_end():
    found = along(lambda x: x[0], line(0, 3, 5), grid=7)
    assert (found.maximum, found.max_at, found.segment) == (5, 1, 1)
    assert found.barrier == pytest.approx(0, abs=1e-6)


def test_not_finite_counts_as_infinite():
    found = along(lambda x: jnp.log(x[0]), line(1, -1), grid=10)
    assert found.maximum == np.inf
    assert not found.holds(1e30)
    assert found.profile.shape == (11, 2)


def test_the_last_change_counts_against_the_path():
    found = Certificate(0.9, 0.2, 0.5, 0, 0.1, 10, np.zeros((2, 2)), 0.0, np.array([11, 11]))
    assert not found.holds(1.0) and found.holds(1.1)


def test_what_was_looked_at_is_not_evaluated_again():
    plain, sizes, beads = segment_evaluator(RING.landscape, 10), [], []

    class Counted:
        def __init__(self):
            self.grid, self.rounding = plain.grid, plain.rounding

        def __call__(self, lefts, rights, limit, only_below=False, ends=None):
            sizes.append(len(lefts["params"]))
            return plain(lefts, rights, limit, only_below, ends)

        def at(self, points):
            beads.append(len(points["params"]))
            return plain.at(points)

    look = Memoized(Counted(), most=3)
    points = np.array([[1, 0], [0.6, 0.7], [0, 1.02], [-1, 0]], np.float32)
    lefts, rights = {"params": points[:-1]}, {"params": points[1:]}
    below = look(lefts, rights, 0.1, only_below=True)
    whole = look(lefts, rights, 0.1)
    assert sizes == [3, 1]  # the last segment is above the limit, and was left at the grid
    afresh = plain(lefts, rights, 0.1)
    for ours, theirs in zip(vars(whole).values(), vars(afresh).values(), strict=True):
        assert np.array_equal(ours, theirs)
    assert np.array_equal(below.maximum[:2], whole.maximum[:2])
    look(lefts, rights, 0.1)
    look(lefts, rights, 0.2)  # another limit refines otherwise
    look(lefts, rights, 0.1)  # and has put the first out of memory
    assert sizes == [3, 1, 3, 3]
    for part in (points[:2], points, points[1:], points[:1]):
        assert np.array_equal(look.at({"params": part}), plain.at({"params": part}))
    assert beads == [2, 2, 1]  # the last four have put the first one out of memory


@pytest.mark.parametrize("segment", [0, 1, 2, 3])
def test_the_cubic_through_beads_of_even_lengths_is_the_one_they_are_on(segment):
    """The first coordinate is the length; the second is too small to change it."""
    number = np.arange(5.0)
    tiny = 1e-9 * (number**3 - 2 * number**2 + number)
    points = {"w": np.stack([number, tiny], 1)}
    found = paths.on_cubic(points, segment, 0.25)
    assert found is not None
    at = segment + 0.25
    assert found["w"][0] == pytest.approx(at)
    if segment in (1, 2):
        assert found["w"][1] == pytest.approx(1e-9 * (at**3 - 2 * at**2 + at), rel=1e-6)


def test_the_cubic_of_a_circle_is_nearer_to_it_than_its_chord():
    angles = np.linspace(0, np.pi, 5)
    points = {"w": np.stack([np.cos(angles), np.sin(angles)], 1)}
    for segment in range(4):
        found = paths.on_cubic(points, segment, 0.5)
        assert found is not None
        off = abs(np.linalg.norm(found["w"]) - 1)
        assert off < 0.2 * (1 - np.cos(np.pi / 8))


def test_no_cubic_of_one_segment_nor_through_beads_at_one_place():
    one = {"w": np.array([[0.0], [1.0]])}
    assert paths.on_cubic(one, 0, 0.5) is None
    same = {"w": np.array([[0.0], [1.0], [1.0], [2.0]])}
    assert all(paths.on_cubic(same, segment, 0.5) is None for segment in range(3))
