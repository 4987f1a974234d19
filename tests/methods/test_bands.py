"""Bands that are lowered as a whole: known saddles, the published rules, what a step counts."""

# pyright: reportIndexIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOptionalSubscript=false, reportPossiblyUnboundVariable=false
# stand-ins of problems and strings, and trees of arrays

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core import paths
from landscape.core.certificate import segment_evaluator
from landscape.core.landscape import bind
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.core.task import energy_task
from landscape.methods.autoneb import PUBLISHED, AutoNEB, rises
from landscape.methods.bands import LEAST, falling
from landscape.methods.growing_string import GrowingString
from landscape.search.bands import HEIGHTS, PLACES, band_descent, band_landscape, band_of, points_of
from landscape.search.driver import start
from landscape.search.state import Problem
from tests.analytic import DOUBLE_WELL_BELOW, RING, Analytic, search
from tests.test_neb import MINIMA, muller_brown

BANDS = {"neb": {"points": 13}, "autoneb": {}, "growing-string": {"points": 13}}


def muller(ends, level):
    a, b = (MINIMA[end] for end in ends)
    return Analytic(lambda p: muller_brown({"x": p}), a, b, level)


@pytest.mark.parametrize("method", BANDS)
@pytest.mark.parametrize(("ends", "saddle"), [("ab", -40.665), ("bc", -72.249)])
def test_a_published_surface_connects_above_its_saddle_and_not_below(method, ends, saddle):
    above = search(muller(ends, saddle + 1), method, **BANDS[method])["0-1"]
    assert above.status is Status.CONNECTED and above.certificate.maximum >= saddle - 1e-3
    below = search(muller(ends, saddle - 1), method, **BANDS[method])["0-1"]
    assert below.status is Status.NOT_FOUND
    assert saddle - 1e-3 <= below.certificate.maximum <= saddle + 0.5


@pytest.mark.parametrize(("ends", "saddle"), [("ab", -40.665), ("bc", -72.249)])
def test_the_climbing_point_stands_on_the_saddle(ends, saddle):
    found = search(muller(ends, saddle - 1), "neb", points=13, climb=True)["0-1"]
    beads = found.string.points["params"]
    heights = [float(muller_brown({"x": bead})) for bead in beads]
    assert max(heights[1:-1]) == pytest.approx(saddle, abs=5e-3)


@pytest.mark.parametrize("settings", [{}, {"springs": 1.0}, {"climb": True}])
def test_the_barrier_of_a_double_well_is_found(settings):
    found = search(DOUBLE_WELL_BELOW, "neb", **settings)["0-1"]
    assert found.status is Status.NOT_FOUND and "all 1000 steps are spent" in found.reason
    assert found.certificate.maximum == pytest.approx(1, abs=5e-3)
    lengths = paths.segment_lengths(found.string.points)
    assert lengths.max() < 1.5 * lengths.min()


@pytest.mark.parametrize("method", BANDS)
def test_a_step_costs_a_gradient_a_point_between_the_ends(method):
    found = search(RING, method, **BANDS[method])["0-1"]
    assert found.status is Status.CONNECTED
    if method == "neb":
        assert found.string.grad_evals % 11 == 0 and 0 < found.string.grad_evals <= 11 * 1000
    assert found.string.loss_evals > 0 and len(found.string.history) == found.string.rounds + 1


def test_the_gradients_of_the_heights_are_the_losses():
    landscape = band_landscape(RING.landscape, 5)
    points = {"params": np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)}
    band = band_of(points, np.linspace(0, 1, 5))
    gradient = jax.grad(lambda p: landscape.loss(p, landscape.carry, jax.random.key(0))[0])(band)
    values = jax.vmap(RING.energy)(points["params"])
    slopes = jax.vmap(jax.grad(RING.energy))(points["params"])
    assert np.allclose(gradient[HEIGHTS], values, rtol=1e-5)
    assert np.allclose(gradient["params"][1:-1], slopes[1:-1], rtol=1e-5)
    assert not gradient["params"][np.array([0, -1])].any() and not gradient[PLACES].any()


def test_without_springs_points_go_to_their_places_and_with_them_they_do_not():
    places = np.array([0, 0.1, 0.5, 0.8, 1])
    points = {"x": np.stack([np.linspace(0, 1, 5), np.zeros(5)], 1).astype(np.float32)}
    flat = {"x": jnp.zeros((5, 2)), HEIGHTS: jnp.ones(5), PLACES: jnp.zeros(5)}
    band = band_of(points, places)
    for springs, expected in ((None, places), (1.0, np.linspace(0, 1, 5))):
        optimizer = band_descent(springs=springs)
        change, _ = optimizer.update(flat, optimizer.init(band), band, reach=0.1)
        after = band["x"] + change["x"]
        assert np.allclose(after[:, 0], expected, atol=1e-6)
        assert not change[HEIGHTS].any() and not change[PLACES].any()


def test_springs_pull_a_point_to_the_middle_and_leave_the_ends():
    points = {"x": np.array([[0, 0], [0.2, 0], [1, 0]], np.float32)}
    band = band_of(points)
    flat = {"x": jnp.zeros((3, 2)), HEIGHTS: jnp.ones(3), PLACES: jnp.zeros(3)}
    optimizer = band_descent(springs=2.0, scaled=False)
    change, _ = optimizer.update(flat, optimizer.init(band), band, reach=0.1)
    assert np.allclose(change["x"], [[0, 0], [0.1 * 2.0 * 0.6, 0], [0, 0]], atol=1e-6)


def test_how_far_a_segment_rises_is_a_part_of_the_range_of_the_points():
    ends, sampled = np.array([0.0, 2.0, 1.0]), np.array([[0.5, 3.0, 1.5], [1.75, 1.5, 2.25]])
    by_hand = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]) / 2
    assert rises(ends, sampled) == pytest.approx(by_hand)


def test_points_go_to_the_two_worst_segments_where_they_rise():
    def energy(x):  # two hills off the points, a small one, and a slope
        return jnp.exp(-200 * (x[0] - 0.125) ** 2) + 2 * jnp.exp(-200 * (x[0] - 0.6) ** 2) + x[0]

    analytic = Analytic(energy, (0.0,), (1.0,), 0.5)
    points = {"params": np.linspace(0, 1, 5)[:, None].astype(np.float32)}
    problem = type("P", (), {"landscape": analytic.landscape})()
    string = type("S", (), {"loss_evals": 0})()
    grown = AutoNEB().grows(problem, LevelSpec(0.5))(string, points, np.linspace(0, 1, 5))
    assert string.loss_evals == 4 * 9 + 5
    new = np.setdiff1d(grown["params"][:, 0], points["params"][:, 0])
    assert new == pytest.approx([0.125, 0.6], abs=0.03)
    assert points_of(grown).keys() == {"params"}
    assert grown[PLACES] == pytest.approx(grown["params"][:, 0], abs=1e-6)
    full = AutoNEB(max_beads=5).grows(problem, LevelSpec(0.5))(string, points, np.linspace(0, 1, 5))
    assert full is None


def test_the_published_protocol():
    assert len(PUBLISHED) == 14 and sum(steps for steps, _ in PUBLISHED) == 16_000
    assert [rate for _, rate in PUBLISHED] == [0.1] * 6 + [0.01] * 4 + [0.001] * 4
    assert AutoNEB().cycles == PUBLISHED


def test_a_rate_falls_to_a_tenth_over_all_steps():
    cycles = falling(1003, 0.2)
    assert sum(one.steps for one in cycles) == 1003 and cycles[0].rate == 0.2
    assert cycles[-1].rate == pytest.approx(0.2 * LEAST)
    assert [one.steps for one in falling(3, 1.0)] == [1, 1, 1]


def test_published_steps_depend_on_the_unit_of_the_loss_and_scaled_ones_do_not():
    made = {}
    for step in ("scaled", "sgd"):
        for unit in (1.0, 1e-2):
            landscape = bind(
                energy_task(lambda p, unit=unit: unit * RING.energy(p), lambda key: jnp.zeros(2))
            )
            scaled = RING._replace(level=RING.level * unit)
            found = search(scaled, "neb", landscape=landscape, step=step, steps=20, jitter=0)["0-1"]
            made[step, unit] = found.string.points["params"]
    assert np.allclose(made["scaled", 1.0], made["scaled", 1e-2], atol=1e-3)
    assert not np.allclose(made["sgd", 1.0], made["sgd", 1e-2], atol=1e-2)


def test_a_growing_string_has_its_points_in_order_and_at_even_places():
    far = muller("ab", -1000.0)
    settings = GrowingString(points=9)
    problem = Problem(far.landscape, segment_evaluator(far.landscape, 50), lambda held: None)
    line = {"params": np.linspace(far.a, far.b, 9).astype(np.float32)}
    band = settings.first(line)
    assert band[PLACES] == pytest.approx([0, 1 / 8, 7 / 8, 1])
    below = settings.grows(problem, LevelSpec(1000.0))  # every point counts as settled
    counts = []
    while band is not None:
        counts.append(len(band[PLACES]))
        points, places = points_of(band), band[PLACES]
        string = start("0-1", *({"params": np.array(x, np.float32)} for x in (far.a, far.b)))
        band = below(string, points, places)
        assert string.grad_evals == (4 if counts[-1] < 9 else 0)
    assert counts == [4, 6, 8, 9]
    assert places == pytest.approx(np.linspace(0, 1, 9))
    assert np.allclose(points["params"], line["params"], atol=1e-5)
    held = GrowingString(points=9, force=1e-6).grows(problem, LevelSpec(-1000.0))
    assert held(string, points_of(settings.first(line)), settings.first(line)[PLACES]) is None


def test_more_points_than_are_allowed_are_refused_with_a_reason():
    found = search(RING, "neb", max_beads=5)["0-1"]
    assert found.status is Status.NOT_FOUND and "max_beads (5)" in found.reason
