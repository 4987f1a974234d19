"""Trust radii: how long a bead's steps may be, and how far from its start it may go."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

WINDOW = 20  # steps: their mean loss tells progress, of minibatches too
LONGEST = 0.005  # of the reach: a step's longest (docs/descent.md has others)
SHORTEST = 0.2  # of the longest: to this the radius shrinks
GROWTH, SHRINKAGE = 2.0, 0.5
FIRST_RADIUS = 0.5  # of the reach: how far a bead may go at first, as a half circle from its chord
FARTHER = 2.0


class Window(NamedTuple):
    """The losses of the last steps, WINDOW at most."""

    steps: jax.Array
    total: jax.Array

    def with_loss(self, value: jax.Array) -> tuple[Window, jax.Array, jax.Array]:
        """The window with one more loss, or an empty one where it is full; whether it is; its
        mean."""
        steps, total = self.steps + 1, (self.total + value).astype(self.total.dtype)
        full = steps >= WINDOW
        return Window(jnp.where(full, 0, steps), jnp.where(full, 0, total)), full, total / WINDOW


def _empty() -> Window:
    return Window(jnp.int32(0), jnp.array(0.0))


class RadiusState(NamedTuple):
    inner: Any
    radius: jax.Array  # of the reach
    window: Window
    before: jax.Array  # the mean of the window before


def within_radius(
    inner: optax.GradientTransformation, longest: float = LONGEST
) -> optax.GradientTransformationExtraArgs:
    """The inner optimiser's updates, none longer than a trust radius.

    The radius begins at `longest` of the reach. Every WINDOW steps it shrinks where the mean loss
    has not fallen, to SHORTEST of that, and grows again where it has (after Nocedal & Wright 2006,
    Alg. 4.1). `update` needs `value`, the loss at the parameters, and `reach`, a length; the inner
    one is given `radius`, too.
    """
    inner = optax.with_extra_args_support(inner)

    def init(params: Any) -> RadiusState:
        return RadiusState(inner.init(params), jnp.array(longest), _empty(), jnp.array(jnp.inf))

    def update(updates: Any, state: Any, params: Any = None, **seen: Any) -> Any:
        window, full, mean = state.window.with_loss(seen["value"])
        change = jnp.where(mean < state.before, GROWTH, SHRINKAGE)
        radius = jnp.where(full, change, 1) * state.radius
        radius = jnp.clip(radius, SHORTEST * longest, longest).astype(state.radius.dtype)
        before = jnp.where(full, mean, state.before)
        allowed = radius * seen["reach"]
        updates, memory = inner.update(updates, state.inner, params, radius=allowed, **seen)
        return shortened(updates, allowed), RadiusState(memory, radius, window, before)

    return optax.GradientTransformationExtraArgs(init, update)


class NearState(NamedTuple):
    inner: Any
    start: Any
    ball: jax.Array  # the farthest from the start, of the reach
    cut: jax.Array  # steps that the ball has cut since it grew


def near_start(inner: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """The inner optimiser's updates, kept in a ball around the parameters at the start.

    A bead that can reach the level nearby shall do so, since the string that has to follow it is as
    much longer. The ball grows, and with it the reach that the inner optimiser is given, when it
    has cut WINDOW steps. `update` needs `reach`, the length of the segment that the bead was put
    on.
    """
    inner = optax.with_extra_args_support(inner)

    def init(params: Any) -> NearState:
        return NearState(inner.init(params), params, jnp.array(FIRST_RADIUS), jnp.int32(0))

    def update(updates: Any, state: Any, params: Any = None, **seen: Any) -> Any:
        scaled = {**seen, "reach": seen["reach"] * state.ball / FIRST_RADIUS}
        updates, memory = inner.update(updates, state.inner, params, **scaled)
        away = jax.tree.map(lambda p, u, s: p + u - s, params, updates, state.start)
        allowed = state.ball * seen["reach"]
        outside = jnp.sqrt(optax.tree.vdot(away, away)) > allowed
        updates = jax.tree.map(
            lambda u, k, p, s: jnp.where(outside, s + k - p, u).astype(p.dtype),
            updates, shortened(away, allowed), params, state.start,
        )  # fmt: skip
        cut = state.cut + outside
        farther = cut >= WINDOW
        ball = jnp.where(farther, FARTHER * state.ball, state.ball)
        return updates, NearState(memory, state.start, ball, jnp.where(farther, 0, cut))

    return optax.GradientTransformationExtraArgs(init, update)


def shortened(tree: Any, longest: jax.Array) -> Any:
    """The same direction, no longer than that."""
    norm = jnp.sqrt(optax.tree.vdot(tree, tree))
    scale = jnp.minimum(1, longest / jnp.maximum(norm, jnp.finfo(norm.dtype).tiny))
    return jax.tree.map(lambda leaf: (scale * leaf).astype(leaf.dtype), tree)
