"""Which arrays a path moves: the length over each parameter array by itself."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import ClassVar, Literal

from landscape.core import paths
from landscape.core.landscape import Landscape
from landscape.measures.base import Measure, Quantity, Subject


class ArrayLengths(Measure):
    """The normalised length over each array whose name matches `over`.

    None where the array is the same at both ends. Squares of lengths over arrays do not add up to
    the whole path's: each array has its own pace.
    """

    name: ClassVar[str] = "array-lengths"
    of: ClassVar[Literal["path", "model"]] = "path"

    over: str = "*"
    """A glob of the arrays' names."""

    def check(self, landscape: Landscape) -> None:
        if not self._names(landscape):
            allowed = ", ".join(landscape.shapes)
            raise ValueError(f"over: '{self.over}' matches none of: {allowed}")

    def bind(self, landscape: Landscape):
        names = self._names(landscape)

        def measure(subject: Subject) -> Mapping[str, Quantity]:
            found = {}
            for name in names:
                alone = {name: subject.points[name]}
                chord = paths.chord(alone)
                found[name] = Quantity(paths.length(alone) / chord if chord > 0 else None)
            return found

        return measure

    def _names(self, landscape: Landscape) -> list[str]:
        return [name for name in landscape.shapes if fnmatchcase(name, self.over)]
