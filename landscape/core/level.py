"""A level, and what a search at it keeps to."""

from __future__ import annotations

from typing import NamedTuple


class LevelSpec(NamedTuple):
    """A level, and what a search at it keeps to.

    Attributes:
        level: What the loss must stay below.
        reach: How far below it beads descend, as a multiple of a positive level.
        tolerance: How far above it a path may rise, as a multiple of a positive level.
    """

    level: float
    reach: float = 0.95
    tolerance: float = 1.0

    @property
    def limit(self) -> float:
        """What the whole path must stay below, level + (tolerance − 1)·|level|."""
        return self.level + (self.tolerance - 1) * abs(self.level)

    @property
    def target(self) -> float:
        """What a bead descends to, level − (1 − reach)·|level|."""
        return self.level - (1 - self.reach) * abs(self.level)

    def at(self, level: float) -> LevelSpec:
        """The same at another level."""
        return self._replace(level=level)
