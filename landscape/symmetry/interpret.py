"""Run a jaxpr, and look at what its equations take and give."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.extend import core

from landscape.core.jaxprs import Where, called, scan_parts

Key = TypeVar("Key", bound=Hashable)
# (where, operands, results) → the results to go on with, and what is kept of them
Look = Callable[[Where, list[Any], list[Any]], tuple[list[Any], dict[Key, Any]]]


def run(
    closed: core.ClosedJaxpr,
    inputs: Sequence[Any],
    look: Look[Key],
    places: Collection[Where],
    where: Where = (),
) -> tuple[list[Any], dict[Key, Any]]:
    """Evaluate a jaxpr.

    Args:
        closed: The jaxpr.
        inputs: Its operands.
        look: Is shown each equation of `places`, and may change its results.
        places: Equations, also inside called jaxprs and scans.
        where: Of the equation that the jaxpr is inside of.

    Returns:
        The results; and all that `look` kept. What is inside a scan has its steps on an axis more,
        the last.
    """
    jaxpr, found = closed.jaxpr, dict[Key, Any]()
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *inputs], strict=True))

    def value(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else known[variable]

    for number, equation in enumerate(jaxpr.eqns):
        at, operands = (*where, number), list(map(value, equation.invars))
        inner = called(equation)
        if equation.primitive.name == "scan" and any(key[: len(at)] == at for key in places):
            results, more = _scan(equation, operands, look, places, at)
            found |= more
        elif inner is not None:
            results, more = run(inner, operands, look, places, at)
            found |= more
        else:
            results = equation.primitive.bind(*operands, **equation.params)
            if not equation.primitive.multiple_results:
                results = [results]
        if at in places:
            results, more = look(at, operands, results)
            found |= more
        known.update(zip(equation.outvars, results, strict=True))
    return list(map(value, jaxpr.outvars)), found


def _scan(
    equation: Any, operands: list[Any], look: Look[Key], places: Collection[Where], where: Where
) -> tuple[list[Any], dict[Key, Any]]:
    body, fixed, carried = scan_parts(equation)
    split = fixed + carried

    def step(
        state: list[Any], fed: list[Any]
    ) -> tuple[list[Any], tuple[list[Any], dict[Key, Any]]]:
        results, found = run(body, [*operands[:fixed], *state, *fed], look, places, where)
        return results[:carried], (results[carried:], found)

    params = equation.params
    state, (given, found) = jax.lax.scan(
        step, operands[fixed:split], operands[split:], params["length"], params["reverse"]
    )
    return [*state, *given], jax.tree.map(lambda one: jnp.moveaxis(one, 0, -1), found)
