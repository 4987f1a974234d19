"""Rules of what moves values, and changes none: which places they come to."""

from __future__ import annotations

from collections.abc import Sequence

from landscape.symmetry.axes import Axis, Uniform, joined, pieces, regrouped
from landscape.symmetry.step import Axes, Step


def broadcast(step: Step) -> list[Axes]:
    found: list[Axis] = list(map(Uniform, step.shapes[0]))
    for axis, place in zip(step.operands[0], step.params["broadcast_dimensions"], strict=True):
        if axis.size == step.shapes[0][place]:
            found[place] = axis
    return [tuple(found)]


def transposed(step: Step) -> list[Axes]:
    return [tuple(step.operands[0][place] for place in step.params["permutation"])]


def squeezed(step: Step) -> list[Axes]:
    gone = step.params["dimensions"]
    return [tuple(axis for place, axis in enumerate(step.operands[0]) if place not in gone)]


def reshaped(step: Step) -> list[Axes]:
    """Runs of axes of the same product, before and after."""
    found: list[Axis] = []
    old, new = list(step.operands[0]), list(step.shapes[0])
    while new:
        axes, sizes = old[:1], [new.pop(0)]
        old = old[1:]
        many, few = axes[0].size if axes else 1, sizes[0]
        while many != few:
            if many < few and old:
                axes.append(old.pop(0))
                many *= axes[-1].size
            elif new:
                sizes.append(new.pop(0))
                few *= sizes[-1]
            else:
                break
        found += regrouped(axes, sizes, step.name)
    return [tuple(found)]


def sliced(step: Step) -> list[Axes]:
    starts, limits = step.params["start_indices"], step.params["limit_indices"]
    strides = step.params["strides"] or [1] * len(starts)
    found: list[Axis] = []
    for axis, start, limit, stride in zip(step.operands[0], starts, limits, strides, strict=True):
        if stride == 1:
            lengths = (start, limit - start, axis.size - limit)
            found.append(pieces(axis, lengths, step.name)[1])
        else:
            found.append(step.part(axis, len(range(start, limit, stride))))
    return [tuple(found)]


def split_in_parts(step: Step) -> list[Axes]:
    place = step.params["axis"]
    (operand,) = step.operands
    parts = pieces(operand[place], [int(size) for size in step.params["sizes"]], step.name)
    return [(*operand[:place], part, *operand[place + 1 :]) for part in parts]


def concatenated(step: Step) -> list[Axes]:
    along = step.params["dimension"]
    found = list(step.operands[0])
    for operand in step.operands[1:]:
        found = _others(step, found, operand, along)
    found[along] = joined([operand[along] for operand in step.operands])
    return [tuple(found)]


def _others(step: Step, x: Sequence[Axis], y: Sequence[Axis], along: int) -> list[Axis]:
    """The axes of two arrays but for one, which is left as the first has it."""
    pairs = enumerate(zip(x, y, strict=True))
    return [a if place == along else step.one(a, b) for place, (a, b) in pairs]


def padded(step: Step) -> list[Axes]:
    found: list[Axis] = []
    for axis, (low, high, inner) in zip(
        step.operands[0], step.params["padding_config"], strict=True
    ):
        if inner == 0 and low >= 0 and high >= 0:
            found.append(joined([Uniform(low), axis, Uniform(high)]) if low or high else axis)
        else:
            size = step.shapes[0][len(found)]
            found.append(step.part(axis, size))
    return [tuple(found)]


def dynamic_slice(step: Step) -> list[Axes]:
    found = [
        axis if axis.size == size else step.part(axis, size)
        for axis, size in zip(step.operands[0], step.shapes[0], strict=True)
    ]
    return [tuple(found)]


def dynamic_update(step: Step) -> list[Axes]:
    found: list[Axis] = []
    for axis, other in zip(step.operands[0], step.operands[1], strict=True):
        if axis.size == other.size:
            found.append(step.one(axis, other))
            continue
        for one in (axis, other):
            step.pinned(one)
        found.append(step.new(axis.size))
    return [tuple(found)]
