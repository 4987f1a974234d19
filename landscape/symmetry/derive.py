"""The permutations that leave a function of named arrays as it is, from its jaxpr.

Every axis of every value is labelled (landscape/symmetry/axes.py), and each primitive says which
labels are one (rules.py). Axes of data, and of the function's results, have an order: what is one
with them is pinned. What is left are permutations that every value follows, down to results that
do not change. A rule may pin more than it must, so that symmetries can be missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend import core

from landscape.core.jaxprs import Where, called, scan_parts
from landscape.core.trees import Params
from landscape.symmetry import products
from landscape.symmetry.axes import Atom, Axis, Uniform, atoms, fixed, pin, resolved, unify
from landscape.symmetry.rules import results
from landscape.symmetry.spec import (
    PermutationClass,
    PermutationSpec,
    PinnedAxis,
    Place,
    as_tuples,
)
from landscape.symmetry.step import Step, without_rule

SUMMED_OVER = {"dot_general", "conv_general_dilated"}


class Derivation(NamedTuple):
    """spec; jaxpr, of the arrays in the order of their names; read, the activations that the next
    layer reads: (equation, operand) → for each class that it has, its place there, with the
    number of the class; made, what layers make of data by their weights: equation → the axes of
    its result that number units, which have no order."""

    spec: PermutationSpec
    jaxpr: core.ClosedJaxpr
    read: dict[tuple[Where, int], list[tuple[int, Place]]]
    made: dict[Where, tuple[int, ...]]


def derive(
    function: Callable[[Params], Any], shapes: Mapping[str, jax.ShapeDtypeStruct]
) -> Derivation:
    """The permutations that leave a function of named arrays as it is.

    Args:
        function: Named arrays → arrays, a pytree of them.
        shapes: Of the named arrays.

    Returns:
        The specification, and where the units' activations are in the jaxpr. Nothing is proved
        yet: `prove.check`.

    References:
        Ainsworth et al. 2022, who write specifications by hand.
    """
    jaxpr = jax.make_jaxpr(function)(dict(shapes))
    names = sorted(shapes)  # as JAX has the leaves of a dict
    arrays = [tuple(map(_free, shapes[name].shape)) for name in names]
    trace = _Trace()
    for result in trace.run(jaxpr, [_Value(axes, True) for axes in arrays], ()):
        for axis in result.axes:
            pin(axis, "a result")
    places: dict[Atom, list[Place]] = {}
    pinned: list[PinnedAxis] = []
    by_name = dict(zip(names, arrays, strict=True))
    for name in shapes:
        for number, axis in enumerate(by_name[name]):
            found = _places(name, number, axis)
            for atom, place in found:
                places.setdefault(atom, []).append(place)
            if axis.size > 1 and not found:
                pinned.append(PinnedAxis(name, number, _reason(axis)))
    classes = tuple(PermutationClass(atom.size, tuple(own)) for atom, own in places.items())
    order = {atom: number for number, atom in enumerate(places)}
    read = {}
    for key, axes in trace.read.items():
        own = [
            (order[atom], place)
            for number, axis in enumerate(axes)
            for atom, place in _places("activations", number, axis)
            if atom in order
        ]
        if own:
            read[key] = own
    made = {
        key: tuple(axes)
        for key, axes in trace.made.items()
        if axes and any(atom in order for axis in axes.values() for atom, _ in atoms(axis))
    }
    return Derivation(PermutationSpec(classes, tuple(pinned)), jaxpr, read, made)


def _free(size: int) -> Axis:
    return Uniform(1) if size == 1 else Atom(size)


def _places(array: str, number: int, axis: Axis) -> list[tuple[Atom, Place]]:
    return [
        (atom, Place(array, number, axis.size, as_tuples(places)))
        for atom, places in atoms(axis)
        if not atom.pinned and atom.size > 1
    ]


def _reason(axis: Axis) -> str:
    return next((atom.pinned for atom, _ in atoms(axis) if atom.pinned), "cut into single places")


@dataclass(frozen=True)
class _Value:
    """axes; learnt: whether it depends on the parameters; data: whether on data."""

    axes: tuple[Axis, ...]
    learnt: bool = False
    data: bool = False


@dataclass
class _Trace:
    """read: the activations that are multiplied and summed over, (equation, operand) → axes; made:
    what weights make of data, equation → the number of each axis of its result that is of the
    weights, and the axis."""

    read: dict[tuple[Where, int], tuple[Axis, ...]] = field(default_factory=dict)
    made: dict[Where, dict[int, Axis]] = field(default_factory=dict)

    def run(
        self, closed: core.ClosedJaxpr, inputs: Sequence[_Value], where: Where | None
    ) -> list[_Value]:
        """The results of a jaxpr; where: of the equation that it is inside of, None for one inside
        which nothing can be read."""
        jaxpr = closed.jaxpr
        values = [*map(_constant, closed.consts), *inputs]
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], values, strict=True))

        def value(variable: Any) -> _Value:
            if isinstance(variable, core.Literal):
                return _constant(variable.val)
            return known[variable]

        for number, equation in enumerate(jaxpr.eqns):
            operands = [value(variable) for variable in equation.invars]
            at = None if where is None else (*where, number)
            found = self._results(equation, operands, at)
            known.update(zip(equation.outvars, found, strict=True))
        return [value(variable) for variable in jaxpr.outvars]

    def _results(self, equation: Any, operands: list[_Value], where: Where | None) -> list[_Value]:
        name, params = equation.primitive.name, equation.params
        if name == "scan":
            return self._scan(equation, operands, where)
        if name == "while":
            return self._while(params, operands)
        if name == "cond":
            return self._cond(params, operands)
        inner = called(equation)
        if inner is not None:
            return self.run(inner, operands, where)
        shapes = [variable.aval.shape for variable in equation.outvars]
        step = Step(name, params, [operand.axes for operand in operands], shapes)
        found = results(step) or without_rule(step)
        if name in SUMMED_OVER and where is not None:
            self._note(operands, where)
            weights = [k for k, one in enumerate(operands) if one.learnt and not one.data]
            if len(weights) == 1 and operands[1 - weights[0]].data:
                of_weights = products.free(step, weights[0])
                self.made[where] = {axis: found[0][axis] for axis in of_weights}
        learnt = any(operand.learnt for operand in operands)
        data = any(operand.data for operand in operands)
        return [
            _Value(tuple(map(_whole, axes, shape)), learnt, data)
            for axes, shape in zip(found, shapes, strict=True)
        ]

    def _note(self, operands: list[_Value], where: Where) -> None:
        for number, operand in enumerate(operands):
            if operand.learnt and operand.data:
                self.read[where, number] = operand.axes

    def _scan(self, equation: Any, operands: list[_Value], where: Where | None) -> list[_Value]:
        body, fixed_count, carried = scan_parts(equation)
        split = fixed_count + carried
        fed = []
        for operand in operands[split:]:
            pin(operand.axes[0], "scan")
            fed.append(_Value(operand.axes[1:], operand.learnt, operand.data))

        def step(state: list[_Value]) -> list[_Value]:
            return self.run(body, [*operands[:fixed_count], *state, *fed], where)

        state, after = _settled(step, operands[fixed_count:split], carried)
        lengths = [variable.aval.shape[:1] for variable in equation.outvars[carried:]]
        given = [
            _Value((fixed(size, "scan"), *one.axes), one.learnt, one.data)
            for one, (size,) in zip(after[carried:], lengths, strict=True)
        ]
        return [*state, *given]

    def _while(self, params: dict[str, Any], operands: list[_Value]) -> list[_Value]:
        first, second = params["cond_nconsts"], params["body_nconsts"]
        start = first + second
        count = len(operands) - start

        def step(state: list[_Value]) -> list[_Value]:
            self.run(params["cond_jaxpr"], [*operands[:first], *state], None)
            return self.run(params["body_jaxpr"], [*operands[first:start], *state], None)

        return _settled(step, operands[start:], count)[0]

    def _cond(self, params: dict[str, Any], operands: list[_Value]) -> list[_Value]:
        first, *others = (self.run(one, operands[1:], None) for one in params["branches"])
        for other in others:
            first = list(map(_both, first, other))
        return first


def _settled(
    step: Callable[[list[_Value]], list[_Value]], state: list[_Value], count: int
) -> tuple[list[_Value], list[_Value]]:
    """What a loop carries, and what a step gives, once a step no longer tells more of it."""
    while True:
        after = step(state)
        new = list(map(_both, state, after[:count]))
        if all(map(_alike, new, state)):
            return new, after
        state = new


def _both(x: _Value, y: _Value) -> _Value:
    """What may be either of two values."""
    axes = tuple(unify(a, b, "a loop or branch") for a, b in zip(x.axes, y.axes, strict=True))
    return _Value(axes, x.learnt or y.learnt, x.data or y.data)


def _alike(x: _Value, y: _Value) -> bool:
    """Whether no axis of the first is known to be more than the second's."""
    uniform = all(
        isinstance(resolved(a), Uniform) == isinstance(resolved(b), Uniform)
        for a, b in zip(x.axes, y.axes, strict=True)
    )
    return uniform and (x.learnt, x.data) == (y.learnt, y.data)


def _whole(axis: Axis, size: int) -> Axis:
    assert axis.size == size, f"an axis of {size} places was made of one of {axis.size}"
    return Uniform(1) if size == 1 else axis


def _constant(value: Any) -> _Value:
    """Data: an axis along which all is equal is uniform, the others have an order."""
    array = value if hasattr(value, "shape") else np.asarray(value)
    if not array.shape:
        return _Value(())
    if jax.numpy.issubdtype(array.dtype, jax.dtypes.prng_key):
        return _Value(tuple(fixed(size, "data") for size in array.shape), data=True)
    array = np.asarray(array)
    axes = tuple(_data_axis(array, axis) for axis in range(array.ndim))
    return _Value(axes, data=not all(isinstance(axis, Uniform) for axis in axes))


def _data_axis(array: np.ndarray, axis: int) -> Axis:
    size = array.shape[axis]
    if size == 1:
        return Uniform(1)
    if size == 0:
        return fixed(0, "data")
    first = np.take(array, [0], axis)
    if (np.take(array, [1], axis) == first).all() and (array == first).all():
        return Uniform(size)
    return fixed(size, "data")
