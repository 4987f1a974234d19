"""An equation of a jaxpr, as the rules see it."""

from __future__ import annotations

from typing import Any, NamedTuple

from landscape.symmetry.axes import Axis, Uniform, fixed, pin, unify

Axes = tuple[Axis, ...]
Shape = tuple[int, ...]


class Step(NamedTuple):
    """An equation: the primitive's name and settings, its operands' axes, its results' shapes."""

    name: str
    params: dict[str, Any]
    operands: list[Axes]
    shapes: list[Shape]

    def pinned(self, axis: Axis) -> None:
        pin(axis, f"its order counts in {self.name}")

    def new(self, size: int) -> Axis:
        return fixed(size, f"its order counts in {self.name}")

    def one(self, x: Axis, y: Axis) -> Axis:
        return unify(x, y, self.name)

    def part(self, axis: Axis, size: int) -> Axis:
        """Some places of an axis, which give all of them an order."""
        if isinstance(axis, Uniform):
            return Uniform(size)
        self.pinned(axis)
        return self.new(size)


def without_rule(step: Step) -> list[Axes]:
    """Every axis of the operands and the results is pinned."""
    reason = f"{step.name}, which has no rule"
    for axis in (axis for operand in step.operands for axis in operand):
        pin(axis, reason)
    return [tuple(fixed(size, reason) for size in shape) for shape in step.shapes]
