"""Strings shortened inside their level sets: known answers, certificates, and how they end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import ConvexHull

from landscape.config.load import config_from
from landscape.core import paths, trees
from landscape.core.certificate import certify, segment_evaluator
from landscape.core.landscape import bind
from landscape.core.task import Task, energy_task
from landscape.measures.lengths import turning
from landscape.search.prune import Pruning, prune
from landscape.search.shorten import Shortener, finish
from landscape.search.shorten_qp import (
    dual_solution,
    first_places,
    linearise_constraints,
    moved,
    qp_step,
)
from landscape.search.shortening import Ended, doubled, subdivided
from landscape.stages.build import build_landscape
from landscape.stages.checkpoints import _pack, _unpack
from tests.analytic import CONVEX, ring_energy


def polygon(axes=(1.0, 1.0), beads=16):
    """A zigzag around an ellipse, from its right end to its left."""
    t = np.linspace(0, np.pi, beads)
    return {"params": np.stack([axes[0] * np.cos(t), axes[1] * np.sin(t)], axis=1, dtype="f")}


def shortened(landscape, points, limit, ends=(0.0, 0.0), max_beads=129, **settings):
    settings = {"tolerance": 3e-3, "max_sweeps": 400} | settings
    peaks = segment_evaluator(landscape, 50)
    shortener = Shortener(landscape, peaks, settings["tolerance"])
    begun = shortener.start("0-1", points, limit, list(ends), max_beads, settings["max_sweeps"])
    (string,) = finish(shortener, [begun])
    assert certify(string.kept, peaks, limit).holds(limit)
    for end in (0, -1):
        assert np.array_equal(string.kept["params"][end], points["params"][end])
    return string


def plane(energy):
    return bind(energy_task(energy, lambda key: jax.random.normal(key, (2,))))


@pytest.mark.parametrize("level, beads", [(0.1, 16), (0.01, 24), (0.001, 32)])
def test_the_ring(level, beads):
    """architecture: √s + r(π/2 − arccos r) over the chord, turning by π − 2 arccos r."""
    string = shortened(plane(ring_energy), polygon(beads=beads), level)
    s = np.sqrt(level)
    r = np.sqrt(1 - s)
    length = paths.length(string.kept) / paths.chord(string.kept)
    assert string.ended == Ended.CONVERGED and (string.change or 0) < 3e-3
    assert length == pytest.approx(np.sqrt(s) + r * (np.pi / 2 - np.arccos(r)), rel=5e-3)
    assert turning(string.kept).total == pytest.approx(np.pi - 2 * np.arccos(r), rel=0.01)


def test_the_ellipse():
    axes, level = np.array([2.0, 1.0]), 0.01

    def energy(x):
        return (jnp.sum((x / axes.astype(np.float32)) ** 2) - 1) ** 2

    string = shortened(plane(energy), polygon(tuple(axes), beads=40), level)
    t = np.linspace(0, np.pi, 20_001)
    wall = np.sqrt(1 - np.sqrt(level)) * axes * np.stack([np.cos(t), np.sin(t)], axis=1)
    ends = np.array([[2.0, 0], [-2.0, 0]])
    hull = ConvexHull(np.concatenate([ends, wall]))  # a taut band around the inner wall
    assert string.ended == Ended.CONVERGED
    assert paths.length(string.kept) == pytest.approx(
        float(np.asarray(hull.area)) - 4, rel=5e-3
    )  # perimeter


def test_a_convex_bowl_is_crossed_in_a_straight_line():
    a, b = (np.array(end, np.float32) for end in (CONVEX.a, CONVEX.b))
    bent = {"params": np.stack([a, np.array([0.2, -0.1, 0.1], np.float32), b])}
    string = shortened(CONVEX.landscape, bent, CONVEX.level, ends=(0.14, 0.14), tolerance=1e-4)
    assert paths.length(string.kept) / paths.chord(string.kept) == pytest.approx(1, abs=1e-5)
    straight = {"params": np.stack([a, b])}
    assert shortened(CONVEX.landscape, straight, CONVEX.level).sweeps == 0


def disc(radius):
    """An error of 100 % within a disc and of 0 outside."""

    def inside(p, data):
        return 100.0 * (jnp.sum(p**2) < radius**2)

    task = Task(
        init=lambda key: jax.random.normal(key, (2,)),
        loss=lambda p, carry, batch, key: (jnp.sum(p**2), carry),
        metrics={"error": inside, "loss": lambda p, data: jnp.sum(p**2)},
    )
    return bind(task, metric="error")


def test_a_level_without_a_gradient_is_straightened_all_the_same():
    points = {"params": 1.3 * polygon(beads=24)["params"]}
    string = shortened(disc(0.9), points, 50.0, max_sweeps=300)
    assert string.ended == Ended.BUDGET
    taut = 2 * (np.sqrt(1.3**2 - 0.81) + 0.9 * (np.pi / 2 - np.arccos(0.9 / 1.3)))
    found, kept = paths.length(points), paths.length(string.kept)
    assert 0 <= kept - taut < 0.5 * (found - taut), "slower than with a gradient, and not all of it"


def test_without_a_gradient_a_length_that_stops_moving_is_not_called_converged():
    points = {"params": 1.3 * polygon(beads=8)["params"]}
    around = shortened(disc(0.9), points, 50.0, tolerance=0.03)
    assert around.ended == Ended.STALLED and "no gradient" in around.reason
    assert (around.change or 0) < 0.03 < paths.length(around.kept) / 2.6 - 1
    across = shortened(disc(0.0), points, 50.0, tolerance=0.03)  # nothing is shorter than a line
    assert across.ended == Ended.CONVERGED and not across.reason
    assert paths.length(across.kept) == pytest.approx(2.6, rel=1e-5)


def test_refused_steps_are_not_called_converged():
    """A plateau whose gradient is 0: the linearised level allows what the level does not."""
    landscape = plane(lambda x: 100.0 * (jnp.sum(x**2) < 0.81))
    shortener = Shortener(landscape, segment_evaluator(landscape, 50), 3e-3)
    points = {"params": 1.3 * polygon(beads=8)["params"]}
    string = shortener.start("0-1", points, 50.0, [0.0, 0.0], 129, 400)
    shortener.sweep([string])
    shortener._stop(string)
    assert string.ended == Ended.STALLED and "refused" in string.reason


def test_ends_at_their_limit():
    """Trained to just below the level, a first segment has no room to rise in."""
    level = 0.01
    r = np.sqrt(1 - np.sqrt(level) * 0.9999)
    points = polygon(beads=24)
    points["params"][[0, -1]] *= np.float32(r)
    string = shortened(plane(ring_energy), points, level, ends=(0.009998, 0.009998))
    assert string.ended == Ended.CONVERGED
    assert paths.length(string.kept) == pytest.approx(r * np.pi, rel=5e-3)


def test_what_ends_on_a_budget_keeps_a_certified_string():
    few = shortened(plane(ring_energy), polygon(), 0.1, max_sweeps=3)
    assert few.ended == Ended.BUDGET and few.reason == "max_sweeps (3) spent"
    some = shortened(plane(ring_energy), polygon(beads=32), 0.001, max_sweeps=30)
    assert some.ended == Ended.BUDGET and 0 < some.sweeps <= 30
    found = paths.length(polygon(beads=32))
    assert paths.length(some.kept) < found - 0.01, "what was gained by then is certified and kept"
    beads = shortened(plane(ring_energy), polygon(), 0.1, max_beads=17, tolerance=1e-4)
    assert beads.ended == Ended.BUDGET and beads.reason == "max_beads (17) spent"
    assert trees.count(beads.kept) <= 17


def test_a_network_resumes_to_the_same_string():
    config = config_from(
        {
            "task": {"name": "polynomial", "coefficients": [0.1, 0.25, 0.5], "points": 200},
            "levels": {"values": [0.1]},
        }
    )
    landscape = build_landscape(config)
    rng = np.random.default_rng(0)
    line = {
        n: np.linspace(0, 1, 7, dtype="f").reshape(-1, *[1] * len(s.shape))
        * rng.normal(size=s.shape).astype("f")
        for n, s in landscape.shapes.items()
    }
    bent = {n: x + 0.3 * rng.normal(size=x.shape).astype("f") for n, x in line.items()}
    limit = float(certify(bent, segment_evaluator(landscape, 50), 1.0).maximum) * 1.001
    shortener = Shortener(landscape, segment_evaluator(landscape, 50), 3e-3)
    ends = [limit / 2, limit / 2]
    whole = finish(shortener, [shortener.start("x", bent, limit, ends, 65, 200)])[0]
    cut = shortener.start("x", bent, limit, ends, 65, 200)
    for _ in range(5):
        shortener.sweep([cut])
    arrays = {}
    back = _unpack(_pack(vars(cut), arrays), arrays)
    assert isinstance(back, dict)
    cut = type(cut)(**back)
    finish(shortener, [cut])
    assert whole.history == cut.history and whole.grad_evals == cut.grad_evals
    assert paths.length(whole.kept) < 0.9 * paths.length(bent)
    for name in whole.kept:
        assert np.array_equal(whole.kept[name], cut.kept[name])


def test_subdividing_and_doubling_leave_the_path():
    points = polygon(beads=4)
    for finer in (subdivided(points, 10), doubled(points)):
        assert paths.length(finer) == pytest.approx(paths.length(points))
        assert turning(finer).total == pytest.approx(turning(points).total, rel=1e-5)
    assert trees.count(doubled(points)) == 7 and trees.count(subdivided(points, 10)) > 10


def test_beads_that_are_not_needed_are_left_out():
    points, landscape, limit = polygon(beads=64), plane(ring_energy), 0.1
    peaks = segment_evaluator(landscape, 50)
    pruning = Pruning(points, peaks.at(points))
    prune([pruning], peaks, limit)
    fewer, losses = pruning.points, pruning.losses
    assert 2 < trees.count(fewer) < 16 and certify(fewer, peaks, limit).holds(limit)
    assert losses >= 51 * (64 - trees.count(fewer))
    left = {tuple(bead) for bead in fewer["params"]}
    assert left < {tuple(bead) for bead in points["params"]}
    assert np.array_equal(fewer["params"][[0, -1]], points["params"][[0, -1]])
    half = {"params": points["params"][:40]}
    again = [Pruning(path, peaks.at(path)) for path in (fewer, half, points)]
    prune(again, peaks, limit)
    assert np.array_equal(again[0].points["params"], fewer["params"])
    assert 2 < trees.count(again[1].points) < 16, "as many rounds as each of them needs"
    assert np.array_equal(again[2].points["params"], fewer["params"])
    assert again[2].losses == losses and np.array_equal(again[2].known, peaks.at(fewer))


def test_a_refused_steps_constraints_say_the_same_where_it_began(float64):
    """A linear function, linearised anywhere: how far it is above a bound, after a move."""
    rng = np.random.default_rng(3)
    slope, landscape = rng.normal(size=3), plane(lambda x: x @ slope)
    before, after = ({"params": rng.normal(size=(6, 3))} for _ in range(2))
    after["params"][[0, -1]] = before["params"][[0, -1]]
    looks = linearise_constraints(landscape)
    here, there = looks([(at, first_places(5), np.zeros(6)) for at in (before, after)])
    back = moved(there, after, before)
    inner = (here["segment"] > 0) & (here["segment"] < 4)
    left, right = (before["params"][there["segment"] + side] for side in (0, 1))
    t = there["place"][:, None]
    wanted = ((1 - t) * left + t * right) @ slope
    np.testing.assert_allclose(back["excess"][inner], wanted[inner], atol=1e-12)


def test_a_step_is_the_quadratic_programs(float64):
    """Against the same program solved with all its variables."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(5)
    x = rng.normal(size=(5, 3))
    slopes, place = rng.normal(size=(8, 3)), rng.uniform(0.1, 0.9, 8)
    segment = np.arange(8) // 2
    seen = {"excess": rng.normal(size=8) * 0.1, "place": place, "segment": segment}
    seen["slope.params"] = slopes
    pulled, multipliers = qp_step({"params": x}, seen, np.full(5, 0.7), np.zeros(5, bool))
    left = np.where(segment == 0, 0, np.where(segment == 3, 1, 1 - place))
    right = np.where(segment == 3, 0, np.where(segment == 0, 1, place))

    def whole(d):
        return np.concatenate([[np.zeros(3)], d.reshape(3, 3), [np.zeros(3)]])

    def cost(d):
        return 0.5 * np.sum(np.diff(x + whole(d), axis=0) ** 2) + 0.35 * np.sum(d**2)

    def room(d):
        d = whole(d)
        at = left[:, None] * d[segment] + right[:, None] * d[segment + 1]
        return -seen["excess"] - np.sum(slopes * at, axis=1)

    wanted = minimize(cost, np.zeros(9), constraints={"type": "ineq", "fun": room}, tol=1e-12)
    assert wanted.success and multipliers.max() > 0
    np.testing.assert_allclose((pulled["params"] - x)[1:-1].ravel(), wanted.x, atol=2e-4)


def test_a_step_is_held_by_all_constraints():
    """Optimality (Karush, Kuhn and Tucker): λ ≥ 0, nothing violated, and no force of what is not
    touched."""
    random = np.random.default_rng(0)
    for rows in (1, 5, 60):
        root = random.normal(size=(rows, 80))
        dual, violated = root @ root.T, random.normal(size=rows) + 0.5
        found = dual_solution(dual, violated)
        left = violated - dual @ found
        scale = max(violated.max(), 0)
        assert found.min() >= 0 and left.max() <= 1e-5 * scale
        assert abs(found @ left) <= 1e-5 * scale * found.sum() + 1e-12
