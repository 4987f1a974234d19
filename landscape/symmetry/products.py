"""Rules of products and sums over axes, of windows, and of looking up."""

from __future__ import annotations

from landscape.symmetry.axes import Axis, product, regrouped
from landscape.symmetry.step import Axes, Step, without_rule


def multiplied(step: Step) -> list[Axes]:
    (left_over, right_over), (left_batch, right_batch) = step.params["dimension_numbers"]
    left, right = step.operands
    for x, y in zip(left_over, right_over, strict=True):
        step.one(left[x], right[y])
    batch = [step.one(left[x], right[y]) for x, y in zip(left_batch, right_batch, strict=True)]
    gone = {*left_over, *left_batch}, {*right_over, *right_batch}
    free = [
        axis
        for operand, others in zip(step.operands, gone, strict=True)
        for place, axis in enumerate(operand)
        if place not in others
    ]
    return [(*batch, *free)]


def convolved(step: Step) -> list[Axes]:
    params = step.params
    image, kernel, result = params["dimension_numbers"]
    if params["batch_group_count"] != 1:
        return without_rule(step)
    left, right = step.operands
    groups = params["feature_group_count"]
    channels = left[image[1]]
    if groups > 1:
        group, channels = regrouped([channels], (groups, channels.size // groups), step.name)
        outer, inner = regrouped(
            [right[kernel[0]]], (groups, right[kernel[0]].size // groups), step.name
        )
        filters = product([step.one(group, outer), inner])
    else:
        filters = right[kernel[0]]
    step.one(channels, right[kernel[1]])
    found: dict[int, Axis] = {result[0]: left[image[0]], result[1]: filters}
    settings = ("window_strides", "padding", "lhs_dilation", "rhs_dilation")
    for number, (stride, padding, *dilations) in enumerate(
        zip(*(params[key] for key in settings), strict=True)
    ):
        axis, window = left[image[2 + number]], right[kernel[2 + number]]
        place = result[2 + number]
        found[place] = axis
        if window.size > 1 or stride != 1 or tuple(padding) != (0, 0) or dilations[0] != 1:
            step.pinned(axis)
            step.pinned(window)
            found[place] = step.new(step.shapes[0][place])
    return [tuple(found[place] for place in range(len(found)))]


def free(step: Step, operand: int) -> tuple[int, ...]:
    """The axes of a product's result that are of one operand alone."""
    if step.name == "conv_general_dilated":
        _, _, result = step.params["dimension_numbers"]
        return (result[operand],)
    summed, batch = step.params["dimension_numbers"]
    ranks = [
        len(axes) - len(over) - len(own)
        for axes, over, own in zip(step.operands, summed, batch, strict=True)
    ]
    first = len(batch[0]) + (ranks[0] if operand else 0)
    return tuple(range(first, first + ranks[operand]))


def windows(step: Step) -> list[Axes]:
    keys = ("window_dimensions", "window_strides", "padding", "base_dilation")
    found: list[Axis] = []
    for axis, size, window, stride, padding, dilation in zip(
        step.operands[0], step.shapes[0], *(step.params[key] for key in keys), strict=True
    ):
        alone = window == stride == dilation == 1 and tuple(padding) == (0, 0)
        found.append(axis if alone else step.part(axis, size))
    return [tuple(found)]


def gathered(step: Step) -> list[Axes]:
    """Axes that are taken whole go on; those that are looked up in have an order."""
    numbers, sizes = step.params["dimension_numbers"], step.params["slice_sizes"]
    operand, indices = step.operands
    paired = dict(
        zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)
    )
    before: list[Axis] = list(indices[:-1])
    taken: list[Axis] = []
    for place, (axis, size) in enumerate(zip(operand, sizes, strict=True)):
        if place in paired:
            before[paired[place]] = step.one(before[paired[place]], axis)
        elif size == axis.size and place not in numbers.collapsed_slice_dims:
            taken.append(axis)
        else:
            step.pinned(axis)
            if place not in numbers.collapsed_slice_dims:
                taken.append(step.new(size))
    offset = set(numbers.offset_dims)
    rank = len(step.shapes[0])
    return [tuple(taken.pop(0) if place in offset else before.pop(0) for place in range(rank))]
