"""The network halfway between two: as it is, with units that vary over the data as in the ends, and
with running statistics that are interpolated."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscape.core import trees
from landscape.core.jaxprs import Where
from landscape.core.landscape import Landscape
from landscape.core.trees import Params
from landscape.symmetry.derive import derive
from landscape.symmetry.interpret import run


class Halfway(NamedTuple):
    """The level's metric halfway between two networks.

    Attributes:
        value: As it is, running statistics recomputed where the landscape does so.
        repaired: After REPAIR; None of a landscape without units that it is for.
        stale: With running statistics halfway between the ends'; None where none are recomputed.
    """

    value: float
    repaired: float | None
    stale: float | None


class _Moments(NamedTuple):
    """Of each unit over the data, [units]."""

    mean: jax.Array
    deviation: jax.Array


_Kept = dict[Where, tuple[jax.Array, jax.Array]]  # means and variances, [units, parts]


class _Change(NamedTuple):
    """By which each unit is multiplied, and what is added, [units]."""

    scale: jax.Array
    shift: jax.Array


class Middle:
    """Looks at networks halfway between two; compiled once.

    A unit of such a network varies less over the data than in either end. REPAIR gives
    each the mean and the standard deviation that are halfway between those of the two networks, one
    layer after the other: in what weights make of data, before the bias and the activation. It is
    for units that have no order; the network's results stay as they are. The data are the level's;
    a rest that a metric runs through apart from equal chunks is repaired by itself.

    References:
        Jordan et al. 2022, Sec. 4.
    """

    def __init__(self, landscape: Landscape) -> None:
        derivation = derive(landscape.level, landscape.shapes)
        self._jaxpr, self._layers = derivation.jaxpr, derivation.made
        self._evaluate = jax.jit(self._run)
        self._level = jax.jit(landscape.level)
        state = landscape.state
        self._stale = None
        if state is not None and state.policy == "recompute":

            def stale(a: Params, b: Params) -> jax.Array:
                mean = trees.lerp(state.recompute(a), state.recompute(b), 0.5)
                return state.level(trees.lerp(a, b, 0.5), mean)

            self._stale = jax.jit(stale)

    def __call__(self, a: Params, b: Params) -> Halfway:
        """Of two networks."""
        return Halfway(
            float(self._level(trees.lerp(a, b, 0.5))),
            self._repaired(a, b) if self._layers else None,
            None if self._stale is None else float(self._stale(a, b)),
        )

    def _repaired(self, a: Params, b: Params) -> float:
        first, second = (self._evaluate(end)[1] for end in (a, b))
        half = trees.lerp(a, b, 0.5)
        changes = {
            where: _Change(jnp.ones_like(own.mean), jnp.zeros_like(own.mean))
            for where, own in first.items()
        }
        for where in self._layers:  # in the order of the network: each moves those after it
            now = self._evaluate(half, changes)[1][where]
            changes[where] = _towards(now, trees.lerp(first[where], second[where], 0.5))
        return float(self._evaluate(half, changes)[0])

    def _run(
        self, params: Params, changes: dict[Where, _Change] | None = None
    ) -> tuple[jax.Array, dict[Where, _Moments]]:
        """The metric of a network whose units are changed, and their moments before that."""

        def look(where: Where, _: list[Any], results: list[Any]) -> tuple[list[Any], _Kept]:
            (units,) = results
            over = tuple(k for k in range(units.ndim) if k not in self._layers[where])
            found = {where: (units.mean(over), units.var(over))}
            if changes is None:
                return results, found
            scale, shift = (jnp.expand_dims(one, over) for one in changes[where])
            return [(units * scale + shift).astype(units.dtype)], found

        leaves = [params[name] for name in sorted(params)]
        (value,), found = run(self._jaxpr, leaves, look, self._layers.keys())
        ranks = {where: len(axes) for where, axes in self._layers.items()}
        return value, {where: _of_all(found[where], rank) for where, rank in ranks.items()}


def _of_all(kept: tuple[jax.Array, jax.Array], rank: int) -> _Moments:
    """Of units whose data are in equal parts, one after the other on the axes after theirs."""
    means, variances = kept
    parts = tuple(range(rank, means.ndim))
    variance = variances.mean(parts) + means.var(parts)
    return _Moments(means.mean(parts), jnp.sqrt(variance))


def _towards(now: _Moments, wanted: _Moments) -> _Change:
    """A unit that never changes keeps its deviation."""
    varies = now.deviation > 0
    scale = jnp.where(varies, wanted.deviation / jnp.where(varies, now.deviation, 1), 1)
    return _Change(scale, wanted.mean - scale * now.mean)
