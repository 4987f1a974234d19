"""What equations of a jaxpr hold inside: jaxprs that are called, and the parts of a scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
from jax.extend import core

Where = tuple[int, ...]  # the equation's number, and of those that it is inside of, before it


def equations(jaxpr: Any) -> Iterator[Any]:
    """Those of a jaxpr, and of all that are inside."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
        ):
            if hasattr(inner := getattr(inner, "jaxpr", inner), "eqns"):
                yield from equations(inner)


def called(equation: Any) -> core.ClosedJaxpr | None:
    """What an equation calls once with its own operands (jit, checkpoint, custom derivatives);
    None where it calls nothing so, as a scan, which calls its body at every step."""
    params = equation.params
    inner = next((params[key] for key in ("jaxpr", "call_jaxpr") if key in params), None)
    if isinstance(inner, core.Jaxpr):
        inner = core.ClosedJaxpr(inner, ())
    if inner is None or len(inner.jaxpr.invars) != len(equation.invars):
        return None
    return None if equation.primitive.name == "scan" else inner


class ScanParts(NamedTuple):
    """The body of a scan, and how many of its operands are fixed, and how many carried."""

    body: core.ClosedJaxpr
    fixed: int
    carried: int


def scan_parts(equation: Any) -> ScanParts:
    """What is fed in and given out by steps has an axis more outside; JAX's own counts of these
    are not the same in all versions."""
    body = equation.params["jaxpr"]
    fed = _longer(equation.invars, body.jaxpr.invars)
    carried = len(equation.outvars) - _longer(equation.outvars, body.jaxpr.outvars)
    return ScanParts(body, len(equation.invars) - fed - carried, carried)


def _longer(outside: Iterable[Any], inside: Iterable[Any]) -> int:
    """How many of these variables have an axis more outside."""
    pairs = zip(outside, inside, strict=True)
    return sum(len(outer.aval.shape) > len(inner.aval.shape) for outer, inner in pairs)
