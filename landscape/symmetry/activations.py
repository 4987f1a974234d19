"""What each unit gives over the data: the intermediate values of a jaxpr that a class is along."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from landscape.core.jaxprs import Where
from landscape.core.trees import Params
from landscape.symmetry.derive import Derivation
from landscape.symmetry.interpret import run
from landscape.symmetry.spec import PermutationClass, PermutationSpec, Place


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
    layers = {where for where, _ in wanted}

    def look(
        where: Where, operands: list[Any], results: list[Any]
    ) -> tuple[list[Any], dict[tuple[Where, int], Any]]:
        keys = (((where, k), operand) for k, operand in enumerate(operands))
        return results, {key: operand for key, operand in keys if key in wanted}

    evaluate = jax.jit(lambda leaves: run(derivation.jaxpr, leaves, look, layers)[1])
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
