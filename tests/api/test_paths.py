"""The one call, on landscapes with known answers: any pytree, any loss, no run directory."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landscape as ls
from tests.analytic import RING, double_well_energy, ring_energy

A = {"x": jnp.array(RING.a)}
B = {"x": jnp.array(RING.b)}
FAST: Any = {"progress": False}


def ring(params):
    return ring_energy(params["x"])


def nested(params):
    """The ring, its coordinates spread over a list and a tuple."""
    return ring_energy(jnp.stack([params["first"][0], params["rest"][0].sum()]))


def in_nested(x):
    return {"first": [jnp.asarray(x[0])], "rest": (jnp.array([x[1], 0.0]),)}


@pytest.fixture(scope="module")
def found():
    return ls.find_path(ring, A, B, level=0.01, **FAST)


def test_a_ring_is_connected_and_its_certificate_says_so(found):
    assert found.connected and found.status is ls.Status.CONNECTED and found.reason == ""
    assert found.certificate.holds(0.01) and found.limit == 0.01
    again = ls.certify(ring, found.path, level=0.01)
    assert again.maximum == pytest.approx(found.certificate.maximum, rel=1e-5)
    dense = np.concatenate(
        [np.linspace(p, q, 500) for p, q in zip(found.path["x"], found.path["x"][1:])]  # noqa: B905
    )
    assert float(jax.vmap(ring_energy)(dense).max()) <= 0.01


def test_what_it_cost_is_counted(found):
    assert found.grad_evals > 0 and found.rounds > 0 and found.seconds > 0
    assert found.loss_evals >= 9 * (found.beads - 1)


def test_the_ends_come_back_bit_for_bit_in_the_users_own_structure():
    a, b = in_nested(RING.a), in_nested(RING.b)
    found = ls.find_path(nested, a, b, level=0.01, **FAST)
    assert found.connected
    for place, end in ((0, a), (-1, b)):
        mine = jax.tree.map(lambda leaf, place=place: leaf[place], found.path)
        assert jax.tree.structure(mine) == jax.tree.structure(end)
        assert jax.tree.all(jax.tree.map(np.array_equal, mine, end))


@pytest.mark.parametrize("method", ["dss", "constrained", "straight"])
def test_below_the_barrier_of_a_double_well_nothing_connects(method):
    def loss(params):
        return double_well_energy(params[0])

    ends = ([jnp.array([1.0, 0.05])], [jnp.array([-1.0, 0.1])])
    found = ls.find_path(loss, *ends, level=0.5, method=method, **FAST)
    assert not found.connected and found.certificate.maximum >= 1 - 1e-5 and found.reason


def test_a_convex_loss_needs_no_bead():
    found = ls.find_path(lambda p: jnp.sum(p**2), jnp.ones(3), -jnp.ones(3), 4.0, **FAST)
    assert (found.beads, found.grad_evals) == (2, 0)
    assert found.normalized_length == pytest.approx(1)


def test_shortened_it_is_as_long_as_the_geodesic(found):
    short = ls.shorten(ring, found.path, level=0.01, max_beads=129, **FAST)
    s = math.sqrt(0.01)
    r = math.sqrt(1 - s)
    angle = math.atan2(RING.b[1], RING.b[0])
    geodesic = 2 * math.sqrt(s) + r * (angle - 2 * math.acos(r))
    assert short.length == pytest.approx(geodesic, rel=0.01)
    assert short.length <= short.length_found and short.certificate.holds(0.01)


def test_an_end_above_the_level_is_said_and_nothing_is_searched():
    found = ls.find_path(ring, A, {"x": jnp.array([2.0, 0.0])}, level=0.01, **FAST)
    assert found.status is ls.Status.LEVEL_NOT_REACHED
    assert found.grad_evals == 0 and found.reason.startswith("b is at 9")


@pytest.mark.parametrize("optimizer", ["polyak", "adam", "sgd", optax.adam(1e-2)])
def test_any_optimizer_brings_beads_down(optimizer):
    given = {} if not isinstance(optimizer, str) else {"learning_rate": 1e-2}
    found = ls.find_path(ring, A, B, level=0.05, optimizer=optimizer, **given, **FAST)
    assert found.connected


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"b": {"y": A["x"]}}, ValueError, "b has no x"),
        ({"b": {"x": jnp.ones(3)}}, ValueError, r"b: x has shape \(3,\), not \(2,\)"),
        ({"b": {"x": jnp.array([jnp.nan, 1])}}, ValueError, "b is not finite"),
        ({"level": float("nan")}, ValueError, "level must be finite"),
        ({"level": 0.0}, ValueError, "target=1.0"),
        ({"method": "dsss"}, ValueError, "unknown method 'dsss'"),
        ({"optimizer": "lbfgs"}, ValueError, "unknown optimizer 'lbfgs'"),
        ({"optimizer": "gauss-newton"}, ValueError, "sample_means"),
        ({"length_over": "z*"}, ValueError, "matches none of: x"),
        ({"problem": lambda p: p["x"]}, ValueError, "must be a scalar"),
        ({"problem": 3}, TypeError, "expected a loss"),
        ({"a": {"x": jnp.arange(2)}}, TypeError, "not a float"),
    ],
)
def test_a_mistake_is_named(change, error, said):
    given = {"problem": ring, "a": A, "b": B, "level": 0.01, **FAST} | change
    with pytest.raises(error, match=said):
        ls.find_path(**given)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ({"x": jnp.ones((1, 2))}, "two or more"),
        ({"x": jnp.ones(())}, "two or more"),
        ({"x": jnp.ones((3, 2)), "y": jnp.ones((2, 2))}, "as many of each"),
    ],
)
def test_what_is_no_path_is_refused(path, said):
    with pytest.raises(ValueError, match=said):
        ls.certify(ring, path, level=0.01)


def test_what_is_not_below_the_level_is_not_shortened():
    with pytest.raises(ValueError, match=r"not below 0\.1: 1 at 0\.5"):
        ls.shorten(ring, {"x": np.array([[1.0, 0], [-1, 0]])}, level=0.1, **FAST)


def test_a_result_shows_itself(found):
    assert repr(found).startswith("<PathResult CONNECTED level 0.01")
    html = found._repr_html_()
    assert html.count("<tr>") >= 6 and "<svg" in html and "<script" not in html
    again = found._repr_html_()  # on the same page: other ids
    ids = [set(part.split('"')[0] for part in text.split('id="')[1:]) for text in (html, again)]
    assert ids[0] and not ids[0] & ids[1]


def test_a_search_ends_with_its_budget():
    whole = ls.find_path(ring, A, B, level=0.01, tighten=False)
    cost = whole.grad_evals + whole.loss_evals // 3
    less = whole.grad_evals // 2
    held = ls.find_path(ring, A, B, level=0.01, tighten=False, budget=less)
    assert whole.connected and not held.connected and f"budget ({less} grad" in held.reason
    again = ls.find_path(ring, A, B, level=0.01, tighten=False, budget=2 * cost)
    assert again.connected and again.grad_evals == whole.grad_evals
    with pytest.raises(ValueError, match="budget"):
        ls.find_path(ring, A, B, level=0.01, budget=0)
