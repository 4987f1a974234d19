"""The units of a layer in another order or of another scale: the same function elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from landscape.core.trees import Params

Orders = Mapping[tuple[str, int], np.ndarray]  # (array, axis) → the old place of each new one
Factors = Mapping[tuple[str, int], np.ndarray]  # (array, axis) → what each place is multiplied by


def permuted(
    params: Params, units: Sequence[int], axes: Mapping[str, int | Sequence[int]]
) -> Params:
    """Permute the units of a layer: unit i of the result is unit units[i].

    Args:
        params: Named arrays.
        units: The old place of each unit.
        axes: For every array that has these units, the axis or axes that they are of it. An axis
            that is k times as long as there are units holds k rows of them, as the places of a
            flattened image and the gates of an LSTM are.

    Returns:
        The arrays with their units permuted.

    Raises:
        ValueError: An array or an axis is not there, or has another length.
    """
    shapes = {name: leaf.shape for name, leaf in params.items()}
    orders = {
        place: unit_places(shapes, len(units), *place)[np.asarray(units)].T.ravel()
        for name, given in axes.items()
        for place in ([(name, given)] if isinstance(given, int) else [(name, a) for a in given])
    }
    return reordered(params, orders)


def unit_places(
    shapes: Mapping[str, tuple[int, ...]], units: int, name: str, axis: int
) -> np.ndarray:
    """Where the units are along an axis that holds rows of them: [units, rows].

    Raises ValueError where the array or the axis is not there, or has another length.
    """
    if name not in shapes:
        raise ValueError(f"no parameter '{name}' (allowed: {', '.join(shapes)})")
    shape = shapes[name]
    if not -len(shape) <= axis < len(shape) or shape[axis] % units:
        raise ValueError(f"{name}, of shape {shape}, has no axis {axis} of {units} units")
    return np.arange(shape[axis]).reshape(-1, units).T


def reordered(params: Params, orders: Orders) -> Params:
    """Take the places of axes in other orders.

    Args:
        params: Named arrays.
        orders: (array, axis) → the old place of each of the new ones.

    Returns:
        The arrays, those without an order as they are.
    """
    result = dict(params)
    for (name, axis), order in orders.items():
        result[name] = np.take(np.asarray(result[name]), order, axis=axis)
    return result


def scaled(params: Params, factors: Factors) -> Params:
    """Multiply the places along axes.

    Args:
        params: Named arrays.
        factors: (array, axis) → the factor of each place.

    Returns:
        The arrays, each of its own type.
    """
    result = dict(params)
    for (name, axis), factor in factors.items():
        leaf = np.asarray(result[name])
        shape = [-1 if place == axis else 1 for place in range(leaf.ndim)]
        result[name] = (leaf * factor.reshape(shape)).astype(leaf.dtype)
    return result


class Change(NamedTuple):
    """Another point of the same function: the places of axes in other orders, then multiplied."""

    orders: Orders
    factors: Factors

    def of(self, params: Params) -> Params:
        """The arrays, changed."""
        return scaled(reordered(params, self.orders), self.factors)

    def of_path(self, points: Params) -> Params:
        """Every bead of a path [beads, ...], changed."""
        orders, factors = (
            {(name, axis + 1): one for (name, axis), one in by.items()} for by in self
        )
        return Change(orders, factors).of(points)
