"""The units of a layer in another order: the same function at another point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from landscape.core.trees import Params


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
    result = dict(params)
    for name, given in axes.items():
        if name not in params:
            raise ValueError(f"no parameter '{name}' (allowed: {', '.join(params)})")
        shape = params[name].shape
        for axis in [given] if isinstance(given, int) else given:
            if not -len(shape) <= axis < len(shape) or shape[axis] % len(units):
                raise ValueError(
                    f"{name}, of shape {shape}, has no axis {axis} of {len(units)} units"
                )
            rows = np.arange(0, shape[axis], len(units))
            order = (rows[:, None] + np.asarray(units)).ravel()
            result[name] = np.take(np.asarray(result[name]), order, axis=axis)
    return result
