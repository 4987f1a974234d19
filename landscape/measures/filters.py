"""Which axes of a parameter array number its filters, the weights that one output sees.

Li et al. 2018 (section 4) normalise random directions by filters. Flax has the outputs on the last
axis of an array, PyTorch on the first: shapes do not tell, what the loss does with the array does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
from jax.extend import core

from landscape.core import trees
from landscape.core.jaxprs import called, scan_parts
from landscape.core.task import Axes

Dims = tuple[frozenset[int], ...]  # of each axis of a value, the parameter's own axes in it

# an array of these keeps its axes
ALIKE = {
    "add", "sub", "mul", "div", "neg", "abs", "sign", "max", "min", "exp", "log", "tanh",
    "logistic", "sqrt", "rsqrt", "square", "integer_pow", "pow", "erf", "clamp", "copy",
    "convert_element_type", "reduce_precision", "rev", "slice", "dynamic_slice", "concatenate",
    "optimization_barrier",
}  # fmt: skip


def chosen(shapes: Mapping[str, Any], given: Mapping[str, Axes]) -> dict[str, tuple[int, ...]]:
    """The axes, from 0, of the arrays of two axes and more whose name matches a pattern of `given`,
    the first that does; arrays that are held still are left out.

    Raises ValueError for a pattern that no array matches, and an axis that is not there.
    """
    found = {}
    for pattern, axes in given.items():
        matching = trees.matching(shapes, pattern)
        if not matching:
            raise ValueError(f"'{pattern}' matches none of: {', '.join(shapes)}")
        for name, shape in matching.items():
            count = len(shape.shape)
            if count < 2 or name in found:
                continue
            several = (axes,) if isinstance(axes, int) else axes
            for axis in several or ():
                if not -count <= axis < count:
                    raise ValueError(f"{name}, of shape {shape.shape}, has no axis {axis}")
            found[name] = several and tuple(sorted({axis % count for axis in several}))
    return found


def filter_axes(
    function: Callable[[Any], Any], shapes: Mapping[str, Any], *given: Mapping[str, Axes]
) -> dict[str, tuple[int, ...] | None]:
    """The filters' axes of every array of two axes and more; None for one that is held still.

    given: by patterns of names, what is said of them, the first mapping before the next; the rest
    is derived from the function of the parameters. Where no array has two axes there are no filters
    to speak of: each array is one.

    Raises ValueError as `chosen`, and where nothing is given and the function does not tell.
    """
    many = {name: shape for name, shape in shapes.items() if len(shape.shape) > 1}
    if not many:
        return {name: () for name in shapes}
    found: dict[str, Any] = {}
    for mapping in given:
        found = {**chosen(shapes, mapping), **found}
    if many.keys() - found.keys():
        derived = traced(function, shapes)
        for name in sorted(many.keys() - found.keys()):
            if name not in derived:
                raise ValueError(
                    f"{name}, of shape {many[name].shape}: which of its axes numbers the outputs "
                    "cannot be told from the loss, which does not multiply it with data, or does "
                    f"so along different axes: name it, as in {{'{name}': 0}} (an axis or a list "
                    "of axes; [] for an array that is one filter, null for one that is held still)"
                )
            found[name] = derived[name]
    return {name: found[name] for name in many}


def traced(function: Callable[[Any], Any], shapes: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Of the parameters that a function multiplies with data, the axes that are not summed over in
    these products; of those that it multiplies in several ways, none."""
    closed = jax.make_jaxpr(function)(dict(shapes))
    trace = _Trace()
    names = sorted(shapes)  # as JAX has the leaves of a dict
    inputs = [_Value(_whole(name, len(shapes[name].shape))) for name in names]
    trace.run(closed, inputs)
    ways: dict[str, set[frozenset[int]]] = {}
    over: dict[str, frozenset[int]] = {}
    split: set[str] = set()
    for name, summed, rest in trace.products:
        wide = frozenset(axis for axis, size in enumerate(shapes[name].shape) if size != 1)
        ways.setdefault(name, set()).add(summed & wide)
        over[name] = over.get(name, frozenset()) | summed
        if summed & rest & wide:
            split.add(name)
    return {
        name: tuple(axis for axis in range(len(shapes[name].shape)) if axis not in over[name])
        for name, different in ways.items()
        if name not in split and len(different) == 1
    }


def _whole(name: str, count: int) -> dict[str, Dims]:
    return {name: tuple(frozenset({axis}) for axis in range(count))} if count > 1 else {}


@dataclass(frozen=True)
class _Value:
    """of: the parameters whose axes it has, none for data; data: whether it depends on data."""

    of: Mapping[str, Dims] = field(default_factory=dict)
    data: bool = False


@dataclass
class _Trace:
    """products: (parameter, its axes that are summed over, those that are not); an axis that was
    split can be both."""

    products: list[tuple[str, frozenset[int], frozenset[int]]] = field(default_factory=list)

    def run(self, closed: Any, inputs: Iterable[_Value]) -> list[_Value]:
        """The outputs of a closed jaxpr."""
        constants = [_Value(data=bool(jax.numpy.ndim(const))) for const in closed.consts]
        jaxpr = closed.jaxpr
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *inputs], strict=True))

        def read(variable: Any) -> _Value:
            return _Value() if isinstance(variable, core.Literal) else known[variable]

        for equation in jaxpr.eqns:
            values = [read(variable) for variable in equation.invars]
            known.update(zip(equation.outvars, self._outputs(equation, values), strict=True))
        return [read(variable) for variable in jaxpr.outvars]

    def _outputs(self, equation: Any, values: list[_Value]) -> list[_Value]:
        name, params = equation.primitive.name, equation.params
        if name == "scan":
            return self._scan(equation, values)
        inner = called(equation)
        if inner is not None:
            return self.run(inner, values)
        if name == "dot_general":
            (left, right), _ = params["dimension_numbers"]
            self._multiply(values[0], values[1], left)
            self._multiply(values[1], values[0], right)
        if name == "conv_general_dilated":
            _, *others = params["dimension_numbers"].rhs_spec
            self._multiply(values[1], values[0], others)
        data = any(value.data for value in values) or not values
        kept = {} if data else _kept(name, params, equation, values)
        return [_Value(kept, data) for _ in equation.outvars]

    def _multiply(self, value: _Value, other: _Value, summed: Sequence[int]) -> None:
        if not other.data:
            return  # parameters with each other, as in the product of a linear network's layers
        for name, dims in value.of.items():
            over = _union(dims[axis] for axis in summed)
            rest = _union(dim for axis, dim in enumerate(dims) if axis not in summed)
            self.products.append((name, over, rest))

    def _scan(self, equation: Any, values: list[_Value]) -> list[_Value]:
        body, consts, carries = scan_parts(equation)
        fixed, state = values[:consts], values[consts : consts + carries]
        fed = [
            _Value({name: dims[1:] for name, dims in value.of.items()}, value.data)
            for value in values[consts + carries :]
        ]
        while True:
            before = [_Value(data=value.data) for value in state]
            inner = _Trace()
            after = inner.run(body, [*fixed, *before, *fed])
            state = [
                _Value(data=old.data or new.data)
                for old, new in zip(before, after[:carries], strict=True)
            ]
            if state == before:
                self.products += inner.products
                return [*state, *(_Value(data=value.data) for value in after[carries:])]


def _kept(name: str, params: Any, equation: Any, values: list[_Value]) -> dict[str, Dims]:
    """The parameters whose axes a result still has."""
    shape, nothing = equation.outvars[0].aval.shape, frozenset[int]()
    found: dict[str, Dims] = {}
    for value, variable in zip(values, equation.invars, strict=True):
        for parameter, dims in value.of.items():
            size = variable.aval.shape
            if name == "transpose":
                now = tuple(dims[axis] for axis in params["permutation"])
            elif name == "squeeze":
                gone = {axis % len(dims) for axis in params["dimensions"]}
                now = tuple(dim for axis, dim in enumerate(dims) if axis not in gone)
            elif name == "broadcast_in_dim":
                places = dict(zip(params["broadcast_dimensions"], dims, strict=True))
                now = tuple(places.get(axis, nothing) for axis in range(len(shape)))
            elif name == "reshape":
                now = _reshaped(dims, size, shape)
            elif name in ALIKE and len(size) == len(shape):
                now = dims
            else:
                continue
            before = found.get(parameter, now)
            found[parameter] = tuple(a | b for a, b in zip(before, now, strict=True))
    return found


def _union(dims: Iterable[frozenset[int]]) -> frozenset[int]:
    return frozenset[int]().union(*dims)


def _reshaped(dims: Dims, size: tuple[int, ...], shape: tuple[int, ...]) -> Dims:
    """Runs of axes of the same product before and after: each axis after has all those before."""
    now: list[frozenset[int]] = []
    old = new = 0
    while new < len(shape):
        first, many, few = old, 1, shape[new]
        start = new
        new += 1
        while many != few:
            if many < few and old < len(size):
                many, old = many * size[old], old + 1
            elif new < len(shape):
                few, new = few * shape[new], new + 1
            else:
                break
        now += [_union(dims[first:old])] * (new - start)
    if now:
        now[-1] |= _union(dims[old:])
    return tuple(now)
