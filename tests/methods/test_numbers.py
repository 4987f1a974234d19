"""Numbers that searches meet and do not expect: each method ends with a certified path, or with a
reason, and nothing that it tells is NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import landscape
from landscape.core.status import Status
from landscape.methods.base import Method
from landscape.methods.registry import METHODS, load_method

SEARCHES = [name for name in METHODS.names() if "constructions" not in load_method(name).__module__]
AROUND = (-0.9987503, 0.0499792)  # on the ring, almost opposite
FEW = {
    "max_rounds": 3, "steps": 40, "max_steps": 40, "cycles": ((20, 0.1),),
    "methods": ({"method": "bezier", "steps": 40}, {"method": "dss", "max_rounds": 3}),
}  # fmt: skip

Params = dict[str, jax.Array]


class Case(NamedTuple):
    """ends: what may come of it; every search that may connect it certifies that it does."""

    loss: Callable[[Params], jax.Array]
    a: Params
    b: Params
    level: float
    ends: set[Status]


def at(*numbers: float, dtype=jnp.float32) -> Params:
    return {"x": jnp.array(numbers, dtype)}


def ring(p: Params) -> jax.Array:
    return (jnp.sum(p["x"].astype(jnp.float32) ** 2) - 1) ** 2


def walled(value: float) -> Callable[[Params], jax.Array]:
    """The ring, with a wall between its halves of what is no number."""
    return lambda p: jnp.where(jnp.abs(p["x"][0]) < 0.1, value, ring(p))


A, B = at(1.0, 0.0), at(*AROUND)
EMPTY = {"none": jnp.zeros((0, 3))}
FAILED = {Status.NOT_FOUND, Status.STUCK}
SEARCHED = FAILED | {Status.CONNECTED}
UNMET, LOST = {Status.LEVEL_NOT_REACHED}, {Status.NON_FINITE}
CASES = {
    "constant, below the level": Case(lambda p: 0 * p["x"][0] + 0.5, A, B, 1.0, {Status.CONNECTED}),
    "constant, above it": Case(lambda p: 0 * p["x"][0] + 0.5, A, B, 0.4, UNMET),
    "zero": Case(lambda p: 0 * p["x"][0], A, B, 1e-6, {Status.CONNECTED}),
    "negative": Case(lambda p: ring(p) - 10, A, B, -9.99, SEARCHED),
    "huge": Case(lambda p: 1e30 * ring(p), A, B, 1e28, SEARCHED),
    "tiny": Case(lambda p: 1e-30 * ring(p), A, B, 1e-32, SEARCHED),
    "beyond float32": Case(lambda p: 1e38 * ring(p) * 1e3, A, B, 1e28, LOST),
    "one parameter": Case(lambda p: (p["x"][0] ** 2 - 1) ** 2, at(1.0), at(-1.0), 0.5, FAILED),
    "an empty layer": Case(
        lambda p: ring(p) + jnp.sum(p["none"]), A | EMPTY, B | EMPTY, 0.01, SEARCHED
    ),
    "twice the same": Case(ring, A, A, 0.01, {Status.CONNECTED}),
    "twice the same, above": Case(ring, at(2.0, 0.0), at(2.0, 0.0), 0.01, UNMET),
    "bfloat16": Case(
        ring, at(1.0, 0.0, dtype=jnp.bfloat16), at(*AROUND, dtype=jnp.bfloat16), 0.1, SEARCHED
    ),
    "float16": Case(
        ring, at(1.0, 0.0, dtype=jnp.float16), at(*AROUND, dtype=jnp.float16), 0.1, SEARCHED
    ),
    "plateaus": Case(lambda p: jnp.floor(4 * ring(p)) / 4, A, B, 0.1, SEARCHED),
    "a wall of NaN": Case(walled(math.nan), A, B, 0.01, FAILED | LOST),
    "a wall of infinity": Case(walled(math.inf), A, B, 0.01, FAILED | LOST),
    "a wall of minus infinity": Case(walled(-math.inf), A, B, 0.01, FAILED | LOST),
    "NaN everywhere": Case(lambda p: math.nan * ring(p), A, B, 0.01, LOST),
    "no gradient at an end": Case(
        lambda p: ring(p) + 0 * jnp.linalg.norm(p["x"] - A["x"]), A, B, 0.01, SEARCHED | LOST
    ),
}


def brief(method: str) -> Method:
    """With as little work as it takes."""
    kind = load_method(method)
    return kind.model_validate({key: FEW[key] for key in FEW.keys() & kind.model_fields.keys()})


@pytest.mark.parametrize("end", [math.nan, math.inf, -math.inf, 1e30])
def test_an_end_that_is_no_point_is_refused(end):
    with pytest.raises(ValueError, match="a is not finite, or too large to be squared"):
        landscape.find_path(ring, at(end, 0.0), B, level=0.01)


@pytest.mark.parametrize(
    "method",
    [name if name == "dss" else pytest.param(name, marks=pytest.mark.faults) for name in SEARCHES],
)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:overflow|invalid value|divide by zero:RuntimeWarning")
def test_whatever_the_numbers_it_ends_with_a_path_or_a_reason(name, method):
    case = CASES[name]
    found = landscape.find_path(
        case.loss, case.a, case.b, level=case.level, method=brief(method), max_steps_per_bead=500
    )
    assert found.status in case.ends
    for key, end in (("a", 0), ("b", -1)):
        given = getattr(case, key)
        for leaf, beads in found.path.items():
            assert np.array_equal(beads[end], np.float32(given[leaf]), equal_nan=True)
    told = {one.name: getattr(found, one.name) for one in fields(found)}
    assert not any(isinstance(value, float) and math.isnan(value) for value in told.values())
    assert not math.isnan(found.certificate.maximum)
    assert not np.isnan(found.certificate.profile).any()
    if found.connected:
        assert found.certificate.maximum <= case.level
        beads = found.path["x"].astype(np.float64)
        t = np.linspace(0, len(beads) - 1, 999)
        between = [np.interp(t, np.arange(len(beads)), column) for column in beads.T]
        losses = jax.vmap(lambda x: case.loss({**case.a, "x": x}))(
            np.stack(between, 1).astype(np.float32)
        )
        assert np.max(losses) <= case.level * (1 + 1e-4 * np.sign(case.level))
    else:
        assert found.reason
