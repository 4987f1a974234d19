"""Trust radii: steps and beads stay near, and go farther only where they must."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from landscape.core.landscape import bind
from landscape.core.task import energy_task
from landscape.search.descend import Descender
from landscape.search.gauss_newton import RADIUS, gauss_newton
from landscape.search.polyak import STRIDE, polyak
from landscape.search.trust import (
    FIRST_RADIUS,
    LONGEST,
    SHORTEST,
    WINDOW,
    near_start,
    within_radius,
)


def places(optimizer: Any, loss: Any, start: Any, steps: int, reach: float, target: float = 0.0):
    """The parameters [steps + 1, ...] of a descent."""
    update = jax.jit(optimizer.update)
    at, state, seen = jnp.asarray(start, jnp.float32), optimizer.init(jnp.asarray(start)), []
    for _ in range(steps):
        seen.append(np.asarray(at))
        value, gradient = jax.value_and_grad(loss)(at)
        moved, state = update(gradient, state, at, value=value, target=target, reach=reach)
        at = at + moved
    return np.array([*seen, np.asarray(at)])


def slope(x: jax.Array) -> jax.Array:
    return x[0] + 1000.0


def by_sample(x: jax.Array) -> Any:
    return slope(x)[None], jax.grad(slope)(x)[None]


FIRST_ORDER = {"adam": optax.adam(0.02), "sgd": optax.sgd(5.0)}
WAYS = {
    "polyak": (near_start(polyak()), STRIDE),
    "gauss-newton": (gauss_newton(by_sample), RADIUS),
    **{name: (near_start(within_radius(way)), LONGEST) for name, way in FIRST_ORDER.items()},
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("reach", [0.1, 10.0])
def test_no_way_down_steps_farther_than_its_part_of_the_reach_nor_at_once_out_of_the_ball(
    name, reach
):
    optimizer, longest = WAYS[name]
    found = places(optimizer, slope, [0.0, 0.0], WINDOW, reach)
    steps = np.linalg.norm(np.diff(found, axis=0), axis=1)
    assert 0 < steps.max() <= longest * reach * 1.001
    if name != "gauss-newton":  # lower and lower: the ball grows when it has cut WINDOW steps
        away = np.linalg.norm(found - found[0], axis=1)
        assert away.max() <= FIRST_RADIUS * reach * 1.001


def test_the_radius_shrinks_where_the_loss_does_not_fall_and_grows_again_where_it_does():
    optimizer: Any = within_radius(optax.sgd(1.0), 0.5)
    state = optimizer.init(jnp.zeros(1))

    def radius_after(values: Any) -> float:
        nonlocal state
        for value in values:
            _, state = optimizer.update(
                jnp.ones(1), state, jnp.zeros(1), value=jnp.array(value), reach=1.0
            )
        return float(state.radius)

    assert radius_after([1.0] * 2 * WINDOW) == 0.25
    assert radius_after([1.0] * 2 * WINDOW) == pytest.approx(SHORTEST * 0.5)
    assert radius_after(np.linspace(0.9, 0.5, 4 * WINDOW)) == 0.5


def test_a_bead_that_can_only_come_down_far_away_is_let_go_farther():
    """The only low point is 4 reaches away."""
    found = places(
        near_start(within_radius(optax.adam(0.02))), lambda x: jnp.abs(x[0] - 4.0), [0.0], 3000, 1.0
    )
    away = np.abs(found[:, 0])
    assert away[2 * WINDOW] <= FIRST_RADIUS * 1.001
    assert found[-1, 0] == pytest.approx(4.0, abs=0.1)


def test_a_valley_nearby_is_taken_before_a_deeper_one_far_away():
    """Where Polyak steps stall, Adam at 0.02 a parameter used to throw the bead out of a narrow
    valley: in the directions of `rest` it moved 0.02·√2,000 = 0.9 a step."""

    def loss(x: Any) -> Any:
        ripple = 0.3 * (1 - jnp.cos(300 * x["rest"])).mean()
        return (x["along"] - 0.05) ** 2 * 100 + ripple + 1e-3 * jnp.sum(x["rest"] ** 2)

    task = energy_task(loss, lambda key: {"along": jnp.zeros(()), "rest": jnp.zeros(2_000)})
    start = {"along": np.zeros(1, np.float32), "rest": np.full((1, 2_000), 4e-3, np.float32)}
    descender = Descender(bind(task), near_start(polyak()), 10, 2000, looks_early=True)
    descent = descender.start(start, np.zeros((1, 2), np.uint32), np.array([1e-3]), np.array([1.0]))
    while descender.going(descent).any():
        descent = descender.advance(descent)
    descent = descent.settled()
    moved = np.sqrt(sum(np.sum((descent.params[k] - start[k]) ** 2) for k in start))
    assert descent.value[0] <= 1e-3
    assert moved <= 0.6
