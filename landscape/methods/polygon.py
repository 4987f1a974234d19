"""Polygonal curves between two models."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from landscape.core.settings import Count
from landscape.methods.curves import Curve
from landscape.search.curves import Basis


def hats(points: int) -> Basis:
    """Hat functions: max(0, 1 − |n t − j|) of control point j of 0 … n."""
    last, numbers = points - 1, np.arange(points)

    def weights(t: Any) -> Any:
        return (1 - abs(last * t[..., None] - numbers)).clip(0)

    return weights


class Polygon(Curve):
    """A polygonal curve that is trained below the level, and then made shorter.

    Its beads are its control points. It ends NOT_FOUND when `steps` are spent, STUCK when the loss
    has no gradient where the curve begins, and NON_FINITE when the loss on the curve does not stay
    finite.

    References:
        Garipov et al. 2018, Sec. 3.2. They descend the loss itself, and do not shorten.
    """

    name: ClassVar[str] = "polygon"
    sampled: ClassVar[bool] = False

    batch: Count = 2
    """Places on the curve that a step takes a gradient at, each drawn from its own part of it: one
    a segment, or more, lets all control points move."""

    @property
    def basis(self) -> Basis:
        return hats(self.points)
