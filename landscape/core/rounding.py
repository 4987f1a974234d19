"""How far a loss is from the same in double precision."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from landscape.core.landscape import Landscape
from landscape.core.trees import Params

Rounding = Callable[[Params, float], float | None]


def rounding_of(landscape: Landscape) -> Rounding:
    """How far the loss that was found at a point is from the loss there in float64; None where the
    task or the device computes in float32 whatever the parameters are."""
    doubled = jax.jit(landscape.double_level) if landscape.double_level else None
    known = True

    def rounding(point: Params, loss: float) -> float | None:
        nonlocal known
        if doubled is None or not known or not np.isfinite(loss):
            return None
        with jax.enable_x64(True), jax.default_matmul_precision("highest"):
            try:
                exact = doubled({k: np.asarray(leaf, np.float64) for k, leaf in point.items()})
            except Exception:  # of the task's own code: a loop that carries float32, an assertion
                known = False
                return None
            known = exact.dtype == np.float64
            return abs(float(exact) - loss) if known else None

    return rounding
