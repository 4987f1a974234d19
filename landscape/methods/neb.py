"""The nudged elastic band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from landscape.core.settings import Count, Rate
from landscape.methods.bands import Band, Cycle, Descent, falling


class NEB(Band):
    """The nudged elastic band: points between two models descend across the band that they make.

    The tangents are the improved ones. The points are put at even distances after every step, or
    held apart by `springs`; with `climb` the highest one is driven up to the saddle. The band is a
    path as it is. It ends NOT_FOUND when `steps` are spent, and NON_FINITE when a point does not
    stay finite.

    References:
        Henkelman & Jónsson 2000; Henkelman, Uberuaga & Jónsson 2000.
    """

    name: ClassVar[str] = "neb"

    steps: Count = 1000
    """Of all points, at most."""
    rate: Rate = 0.2
    """Of a step; it falls to a tenth of itself."""
    springs: Annotated[float, Field(gt=0)] | None = None
    """Their stiffness, of the loss over a squared length. Null: infinite, the points are put at
    even distances."""
    climb: bool = False
    """Drive the highest point uphill along the band, to the saddle."""

    @property
    def schedule(self) -> Sequence[Cycle]:
        return falling(self.steps, self.rate)

    def descent(self) -> Descent:
        return Descent(self.step == "scaled", self.climb, self.springs)
