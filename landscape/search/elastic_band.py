"""The nudged elastic band with a climbing image: a path's highest stretch on its way down.

Tangents and the climbing force are those of Henkelman & Jónsson 2000 and Henkelman, Uberuaga &
Jónsson 2000; instead of springs, the beads are spread evenly over the length after each step, on
either side of the climbing bead (the stiff limit of Draxler et al. 2018). A step follows the
momentum of its bead's force, divided by the force's root mean square, so that its length depends
on no unit of the loss.

A line that a symmetry holds has no force across it, however high it is: `across` says how much
there was. `unsettled` says how much the highest bead's loss may still change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from landscape.core.devices import Pace, each
from landscape.core.landscape import Landscape
from landscape.core.trees import Params
from landscape.search.band_geometry import dots, forces, highest, lengths, norms, spread, times

RATE = 0.2  # of the distance between beads, a step's length to begin with
LEAST = 0.1  # of that, at the end
PROBE = 2 * RATE * LEAST  # of the distance between beads: where curvature is felt for
MEAN, SQUARE = 0.7, 0.95  # how much of the momentum and of the mean square remains


@dataclass
class Bands:
    """n bands of as many beads, plain data: points named arrays [n, beads, ...], their ends fixed;
    momentum the same, square [n, beads]; key uint32 [n, 2], for what is random in the loss; rate
    [n], in units of RATE; step [n]; value and gradient [n], the highest bead's and its gradient's
    norm, as last seen; across [n], the largest force across the band that was met, of the steepest
    gradient."""

    points: Params
    momentum: Params
    square: np.ndarray
    key: np.ndarray
    rate: np.ndarray
    step: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    across: np.ndarray


class Elastic:
    """Lowers bands in a landscape for so many steps, each of one gradient a bead between the ends.

    What is descended is the level's metric on all training data where it has a gradient, the
    training loss elsewhere, drawn alike for all beads.
    """

    def __init__(self, landscape: Landscape, steps: int) -> None:
        self.steps = steps
        self._pace = Pace(1)

        def loss(params: Params, key: jax.Array) -> Any:
            if landscape.train_objective is not None:
                return landscape.train_objective(params)
            return landscape.loss(params, landscape.carry, key)[0]

        def look(points: Params, key: jax.Array) -> tuple[jax.Array, Params]:
            return jax.lax.map(lambda bead: jax.value_and_grad(loss)(bead, key), points)

        def advance(item: dict[str, Any], count: jax.Array) -> dict[str, Any]:
            key = jax.random.wrap_key_data(item["key"])
            stop = jnp.minimum(item["step"] + count, steps)

            def one(state: Any) -> Any:
                i, points, momentum, square, _, _, across = state
                values, gradient = look(points, jax.random.fold_in(key, i))
                on = forces(points, values, gradient)
                top, tangent, climbing = on.top, on.tangent, on.climbing
                steepness, most = norms(gradient), norms(on.sideways)[1:-1].max()
                met = most / jnp.maximum(steepness[1:-1].max(), jnp.finfo(most.dtype).tiny)

                decay = 1 - SQUARE ** (i + 1.0)
                square = SQUARE * square + (1 - SQUARE) * dots(on.force, on.force)
                momentum = jax.tree.map(lambda m, f: MEAN * m + (1 - MEAN) * f, momentum, on.force)
                off = jnp.where(climbing, 0, dots(momentum, tangent))
                moved = jax.tree.map(lambda m, t: m - times(off, t), momentum, tangent)
                apart = lengths(points).mean()
                rate = item["rate"] * RATE * apart * LEAST ** (i / steps)
                size = rate / jnp.sqrt(jnp.maximum(square / decay, jnp.finfo(square.dtype).tiny))
                size = jnp.minimum(size, apart / jnp.maximum(norms(moved), 1e-30))
                size = size.at[0].set(0).at[-1].set(0)
                points = jax.tree.map(lambda p, m: p + times(size, m), points, moved)
                points = spread(points, jnp.where(climbing.any(), top, len(values) - 1))
                across = jnp.maximum(across, met)
                return i + 1, points, momentum, square, values[top], steepness[top], across

            names = ("step", "points", "momentum", "square", "value", "gradient", "across")
            state = jax.lax.while_loop(
                lambda state: state[0] < stop, one, tuple(item[name] for name in names)
            )
            return {**item, **dict(zip(names, state, strict=True))}

        def unsettled(item: dict[str, Any]) -> jax.Array:
            points = item["points"]
            key = jax.random.fold_in(jax.random.wrap_key_data(item["key"]), item["step"])
            top = highest(jax.lax.map(lambda bead: loss(bead, key), points))
            bead = jax.tree.map(lambda leaf: leaf[top], points)
            gradient = jax.grad(loss)(bead, key)
            square = jnp.asarray(optax.tree.vdot(gradient, gradient))
            norm = jnp.sqrt(square)
            step = PROBE * lengths(points).mean() / jnp.maximum(norm, 1e-30)
            ends = jax.tree.map(
                lambda p, g: jnp.stack([p - step * g, p + step * g]), bead, gradient
            )
            _, slopes = look(ends, key)
            bend = jax.tree.map(lambda leaf: (leaf[1] - leaf[0]) / (2 * step), slopes)
            return jnp.where(square > 0, square**2 / (2 * abs(optax.tree.vdot(gradient, bend))), 0)

        self._advance = each(advance)
        self._unsettled = each(unsettled)

    def start(self, points: Params, keys: np.ndarray, rates: np.ndarray | None = None) -> Bands:
        """n bands about to be lowered, by steps of these parts [n] of RATE; None is all of it."""
        some = next(iter(points.values()))
        count, beads = some.shape[:2]
        return Bands(
            points=points,
            momentum=jax.tree.map(np.zeros_like, points),
            square=np.zeros((count, beads), some.dtype),
            key=keys,
            rate=np.ones(count, some.dtype) if rates is None else rates.astype(some.dtype),
            step=np.zeros(count, np.int32),
            value=np.full(count, np.inf, some.dtype),
            gradient=np.full(count, np.inf, some.dtype),
            across=np.zeros(count, some.dtype),
        )

    def advance(self, bands: Bands) -> Bands:
        """About a second's work (fixed steps on an accelerator)."""
        moved = self._pace.timed(lambda count: self._advance(vars(bands), np.int32(count)))
        return replace(bands, **moved)

    def going(self, bands: Bands) -> bool:
        return bool((bands.step < self.steps).any())

    def unsettled(self, bands: Bands) -> np.ndarray:
        """How much [n] the loss of a band's highest bead would change on the way along its gradient
        to where that vanishes, by the quadratic model: |g|⁴ / 2|gᵀHg|, Hg by differences over the
        last steps' length; infinite on a slope without an end."""
        return np.asarray(self._unsettled(vars(bands)))
