"""Bezier curves between two models."""

from __future__ import annotations

from math import comb
from typing import Any, ClassVar

import numpy as np

from landscape.methods.curves import Curve
from landscape.search.curves import Basis


def bernstein(points: int) -> Basis:
    """Bernstein's polynomials: C(n, j) tʲ (1 − t)ⁿ⁻ʲ of control point j of 0 … n."""
    last = points - 1
    powers = np.arange(points)
    counts = np.array([comb(last, j) for j in range(points)], float)

    def weights(t: Any) -> Any:
        t = t[..., None]
        return counts * t**powers * (1 - t) ** (last - powers)

    return weights


class Bezier(Curve):
    """A Bezier curve that is trained below the level, and then made shorter.

    The path is of points of the curve at even distances, as few as the certificate allows. It ends
    NOT_FOUND when `steps` are spent, STUCK when the loss has no gradient where the curve begins,
    and NON_FINITE when the loss on the curve does not stay finite.

    References:
        Garipov et al. 2018, Sec. 3.2. They descend the loss itself, and do not shorten.
    """

    name: ClassVar[str] = "bezier"

    @property
    def basis(self) -> Basis:
        return bernstein(self.points)
