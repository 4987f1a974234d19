"""Polyak steps: the way down to a level that is known, and Adam where they stall."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

RELAXATION = 0.2
MOMENTUM = 0.7
PATIENCE = 20  # steps in which the gap to the target must have
SHRUNK = 0.8  # shrunk to this of itself
RATE = 2e-2  # of Adam


class PolyakState(NamedTuple):
    momentum: Any
    mark: jax.Array  # the gap when it last had shrunk enough
    since: jax.Array  # steps since then
    adam: Any


def polyak(rate: float = RATE) -> optax.GradientTransformationExtraArgs:
    """m ← MOMENTUM·m − RELAXATION·(L − target)·g/‖g‖², θ ← θ + m, and Adam from the first stall on.

    The step to where the loss's tangent plane is at the target (Polyak 1969), relaxed and with
    momentum (Polyak 1964); see docs/descent.md for what else was tried. At or below the target it
    stays. `update` needs `value`, the loss at the parameters, and `target`.
    """
    adam = optax.adam(rate)

    def init(params: Any) -> PolyakState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return PolyakState(zeros, jnp.array(jnp.inf), jnp.int32(0), adam.init(params))

    def update(updates: Any, state: Any, params: Any = None, **seen: Any) -> Any:
        gap = seen["value"] - seen["target"]
        shrunk = (gap > 0) & (gap < SHRUNK * state.mark)
        mark = jnp.where(shrunk, gap, state.mark)
        stays = state.since >= PATIENCE
        since = jnp.where(stays, state.since, jnp.where(shrunk, 0, state.since + 1))
        square = sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(updates))
        length = RELAXATION * jnp.maximum(gap, 0) / jnp.maximum(square, jnp.finfo(gap.dtype).tiny)

        def towards() -> tuple[Any, Any, Any]:
            momentum = jax.tree.map(lambda m, g: MOMENTUM * m - length * g, state.momentum, updates)
            return jax.tree.map(lambda m: jnp.where(gap > 0, m, 0), momentum), momentum, state.adam

        def stalled() -> tuple[Any, Any, Any]:
            moved, moments = adam.update(updates, state.adam, params)
            return moved, state.momentum, moments

        moved, momentum, moments = jax.lax.cond(since < PATIENCE, towards, stalled)
        return moved, PolyakState(momentum, mark, since, moments)

    return optax.GradientTransformationExtraArgs(init, update)
