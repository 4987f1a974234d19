"""What each primitive of JAX does with axes: which of its operands' are one, and which its results
have. What has no rule here pins every axis that it meets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from landscape.symmetry.axes import (
    Axis,
    Uniform,
    fixed,
    joined,
    pieces,
    pin,
    product,
    regrouped,
    unify,
)

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


Rule = Callable[[Step], list[Axes]]

ELEMENTWISE = {
    "abs", "acos", "acosh", "add", "add_any", "and", "asin", "asinh", "atan", "atan2", "atanh",
    "bessel_i0e", "bessel_i1e", "cbrt", "ceil", "clamp", "clz", "convert_element_type", "copy",
    "cos", "cosh", "device_put", "digamma", "div", "eq", "eq_to", "erf", "erf_inv", "erfc", "exp",
    "exp2", "expm1", "floor", "ge", "gt", "igamma", "igammac", "imag", "integer_pow", "is_finite",
    "le", "le_to", "lgamma", "log", "log1p", "logistic", "lt", "lt_to", "max", "min", "mul", "ne",
    "neg", "nextafter", "not", "optimization_barrier", "or", "polygamma", "population_count", "pow",
    "real", "reduce_precision", "regularized_incomplete_beta", "rem", "round", "rsqrt", "select_n",
    "shift_left", "shift_right_arithmetic", "shift_right_logical", "sign", "sin", "sinh", "sqrt",
    "square", "stop_gradient", "sub", "tan", "tanh", "xor", "zeta",
}  # fmt: skip
REDUCTIONS = {
    "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum",
    "reduce_xor",
}  # fmt: skip
ORDERED = {"argmax", "argmin"}  # reductions whose result is a place
ALONG = {"cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"}
WINDOWS = {"reduce_window_max", "reduce_window_min", "reduce_window_sum"}


def results(step: Step) -> list[Axes] | None:
    """The axes of an equation's results; None for a primitive without a rule."""
    rule = RULES.get(step.name)
    return None if rule is None else rule(step)


def without_rule(step: Step) -> list[Axes]:
    """Every axis of the operands and the results is pinned."""
    reason = f"{step.name}, which has no rule"
    for axis in (axis for operand in step.operands for axis in operand):
        pin(axis, reason)
    return [tuple(fixed(size, reason) for size in shape) for shape in step.shapes]


def _elementwise(step: Step) -> list[Axes]:
    if step.name == "optimization_barrier":
        return step.operands
    rank = len(step.shapes[0])
    found: Axes = tuple(map(Uniform, step.shapes[0]))
    for operand in step.operands:
        if len(operand) == rank:  # of a scalar there is nothing to say
            found = tuple(map(step.one, found, operand))
    return [found]


def _reduced(step: Step) -> list[Axes]:
    (operand,) = step.operands
    over = step.params["axes"]
    if step.name in ORDERED:
        for axis in over:
            step.pinned(operand[axis])
    return [tuple(axis for place, axis in enumerate(operand) if place not in over)]


def _along(step: Step) -> list[Axes]:
    """Values depend on those before along an axis."""
    place = step.params["axis"]
    step.pinned(step.operands[0][place])
    return list(step.operands)


def _reversed(step: Step) -> list[Axes]:
    for place in step.params["dimensions"]:
        step.pinned(step.operands[0][place])
    return list(step.operands)


def _sorted(step: Step) -> list[Axes]:
    """Sorting one array forgets the order along its axis; several are one order."""
    along, found = step.params["dimension"], step.operands[0]
    for operand in step.operands[1:]:
        found = tuple(map(step.one, found, operand))
    if len(step.operands) > 1:
        step.pinned(found[along])
    result = (*found[:along], step.new(step.shapes[0][along]), *found[along + 1 :])
    return [result] * len(step.operands)


def _top(step: Step) -> list[Axes]:
    step.pinned(step.operands[0][-1])
    return [(*step.operands[0][:-1], step.new(shape[-1])) for shape in step.shapes]


def _broadcast(step: Step) -> list[Axes]:
    found: list[Axis] = list(map(Uniform, step.shapes[0]))
    for axis, place in zip(step.operands[0], step.params["broadcast_dimensions"], strict=True):
        if axis.size == step.shapes[0][place]:
            found[place] = axis
    return [tuple(found)]


def _transposed(step: Step) -> list[Axes]:
    return [tuple(step.operands[0][place] for place in step.params["permutation"])]


def _squeezed(step: Step) -> list[Axes]:
    gone = step.params["dimensions"]
    return [tuple(axis for place, axis in enumerate(step.operands[0]) if place not in gone)]


def _reshaped(step: Step) -> list[Axes]:
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


def _iota(step: Step) -> list[Axes]:
    place = step.params["dimension"]
    found: list[Axis] = list(map(Uniform, step.shapes[0]))
    found[place] = step.new(found[place].size)
    return [tuple(found)]


def _sliced(step: Step) -> list[Axes]:
    starts, limits = step.params["start_indices"], step.params["limit_indices"]
    strides = step.params["strides"] or [1] * len(starts)
    found: list[Axis] = []
    for axis, start, limit, stride in zip(step.operands[0], starts, limits, strides, strict=True):
        if stride == 1:
            lengths = (start, limit - start, axis.size - limit)
            found.append(pieces(axis, lengths, step.name)[1])
        else:
            found.append(_strided(step, axis, len(range(start, limit, stride))))
    return [tuple(found)]


def _strided(step: Step, axis: Axis, size: int) -> Axis:
    if isinstance(axis, Uniform):
        return Uniform(size)
    step.pinned(axis)
    return step.new(size)


def _split(step: Step) -> list[Axes]:
    place = step.params["axis"]
    (operand,) = step.operands
    parts = pieces(operand[place], [int(size) for size in step.params["sizes"]], step.name)
    return [(*operand[:place], part, *operand[place + 1 :]) for part in parts]


def _concatenated(step: Step) -> list[Axes]:
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


def _padded(step: Step) -> list[Axes]:
    found: list[Axis] = []
    for axis, (low, high, inner) in zip(
        step.operands[0], step.params["padding_config"], strict=True
    ):
        if inner == 0 and low >= 0 and high >= 0:
            found.append(joined([Uniform(low), axis, Uniform(high)]) if low or high else axis)
        else:
            size = step.shapes[0][len(found)]
            found.append(_strided(step, axis, size))
    return [tuple(found)]


def _dynamic_slice(step: Step) -> list[Axes]:
    found = [
        axis if axis.size == size else _strided(step, axis, size)
        for axis, size in zip(step.operands[0], step.shapes[0], strict=True)
    ]
    return [tuple(found)]


def _dynamic_update(step: Step) -> list[Axes]:
    found: list[Axis] = []
    for axis, other in zip(step.operands[0], step.operands[1], strict=True):
        if axis.size == other.size:
            found.append(step.one(axis, other))
            continue
        for one in (axis, other):
            step.pinned(one)
        found.append(step.new(axis.size))
    return [tuple(found)]


def _multiplied(step: Step) -> list[Axes]:
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


def _convolved(step: Step) -> list[Axes]:
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


def _windows(step: Step) -> list[Axes]:
    keys = ("window_dimensions", "window_strides", "padding", "base_dilation")
    found: list[Axis] = []
    for axis, size, window, stride, padding, dilation in zip(
        step.operands[0], step.shapes[0], *(step.params[key] for key in keys), strict=True
    ):
        alone = window == stride == dilation == 1 and tuple(padding) == (0, 0)
        found.append(axis if alone else _strided(step, axis, size))
    return [tuple(found)]


def _gathered(step: Step) -> list[Axes]:
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


RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(REDUCTIONS | ORDERED, _reduced),
    **dict.fromkeys(ALONG, _along),
    **dict.fromkeys(WINDOWS, _windows),
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenated,
    "conv_general_dilated": _convolved,
    "dot_general": _multiplied,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update,
    "gather": _gathered,
    "iota": _iota,
    "pad": _padded,
    "reshape": _reshaped,
    "rev": _reversed,
    "slice": _sliced,
    "sort": _sorted,
    "split": _split,
    "squeeze": _squeezed,
    "top_k": _top,
    "transpose": _transposed,
}
