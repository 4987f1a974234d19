"""Proposition 2.3, watched: between any two deep linear networks the loss stays below its ends."""

import numpy as np
import pytest

from landscape.core import trees
from landscape.core.certificate import segment_evaluator
from landscape.core.landscape import bind
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.methods.constructions.curves import certified, sampled
from landscape.methods.constructions.linear_network import LinearNetwork, curve_between
from landscape.search.driver import finish, judge, start
from landscape.search.state import Problem, Search
from landscape.tasks.regression import regression

pytestmark = pytest.mark.usefixtures("float64")


def linear(inputs, hidden, outputs, **settings):
    keys = {"activation": "linear", "penalty": "ridge", "samples": 50, "noise": 0.3, **settings}
    return bind(regression(target="linear", inputs=inputs, outputs=outputs, hidden=hidden, **keys))


def random_network(landscape, rng, deficient):
    params = {}
    for name, shape in landscape.shapes.items():
        u, s, vt = np.linalg.svd(rng.normal(size=shape.shape), full_matrices=False)
        if deficient and rng.uniform() < 0.6:
            s[rng.integers(0, len(s)) :] = 0
        params[name] = (u * s) @ vt / np.sqrt(shape.shape[0])
    return params


def random_landscape(rng, kappa):
    depth = 2 if kappa else int(rng.integers(2, 6))
    inputs, outputs = map(int, rng.integers(1, 6, 2))
    widths = min(inputs, outputs) + rng.integers(1, 4, depth - 1)
    return linear(inputs, tuple(map(int, widths)), outputs, kappa=kappa)


def jump(curve, a, b):
    """The widest gap where pieces meet each other and the ends."""
    ends = [a, *(piece.at(t) for piece in curve.pieces for t in (0.0, 1.0)), b]
    pairs = zip(ends[::2], ends[1::2], strict=True)
    return max(float(abs(x[name] - y[name]).max()) for x, y in pairs for name in a)


def excess(landscape, a, b):
    """Of the certified curve above the higher end, relative to max(F, E|Y|²)."""
    curve = curve_between(landscape)(a, b)
    assert jump(curve, a, b) < 1e-7  # the square root of rounding, in a balanced factorisation
    energy = float(np.square(landscape.data[1]).sum(1).mean())
    facts = certified(curve, landscape, 50, 1.0)[0]
    higher = max(float(landscape.level(a)), float(landscape.level(b)))
    assert facts["bound"] == pytest.approx(higher, rel=1e-12)
    return (facts["curve_max"] - higher) / max(higher, energy)


def worst_excess(landscapes, pairs, seed):
    rng, found = np.random.default_rng(seed), []
    for one in range(landscapes):
        landscape = random_landscape(rng, 0.05 if one % 3 == 2 else 0.0)
        for number in range(one * pairs, (one + 1) * pairs):
            ends = (random_network(landscape, rng, number % 4 == 0) for _ in range(2))
            found.append(excess(landscape, *ends))
    return max(found)


def test_random_pairs():
    assert worst_excess(6, 4, seed=0) < 1e-12


@pytest.mark.slow
def test_200_random_pairs():
    assert worst_excess(40, 5, seed=1) < 1e-12


@pytest.mark.parametrize("kappa", [0.0, 0.1])
def test_from_zero_to_anything(kappa):
    landscape = linear(3, (4,), 2, kappa=kappa)
    zero = {name: np.zeros(shape.shape) for name, shape in landscape.shapes.items()}
    other = random_network(landscape, np.random.default_rng(0), False)
    assert excess(landscape, zero, other) < 1e-12
    assert excess(landscape, zero, zero) < 1e-12


def test_opposite_signs_turn_by_pi():
    """AᵀB = −1 has no logarithm near 0; its eigenvalues are paired."""
    landscape = linear(2, (3, 3), 2)
    a = random_network(landscape, np.random.default_rng(0), False)
    b = {name: -leaf for name, leaf in a.items()}
    assert excess(landscape, a, b) < 1e-12


@pytest.fixture
def turned():
    """A landscape, two networks of one product, half of the best, and the curve between them: on
    it the loss is constant, and a chord's product is smaller, so its loss is higher."""
    landscape, rng = linear(2, (4,), 3), np.random.default_rng(3)
    inner, turn = rng.normal(size=(2, 4)), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    x, y = map(np.asarray, landscape.data)
    outer = np.linalg.pinv(inner) @ np.linalg.lstsq(x, y)[0] / 2
    a = {"Dense_0.kernel": inner, "Dense_1.kernel": outer}
    b = {"Dense_0.kernel": inner @ turn, "Dense_1.kernel": turn.T @ outer}
    return landscape, float(landscape.level(a)), curve_between(landscape)(a, b)


def test_the_string_converges_to_the_curve_as_h_squared(turned):
    landscape, level, curve = turned
    peaks, found = segment_evaluator(landscape, 50), []
    for beads in (17, 33, 65, 129):
        points = curve.at(np.zeros(beads, int), np.linspace(0, 1, beads))
        lefts, rights = (trees.take(points, part) for part in (slice(0, -1), slice(1, None)))
        found.append(peaks(lefts, rights, level).maximum.max() - level)
    rates = np.log2(np.array(found[:-1]) / found[1:])
    assert found[-1] > 1e-9 and abs(rates - 2).max() < 0.1


def test_a_string_is_sampled_until_it_is_below_the_limit(turned):
    landscape, level, curve = turned
    peaks, limit = segment_evaluator(landscape, 50), 1.001 * level
    points, highest, _ = sampled(curve, peaks, limit, 300)
    assert 3 < trees.count(points) < 300 and level < highest <= limit
    points, highest, _ = sampled(curve, peaks, limit, 4)
    assert trees.count(points) <= 4 and highest > limit


@pytest.mark.parametrize("kappa", [0.0, 0.02])
def test_as_a_method(kappa):
    landscape = linear(3, (4,), 2, kappa=kappa)
    rng = np.random.default_rng(0)
    a, b = (random_network(landscape, rng, False) for _ in range(2))
    band = LevelSpec(1.01 * max(float(landscape.level(x)) for x in (a, b)))
    peaks = segment_evaluator(landscape, 50)
    method = LinearNetwork().bind(Problem(landscape, peaks, lambda held: None), band)  # type: ignore[arg-type]
    (string,) = finish(method, Search([start("0-1", a, b)])).strings
    assert judge(string, peaks, band).status is Status.CONNECTED
    for name in a:
        assert np.array_equal(string.points[name][0], a[name])
        assert np.array_equal(string.points[name][-1], b[name])
    assert string.facts["sampling"] <= string.facts["allowed"]


def test_at_the_smaller_width_a_level_set_falls_apart():
    """W_2 is 1 × 1: its sign changes on any path from (W_1, W_2) to (−W_1, −W_2), where the
    loss is that of zero."""
    landscape = linear(2, (2,), 1)  # the hypothesis holds
    curve_between(landscape)
    with pytest.raises(ValueError, match="hidden layer 1 has 1"):
        curve_between(linear(2, (1,), 1))


@pytest.mark.parametrize(
    ("hidden", "settings", "words"),
    [
        ((4,), {"activation": "relu"}, "activation: linear, not relu"),
        ((4, 4), {"kappa": 0.1}, "two layers, not 3"),
        ((4,), {"kappa": 0.1, "penalty": "l1"}, "penalty: ridge or kappa: 0, not l1"),
    ],
)
def test_outside_its_hypotheses_it_says_which(hidden, settings, words):
    with pytest.raises(ValueError, match=words):
        curve_between(linear(3, hidden, 3, **settings))


def test_another_metric_than_the_loss_is_refused():
    task = regression(target="linear", activation="linear", hidden=(4,))
    with pytest.raises(ValueError, match="metric: loss"):
        curve_between(bind(task, "mse"))


@pytest.mark.parametrize("depth", [3, 4])
def test_with_ridge_and_more_layers_zero_lies_behind_a_barrier_of_known_height(depth):
    """Where E xxᵀ = 1, the loss at a product of singular values s is at least F(0) + Σ f(sᵢ),
    f(s) = κK s^(2/K) − 2σ₁s + s², and the first maximum of f is met by every way out of 0."""
    kappa, widths = 0.1, (4,) * (depth - 1)
    landscape = linear(2, widths, 2, kappa=kappa, noise=0.0, design="circle")
    x, y = (np.asarray(leaf) for leaf in landscape.data)
    u, sigma, vt = np.linalg.svd(x.T @ y / len(x))
    s = np.linspace(0, 0.5, 5001)
    f = kappa * depth * s ** (2 / depth) - 2 * sigma[0] * s + s**2
    top = int(np.flatnonzero(np.diff(f) < 0)[0])
    assert f[top] > 0 and f.min() < 0  # a barrier, and something lower behind it

    zero = {name: np.zeros(shape.shape) for name, shape in landscape.shapes.items()}
    barrier = float(landscape.level(zero)) + f[top]
    rng = np.random.default_rng(0)
    for _ in range(200):
        out = random_network(landscape, rng, False)
        product = np.linalg.multi_dot([out[name] for name in sorted(out)])
        size = (s[top] / np.linalg.norm(product, 2)) ** (1 / depth)
        out = {name: size * leaf for name, leaf in out.items()}
        assert float(landscape.level(out)) >= barrier - 1e-12

    root = s[top] ** (1 / depth)
    lowest = {name: np.zeros(shape.shape) for name, shape in landscape.shapes.items()}
    first, *_, last = sorted(lowest)
    for leaf in lowest.values():
        leaf[0, 0] = root
    lowest[first] = np.outer(u[:, 0], np.eye(4)[0]) * root
    lowest[last] = np.outer(np.eye(4)[0], vt[0]) * root
    assert float(landscape.level(lowest)) == pytest.approx(barrier, abs=1e-12)
