"""What each primitive of JAX does with axes: which of its operands' are one, and which its results
have. What has no rule here pins every axis that it meets.
"""

from __future__ import annotations

from collections.abc import Callable

from landscape.symmetry import moving, products
from landscape.symmetry.axes import Axis, Uniform
from landscape.symmetry.step import Axes, Step

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


def _iota(step: Step) -> list[Axes]:
    place = step.params["dimension"]
    found: list[Axis] = list(map(Uniform, step.shapes[0]))
    found[place] = step.new(found[place].size)
    return [tuple(found)]


RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(REDUCTIONS | ORDERED, _reduced),
    **dict.fromkeys(ALONG, _along),
    **dict.fromkeys(WINDOWS, products.windows),
    "broadcast_in_dim": moving.broadcast,
    "concatenate": moving.concatenated,
    "conv_general_dilated": products.convolved,
    "dot_general": products.multiplied,
    "dynamic_slice": moving.dynamic_slice,
    "dynamic_update_slice": moving.dynamic_update,
    "gather": products.gathered,
    "iota": _iota,
    "pad": moving.padded,
    "reshape": moving.reshaped,
    "rev": _reversed,
    "slice": moving.sliced,
    "sort": _sorted,
    "split": moving.split_in_parts,
    "squeeze": moving.squeezed,
    "top_k": _top,
    "transpose": moving.transposed,
}
