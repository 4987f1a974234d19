"""The path as it stands: its certificate alone decides."""

from __future__ import annotations

from typing import ClassVar

from landscape.core import trees
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.methods.base import Method
from landscape.search.state import Problem, Search, Stepper


class Straight(Method):
    """No search: the straight segment between the ends, or the path that is given, as it is.

    References:
        Frankle et al. 2020, linear mode connectivity.
    """

    name: ClassVar[str] = "straight"
    makes_start: ClassVar[bool] = True
    searches: ClassVar[bool] = False

    def bind(self, problem: Problem, level: LevelSpec) -> Stepper:
        def step(search: Search) -> None:
            for string in search.active:
                what = "straight segment" if trees.count(string.points) == 2 else "given path"
                string.terminate(Status.CONNECTED, f"the {what} rises above the level")

        return step
