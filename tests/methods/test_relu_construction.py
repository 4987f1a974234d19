"""Theorem 2.4, watched: the constructed path stays below max(λ, ε)."""

import jax
import numpy as np
import pytest
from sklearn.linear_model import Lasso

from landscape.core.certificate import segment_evaluator
from landscape.core.landscape import bind
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.methods.constructions.curves import certified
from landscape.methods.constructions.relu import (
    Loss,
    Network,
    ReluConstruction,
    curve_between,
    normalised,
    path_norm,
    remainder,
    within,
)
from landscape.methods.straight import Straight
from landscape.search.driver import finish, judge, start, warm_start
from landscape.search.state import Problem, Search
from landscape.tasks.regression import regression
from tests.methods.test_linear_network import jump

pytestmark = pytest.mark.usefixtures("float64")

TERMS = ("e(l)", "delta_A(m, 0)", "delta_A(m - l, alpha)", "delta_B(m, 0)", "delta_B(m - l, alpha)")


def rectified(inputs, units, outputs, kappa, seed=0):
    return bind(
        regression(
            target="teacher", inputs=inputs, outputs=outputs, hidden=(units,), kappa=kappa,
            samples=100, noise=0.2, data_seed=seed,
        )
    )  # fmt: skip


def loss_of(landscape):
    x, y = (np.asarray(leaf) for leaf in landscape.data)
    return Loss(x, y, landscape.form.kappa)


def random_end(landscape, rng, trained):
    """A random network, with units that are off; or where conjugate gradients take it."""
    inner, outer = (landscape.shapes[name].shape for name in landscape.form.kernels)
    network = Network(
        rng.normal(size=inner[::-1]) * (rng.uniform(size=(inner[1], 1)) > 0.1),
        rng.normal(size=outer) / inner[1],
    )
    if trained:
        found = loss_of(landscape).descended(normalised(network))
        size = rng.uniform(0.5, 2, size=(inner[1], 1))
        network = Network(found.units * size, found.outer / size)
    return dict(zip(landscape.form.kernels, (network.units.T, network.outer), strict=True))


def watched(count, seed):
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        inputs, outputs = int(rng.integers(1, 5)), int(rng.integers(1, 4))
        kappa = float(rng.choice([0.0, 0.01, 0.1, 0.5]))
        landscape = rectified(inputs, int(rng.integers(1, 9)), outputs, kappa, number)
        ends = [random_end(landscape, rng, number % 4 > 0) for _ in range(2)]
        curve = curve_between(landscape)(*ends)
        assert jump(curve, *ends) < 1e-9
        found.append(certified(curve, landscape, 40, 1.0)[0])
    return found


def assert_below_the_bound(found):
    for facts in found:
        small = 1e-9 * facts["E|Y|^2"]
        assert facts["bound"] == max(facts["lambda"], facts["epsilon"])
        assert facts["curve_max"] <= facts["bound"] + small
        assert facts["epsilon"] <= facts["E|Y|^2"] + small
        assert facts["epsilon"] == max(facts[term] for term in TERMS) + facts["r(alpha)"]


def test_random_pairs_stay_below_the_bound():
    found = watched(8, seed=0)
    assert_below_the_bound(found)
    assert any(facts["epsilon"] > facts["lambda"] for facts in found)  # else it says nothing


@pytest.mark.slow
def test_50_random_pairs_stay_below_the_bound():
    found = watched(50, seed=1)
    assert len(found) == 50
    assert_below_the_bound(found)


def test_with_too_few_units_the_way_goes_through_zero():
    """One unit each, pointing apart: l = m, and ε is E|Y|², the loss of zero."""
    landscape = rectified(2, 1, 1, 0.0)
    a = {"Dense_0.kernel": np.array([[1.0], [0.0]]), "Dense_1.kernel": np.array([[0.5]])}
    b = {"Dense_0.kernel": np.array([[-1.0], [0.2]]), "Dense_1.kernel": np.array([[0.5]])}
    facts = certified(curve_between(landscape)(a, b), landscape, 40, 1.0)[0]
    assert facts["l"] == 1
    assert facts["epsilon"] == pytest.approx(facts["E|Y|^2"], rel=1e-12)


def test_the_remainder_bounds_what_turned_units_add():
    """On straight lines of both layers the loss exceeds the interpolation of its ends by r(α)."""
    landscape = rectified(3, 6, 2, 0.05)
    loss, rng = loss_of(landscape), np.random.default_rng(0)
    for alpha in (0.05, 0.3, 1.0):
        for _ in range(20):
            ends = rng.normal(size=(2, 6, 3))
            units = within(ends[0], ends[1], 10.0)
            turned = within(units + rng.normal(size=units.shape), units, alpha)
            one = loss.fitted(units, np.zeros((6, 2)))
            other = loss.fitted(turned, np.zeros((6, 2)))
            t = np.linspace(0, 1, 21)
            on = [
                loss(Network(*((1 - s) * x + s * z for x, z in zip(one, other, strict=True))))
                for s in t
            ]
            above = np.array(on) - ((1 - t) * on[0] + t * on[-1])
            size = max(np.abs(one.outer).sum(), np.abs(other.outer).sum())
            assert above.max() <= remainder(loss, alpha, float(size)) + 1e-12


def test_units_are_turned_by_no_more_than_alpha_and_to_no_higher_a_loss():
    landscape = rectified(3, 5, 1, 0.01)
    loss, rng = loss_of(landscape), np.random.default_rng(0)
    start_ = normalised(Network(rng.normal(size=(5, 3)), np.zeros((5, 1))))
    kept = loss.fitted(*start_)
    for alpha in (0.0, 0.1, 0.5):
        turned = loss.turned(kept, alpha)
        angles = np.arccos(np.clip((turned.units * kept.units).sum(1), -1, 1))
        assert angles.max() <= alpha + 1e-6
        assert loss(turned) <= loss(kept)
    assert loss(turned) < loss(kept)


def test_the_loss_is_the_tasks():
    landscape = rectified(3, 5, 2, 0.3)
    params = random_end(landscape, np.random.default_rng(0), False)
    network = Network(params["Dense_0.kernel"].T, params["Dense_1.kernel"])
    assert loss_of(landscape)(network) == pytest.approx(float(landscape.level(params)), rel=1e-12)
    assert loss_of(landscape)(normalised(network)) == pytest.approx(
        float(landscape.level(params)), rel=1e-12
    )


def test_the_smooth_objective_bounds_the_loss_and_touches_it_where_units_are_balanced():
    landscape = rectified(3, 5, 1, 0.3)
    loss, rng = loss_of(landscape), np.random.default_rng(0)
    network = normalised(Network(rng.normal(size=(5, 3)), rng.normal(size=(5, 1))))
    size = np.sqrt(np.abs(network.outer))
    balanced = Network(network.units * size, network.outer / size)
    assert loss.smooth(network)[0] >= loss(network)
    assert loss.smooth(balanced)[0] == pytest.approx(loss(balanced), rel=1e-12)

    def smooth(units, outer):
        residual = jax.numpy.maximum(loss.x @ units.T, 0) @ outer - loss.y
        squares = (units**2).sum() + (outer**2).sum()
        return (residual**2).sum(1).mean() + loss.kappa * squares / 2

    for ours, theirs in zip(
        loss.smooth(network)[1], jax.grad(smooth, (0, 1))(*network), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_the_best_second_layer_is_scikit_learns_and_its_optimality_condition_holds():
    landscape = rectified(3, 6, 1, 0.1)
    loss = loss_of(landscape)
    units = normalised(
        Network(np.random.default_rng(0).normal(size=(6, 3)), np.zeros((6, 1)))
    ).units
    found = loss.fitted(units, np.zeros((6, 1)))
    hidden = loss.hidden(units)
    gradient = 2 * hidden.T @ (hidden @ found.outer - loss.y) / len(loss.x)
    used = np.abs(found.outer) > 0
    assert used.any() and abs(gradient).max() <= loss.kappa * (1 + 1e-4)
    np.testing.assert_allclose(gradient[used], -loss.kappa * np.sign(found.outer[used]), rtol=1e-3)
    assert path_norm(found) == pytest.approx(np.abs(found.outer).sum(), rel=1e-12)
    plain = Lasso(loss.kappa / 2, fit_intercept=False, tol=1e-8).fit(hidden, loss.y[:, 0])
    np.testing.assert_allclose(found.outer[:, 0], plain.coef_, atol=1e-4)


def test_as_a_start_the_search_goes_on_from_the_constructed_string():
    landscape = rectified(2, 6, 1, 0.01)
    rng = np.random.default_rng(1)
    a, b = (random_end(landscape, rng, True) for _ in range(2))
    peaks = segment_evaluator(landscape, 20)
    made = certified(curve_between(landscape)(a, b), landscape, 20, 1.0)[0]
    band = LevelSpec(1.01 * made["curve_max"])
    problem = Problem(landscape, peaks, lambda held: None)  # type: ignore[arg-type]
    first, then = (method.bind(problem, band) for method in (ReluConstruction(), Straight()))
    (string,) = finish(warm_start(first, then), Search([start("0-1", a, b)])).strings
    found = judge(string, peaks, band)
    assert found.status is Status.CONNECTED and found.beads > 10
    assert string.facts["curve_max"] == pytest.approx(made["curve_max"], rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"activation": "linear"}, "activation: relu, not linear"),
        ({"hidden": (4, 4)}, "one hidden layer, not 2"),
        ({"kappa": 0.1, "penalty": "ridge"}, "penalty: l1 or kappa: 0, not ridge"),
    ],
)
def test_outside_its_hypotheses_it_says_which(settings, words):
    with pytest.raises(ValueError, match=words):
        curve_between(bind(regression(target="teacher", **settings)))
