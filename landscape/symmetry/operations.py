"""Which operation of a function is the first to lose what its parameters were multiplied by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from landscape.core.jaxprs import Where, called
from landscape.core.trees import Params
from landscape.symmetry.interpret import run

Alike = Callable[[np.ndarray, np.ndarray], bool]  # values before and after
NEAR = 1e-3  # of the largest value: what differs by less is alike, to rounding in float32


class Operations:
    """The operations of a function in their order, and what they give at a point."""

    def __init__(self, function: Callable[[Params], Any], point: Params) -> None:
        self.jaxpr = jax.make_jaxpr(function)(dict(point))
        self.names = dict(_named(self.jaxpr))

        def look(
            where: Where, operands: list[Any], results: list[Any]
        ) -> tuple[list[Any], dict[Where, list[Any]]]:
            del operands
            real = [one for one in results if jnp.issubdtype(one.dtype, jnp.floating)]
            return results, {where: real}

        self.evaluate = jax.jit(lambda leaves: run(self.jaxpr, leaves, look, self.names)[1])
        self.before = self._at(point)

    def results(self, params: Params) -> list[Any]:
        """What the function gives, by operations that JAX can differentiate in every way."""
        leaves = [params[name] for name in sorted(params)]
        return run(self.jaxpr, leaves, _look_away, ())[0]

    def first_lost(self, params: Params, alike: Alike) -> Where | None:
        """The first whose values at other parameters are not like those at the point."""
        after = self._at(params)
        for where in sorted(self.names):
            if not all(map(alike, self.before[where], after[where])):
                return where
        return None

    def _at(self, params: Params) -> dict[Where, list[np.ndarray]]:
        found = self.evaluate([params[name] for name in sorted(params)])
        return {where: [np.asarray(one, np.float64) for one in of] for where, of in found.items()}


def same_size(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether values are the same but for their signs."""
    there = np.isfinite(before)
    x, y = before[there], after[there]
    return bool((np.abs(np.abs(x) - np.abs(y)) <= NEAR * np.abs(x).max(initial=0)).all())


def doubled(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether every value is multiplied by a power of 2."""
    there = np.isfinite(before) & (np.abs(before) > NEAR * np.abs(before).max(initial=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.log2(after[there] / before[there])
    return bool((np.abs(power - np.round(power)) <= NEAR).all())


def _named(
    closed: core.ClosedJaxpr, of: str = "", where: Where = ()
) -> Iterator[tuple[Where, str]]:
    """The operations, those of called functions too, with the function that they are of."""
    for number, equation in enumerate(closed.jaxpr.eqns):
        inner, at, name = called(equation), (*where, number), equation.primitive.name
        if inner is None:
            yield at, f"{name} ({of})" if of else name
        else:
            yield from _named(inner, equation.params.get("name", of), at)


def _look_away(
    where: Where, operands: list[Any], results: list[Any]
) -> tuple[list[Any], dict[Where, Any]]:
    del where, operands
    return results, {}
