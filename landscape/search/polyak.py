"""Polyak steps: the way down to a level that is known, and Adam where they stall."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from landscape.search.trust import within_radius

RELAXATION = 0.2
MOMENTUM = 0.7
PATIENCE = 10  # steps in which the gap to the target must have
SHRUNK = 0.9  # shrunk to this of itself
STRIDE = 0.1  # of the bead's reach: a Polyak step's longest
RATE = 2e-2  # of Adam
FAR = 1e8  # radii: a longer step is cut to its radius all the same, and could overflow


class PolyakState(NamedTuple):
    towards: Any
    mark: jax.Array  # the gap when it last had shrunk enough
    since: jax.Array  # steps since then
    adam: Any


def polyak(rate: float | optax.Schedule = RATE) -> optax.GradientTransformationExtraArgs:
    """m ← MOMENTUM·m − RELAXATION·(L − target)·g/‖g‖², θ ← θ + m, and Adam from the first stall on.

    The step to where the loss's tangent plane is at the target (Polyak 1969), relaxed and with
    momentum (Polyak 1964); see docs/descent.md for what else was tried. Where it first is at or
    below the target it stays, to be looked at; if that is not enough, Adam goes on. `update` needs
    `value`, the loss at the parameters, `target`, and `reach`, a length: both kinds of steps keep
    to their own trust radius, a part of it.
    """
    towards, adam = within_radius(_towards(), STRIDE), within_radius(optax.adam(rate))

    def init(params: Any) -> PolyakState:
        return PolyakState(
            towards.init(params), jnp.array(jnp.inf), jnp.int32(0), adam.init(params)
        )

    def update(updates: Any, state: Any, params: Any = None, **seen: Any) -> Any:
        gap = seen["value"] - seen["target"]
        shrunk = (gap > 0) & (gap < SHRUNK * state.mark)
        since = jnp.where(shrunk, 0, state.since + 1)
        stalled = state.since >= PATIENCE
        since = jnp.where(stalled | (gap <= 0), PATIENCE, since)

        def polyak_step() -> tuple[Any, Any, Any]:
            moved, memory = towards.update(updates, state.towards, params, **seen)
            return moved, memory, state.adam

        def adam_step() -> tuple[Any, Any, Any]:
            moved, memory = adam.update(updates, state.adam, params, **seen)
            return moved, state.towards, memory

        moved, momentum, moments = jax.lax.cond(stalled, adam_step, polyak_step)
        mark = jnp.where(shrunk, gap, state.mark).astype(state.mark.dtype)
        return moved, PolyakState(momentum, mark, since, moments)

    return optax.GradientTransformationExtraArgs(init, update)


def _towards() -> optax.GradientTransformationExtraArgs:
    """Polyak steps alone, none longer than `radius`: near a flat point the tangent plane says
    nothing."""

    def update(updates: Any, state: Any, params: Any = None, **seen: Any) -> Any:
        gap = seen["value"] - seen["target"]
        tiny = jnp.finfo(gap.dtype).tiny
        square = jnp.maximum(optax.tree.vdot(updates, updates), tiny)
        length = jnp.minimum(RELAXATION * gap / square, FAR * seen["radius"] / jnp.sqrt(square))
        momentum = jax.tree.map(lambda m, g: MOMENTUM * m - length * g, state, updates)
        longest = seen["radius"] / jnp.sqrt(jnp.maximum(optax.tree.vdot(momentum, momentum), tiny))
        scale = jnp.where(gap > 0, jnp.minimum(1, longest), 0)
        momentum = jax.tree.map(lambda m, p: (scale * m).astype(p.dtype), momentum, updates)
        return momentum, momentum

    return optax.GradientTransformationExtraArgs(
        lambda params: jax.tree.map(jnp.zeros_like, params), update
    )
