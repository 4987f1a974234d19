"""The units of a layer in another order: the same function at another point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from landscape.trees import Params


def permuted(params: Params, units: Sequence[int], axes: Mapping[str, int]) -> Params:
    """Unit i of the result is unit units[i]: `axes` names, for every array that has these units,
    their axis. Raises ValueError for an array or an axis that is not there, or of another length.
    """
    result = dict(params)
    for name, axis in axes.items():
        if name not in params:
            raise ValueError(f"no parameter '{name}' (allowed: {', '.join(params)})")
        shape = params[name].shape
        if not -len(shape) <= axis < len(shape) or shape[axis] != len(units):
            raise ValueError(f"{name}, of shape {shape}, has no axis {axis} of {len(units)} units")
        result[name] = np.take(np.asarray(params[name]), np.asarray(units), axis=axis)
    return result
