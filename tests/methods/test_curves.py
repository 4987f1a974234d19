"""Bezier and polygonal curves: their formulas, and known answers of what is trained of them."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import TypeAdapter

from landscape.core import paths
from landscape.core.certificate import segment_evaluator
from landscape.core.landscape import Landscape, bind
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.core.task import Outputs, Task
from landscape.measures.function_space import make_function_length
from landscape.methods.bezier import Bezier, bernstein
from landscape.methods.polygon import Polygon, hats
from landscape.methods.registry import load_method
from landscape.search.curves import (
    TARGET,
    WEIGHT,
    curve_landscape,
    in_chords,
    of_functions,
    sampled,
)
from landscape.search.driver import finish, start
from landscape.search.state import Problem, Search
from landscape.stages.checkpoints import Checkpoints, KeptSearch, packed, unpacked
from tests.analytic import RING, Analytic, ring_energy, search

# points that the ring needs
WAYS: dict[str, dict[str, Any]] = {"bezier": {"points": 4}, "polygon": {"points": 6}}
ANTIPODES = {"0-1": ((1.0, 0.0), (-1.0, 0.0))}


def shortest_on_the_ring() -> float:
    """Tangent, arc, tangent around the inner circle, between points of the unit circle."""
    s = math.sqrt(RING.level)
    r = math.sqrt(1 - s)
    return 2 * math.sqrt(s) + r * (math.atan2(RING.b[1], RING.b[0]) - 2 * math.acos(r))


@pytest.mark.parametrize("basis", [bernstein, hats])
@pytest.mark.parametrize("points", [3, 4, 7])
def test_weights_are_a_partition_of_unity_with_exact_ends(basis, points):
    ts = np.linspace(0, 1, 101)
    weights = basis(points)(ts)
    assert weights.shape == (101, points) and (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(weights @ np.linspace(0, 1, points), ts, atol=1e-12)  # a line
    assert np.array_equal(weights[[0, -1]], np.eye(points)[[0, -1]])
    np.testing.assert_allclose(jax.vmap(basis(points))(jnp.asarray(ts)), weights, atol=1e-6)


@pytest.mark.parametrize("points", [3, 4, 6])
def test_the_derivative_of_a_bezier_curve_is_that_of_its_differences(points):
    control = np.random.default_rng(points).normal(size=(points, 5))
    ts, step = np.linspace(0.1, 0.9, 9), 1e-6
    across = bernstein(points)(ts + step) - bernstein(points)(ts - step)
    derivative = (points - 1) * bernstein(points - 1)(ts) @ np.diff(control, axis=0)
    np.testing.assert_allclose(across @ control / (2 * step), derivative, rtol=1e-7, atol=1e-8)


def test_a_string_of_a_curve_is_even_and_has_its_ends():
    control = {
        name: np.random.default_rng(3).normal(size=(4, *shape)).astype(np.float32)
        for name, shape in {"a": (5, 2), "b": (3,)}.items()
    }
    string = sampled(control, bernstein(4), 65)
    lengths = paths.segment_lengths(string)
    assert lengths.max() < 1.02 * lengths.min()
    for name, leaf in control.items():
        assert np.array_equal(string[name][[0, -1]], leaf[[0, -1]])
        assert string[name].dtype == leaf.dtype


def test_the_loss_of_a_curve_is_of_its_excess_and_length():
    """Of a constant loss, wherever the places are drawn; the ends have no gradient."""
    flat = Analytic(lambda x: 3.0 + 0 * jnp.sum(x), (0.0, 0.0), (3.0, 4.0), 1.0).landscape
    curves = curve_landscape(flat, hats(3), 3, batch=4, steps=100, length=in_chords(hats(3)))
    control = jnp.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])  # 7 / 5 of the chord
    params = {"params": control, TARGET: jnp.array(1.0), WEIGHT: jnp.array(0.5)}
    (value, carry), gradient = jax.value_and_grad(curves.loss, has_aux=True)(
        params, curves.carry, jax.random.key(0)
    )
    assert value == pytest.approx(math.log(3) + 0.5 * 7 / 5, rel=1e-6)
    assert float(carry[1]) == 1
    assert not gradient["params"][::2].any() and gradient["params"][1].any()
    assert gradient[TARGET] == gradient[WEIGHT] == 0
    assert curves.level(params) == 3


@pytest.mark.parametrize("method", WAYS)
def test_curves_on_the_ring_are_as_short_as_the_geodesic(method):
    found = search(RING, method, **WAYS[method])["0-1"]
    assert found.status is Status.CONNECTED
    assert 1 <= found.length / shortest_on_the_ring() <= 1.05
    assert found.string.rounds == 5
    if method == "polygon":
        assert found.beads == 6


@pytest.mark.parametrize("method", WAYS)
def test_a_symmetry_holds_no_curve(method):
    assert search(RING, method, ANTIPODES, **WAYS[method])["0-1"].status is Status.CONNECTED


def test_without_a_weight_the_curve_is_not_made_shorter():
    found = search(RING, "bezier", points=4, length=0)["0-1"]
    assert found.status is Status.CONNECTED and found.string.rounds == 1


@pytest.mark.parametrize("method", WAYS)
def test_a_pair_alone_is_the_same_as_in_a_batch(method):
    pairs = {f"0-{i}": ((1.0, 0.0), (math.cos(t), math.sin(t))) for i, t in enumerate((0.9, 2, 3))}
    together = search(RING, method, pairs, **WAYS[method])
    for name in pairs:
        alone = search(RING, method, {name: pairs[name]}, **WAYS[method])[name]
        assert np.array_equal(alone.string.points["params"], together[name].string.points["params"])
        assert alone.string.grad_evals == together[name].string.grad_evals > 0


@pytest.mark.parametrize("method", WAYS)
def test_a_search_that_is_cut_anywhere_ends_the_same(method, tmp_path):
    landscape, at = RING.landscape, LevelSpec(RING.level)
    problem = Problem(landscape, segment_evaluator(landscape, 50), lambda held: pytest.fail())

    def begun() -> Search:
        ends = [
            ({"params": np.array(end, np.float32)} for end in (RING.a, (math.cos(t), math.sin(t))))
            for t in (0.9, 2.5)
        ]
        return Search([start(f"0-{number}", *pair) for number, pair in enumerate(ends, 1)])

    step = load_method(method)(**WAYS[method]).bind(problem, at)
    whole = finish(step, begun())
    search, checkpoints, cuts = begun(), Checkpoints(tmp_path / "search.safetensors"), 0
    while search.active:
        step(search)
        checkpoints.keep(lambda: packed(search))  # noqa: B023
        search = unpacked(TypeAdapter(KeptSearch).validate_python(checkpoints.load()))
        cuts += 1
    assert cuts > 5
    for one, other in zip(search.strings, whole.strings, strict=True):
        assert np.array_equal(one.points["params"], other.points["params"])
        facts = ("ended", "reason", "rounds", "grad_evals")
        assert [getattr(one, f) for f in facts] == [getattr(other, f) for f in facts]


def test_a_spent_budget_is_named_and_every_gradient_counted():
    taken = []

    @jax.custom_vjp
    def energy(x):
        return ring_energy(x)

    def forward(x):
        jax.debug.callback(lambda _: taken.append(1), x)
        return ring_energy(x), x

    energy.defvjp(forward, lambda x, g: (g * jax.grad(ring_energy)(x),))
    found = search(RING._replace(energy=energy), "bezier", steps=50, batch=3, points=3)["0-1"]
    jax.effects_barrier()
    assert found.status is Status.NOT_FOUND
    assert "steps (50) spent" in found.reason and "connect.points" in found.reason
    assert found.string.grad_evals == len(taken) == 150


def test_where_the_level_has_no_gradient_the_training_loss_is_descended():
    """And the curve is not made shorter, because nothing would hold it below the level."""
    task = Task(
        init=lambda key: jax.random.normal(key, (2,)),
        loss=lambda x, carry, batch, key: (ring_energy(x), carry),
        metrics={"steps": lambda x, data: jnp.ceil(100 * ring_energy(x)) / 100},
        differentiable=(),
    )
    found = search(RING._replace(level=0.02), "bezier", landscape=bind(task, "steps"), points=4)
    assert found["0-1"].status is Status.CONNECTED and found["0-1"].string.rounds == 1


def test_a_curve_without_a_gradient_is_stuck():
    plateau = RING._replace(energy=lambda x: jnp.where(abs(x[0]) > 0.9, 0.0, 1.0), level=0.5)
    found = search(plateau, "polygon", length=0)["0-1"]
    assert found.status is Status.STUCK and "no gradient" in found.reason


def test_a_polygon_has_no_more_points_than_a_path_may_have_beads():
    with pytest.raises(ValueError, match=r"points \(9\).*max_beads \(8\)"):
        Polygon(points=9, max_beads=8)
    Bezier(points=9, max_beads=8)


def parabola() -> Landscape:
    """Flat, below the level everywhere; its outputs are straight along y = x²."""
    flat = Analytic(lambda p: 1e-6 * jnp.sum(p**2), (-1.0, 1.0), (1.0, 1.0), 1.0).landscape

    def predict(params, data):
        x, y = params["params"]
        return jnp.stack([x, y - x**2])[None] + 0 * data

    return flat._replace(outputs=Outputs(predict, "l2"), data=np.zeros((1, 1), np.float32))


def test_the_shortest_curve_of_functions_is_straight_to_them():
    analytic = Analytic(lambda p: 1e-6 * jnp.sum(p**2), (-1.0, 1.0), (1.0, 1.0), 1.0)
    straight = search(analytic, "bezier", landscape=parabola())["0-1"]
    assert straight.beads == 2
    settings = {"length_in": "functions", "steps": 2000}
    found = search(analytic, "bezier", landscape=parabola(), **settings)["0-1"]
    assert found.status is Status.CONNECTED
    x, y = found.string.points["params"].T
    assert np.abs(y - x**2).max() < 0.05
    measure = make_function_length(parabola(), 1)
    assert measure is not None
    ways = [measure(one.string.points).length for one in (straight, found)]
    assert ways[0] == pytest.approx(np.sqrt(5) + np.arcsinh(2) / 2, rel=1e-2)
    assert 2 <= ways[1] < 2.02 and found.length > straight.length
    assert found.string.grad_evals % 9 == 0


def test_the_length_of_functions_is_that_of_the_measure():
    landscape = parabola()
    control = {"params": np.array([[-1, 1], [0, 1], [1, 1]], np.float32)}
    found = float(np.exp(of_functions(landscape, bernstein(3))(control)))
    measure = make_function_length(landscape, 1)
    assert measure is not None
    whole = measure(control).length
    assert found == pytest.approx(whole, rel=5e-3) and found <= whole


def test_the_length_of_functions_needs_outputs():
    with pytest.raises(ValueError, match="outputs"):
        Bezier(length_in="functions").check(RING.landscape)
