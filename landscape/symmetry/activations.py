"""What each unit gives over the data: the intermediate values of a jaxpr that a class is along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from landscape.core.jaxprs import called, scan_parts
from landscape.core.trees import Params
from landscape.symmetry.derive import Derivation, Where
from landscape.symmetry.spec import PermutationClass, PermutationSpec, Place

Found = dict[tuple[Where, int], Any]


def activations(derivation: Derivation, *networks: Params) -> tuple[PermutationSpec, list[Params]]:
    """The activations that layers read, each unit's of mean 0 and norm 1 over the data.

    Args:
        derivation: The function's, with the data in its jaxpr.
        networks: Named arrays.

    Returns:
        Where the classes are in the activations; and the named activations of each network. A class
        without activations that a layer reads has no place in them.
    """
    wanted = derivation.read.keys()
    evaluate = jax.jit(lambda leaves: _run(derivation.jaxpr, leaves, (), set(wanted))[1])
    names = {key: f"{'.'.join(map(str, key[0]))}-{key[1]}" for key in wanted}
    places: list[list[Place]] = [[] for _ in derivation.spec.classes]
    for key, own in derivation.read.items():
        for number, place in own:
            places[number].append(replace(place, array=names[key]))
    classes = zip(derivation.spec.classes, places, strict=True)
    spec = PermutationSpec(tuple(PermutationClass(one.size, tuple(own)) for one, own in classes))
    found = []
    for params in networks:
        values = evaluate([params[name] for name in sorted(params)])
        found.append(
            {
                names[key]: _standardised(np.asarray(value), [place for _, place in own])
                for key, own in derivation.read.items()
                for value in [values[key]]
            }
        )
    return spec, found


def _standardised(values: np.ndarray, places: list[Place]) -> np.ndarray:
    """Over what is no unit: with one place, all else than the unit; with more, the other axes."""
    if len(places) == 1:
        index, axis = places[0].index, places[0].axis
        taken = np.moveaxis(np.take(values, index.ravel(), axis), axis, 0)
        rows = _unit_rows(taken.reshape(len(index), -1)).reshape(taken.shape)
        result = np.zeros(np.moveaxis(values, axis, 0).shape, rows.dtype)
        result[index.ravel()] = rows
        return np.moveaxis(result, 0, axis)
    kept = sorted({place.axis for place in places})
    first = np.moveaxis(values, kept, range(len(kept)))
    rows = _unit_rows(first.reshape(int(np.prod(first.shape[: len(kept)])), -1))
    return np.moveaxis(rows.reshape(first.shape), range(len(kept)), kept)


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    """Zeros of a unit that never changes."""
    rows = rows - rows.mean(1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


def _run(
    closed: core.ClosedJaxpr, inputs: Sequence[Any], where: Where, wanted: set[tuple[Where, int]]
) -> tuple[list[Any], Found]:
    """The results of a jaxpr, and the operands that are wanted; those inside a scan have its steps
    on an axis more, the last."""
    jaxpr, found = closed.jaxpr, Found()
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*closed.consts, *inputs], strict=True))

    def value(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else known[variable]

    for number, equation in enumerate(jaxpr.eqns):
        at, operands = (*where, number), list(map(value, equation.invars))
        found |= {(at, k): one for k, one in enumerate(operands) if (at, k) in wanted}
        inside = any(key[: len(at)] == at and len(key) > len(at) for key, _ in wanted)
        inner = called(equation)
        if inside and equation.primitive.name == "scan":
            results, more = _scan(equation, operands, at, wanted)
            found |= more
        elif inner is not None:
            results, more = _run(inner, operands, at, wanted)
            found |= more
        else:
            results = equation.primitive.bind(*operands, **equation.params)
            if not equation.primitive.multiple_results:
                results = [results]
        known.update(zip(equation.outvars, results, strict=True))
    return list(map(value, jaxpr.outvars)), found


def _scan(
    equation: Any, operands: list[Any], where: Where, wanted: set[tuple[Where, int]]
) -> tuple[list[Any], Found]:
    body, fixed, carried = scan_parts(equation)
    split = fixed + carried

    def step(state: list[Any], fed: list[Any]) -> tuple[list[Any], tuple[list[Any], Found]]:
        results, found = _run(body, [*operands[:fixed], *state, *fed], where, wanted)
        return results[:carried], (results[carried:], found)

    params = equation.params
    state, (given, found) = jax.lax.scan(
        step, operands[fixed:split], operands[split:], params["length"], params["reverse"]
    )
    return [*state, *given], {key: jnp.moveaxis(one, 0, -1) for key, one in found.items()}
