"""What an axis is made of, and that two axes are one: unification, as in the inference of types.

An axis is an atom; or a product of axes, as the places and channels of a flattened image; or axes
joined end to end, as the gates of an LSTM. A permutation of an atom's places moves all that is made
of it. Along a uniform axis all values are equal, so that it may take any permutation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(eq=False)
class Atom:
    """bound: what it has turned out to be; pinned: why its places have an order, if they have."""

    size: int
    pinned: str = ""
    bound: Axis | None = None


@dataclass(frozen=True, eq=False)
class Product:
    """Of factors, the slowest first."""

    factors: tuple[Axis, ...]

    @property
    def size(self) -> int:
        return math.prod(factor.size for factor in self.factors)


@dataclass(frozen=True, eq=False)
class Joined:
    """Of parts, end to end."""

    parts: tuple[Axis, ...]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)


@dataclass(frozen=True, eq=False)
class Uniform:
    """All values along it are equal."""

    size: int


Axis = Atom | Product | Joined | Uniform


class _Misfit(Exception):
    """Two axes that are cut in ways that do not nest."""


def product(factors: Sequence[Axis]) -> Axis:
    """A product without factors of one place, none inside another."""
    flat: list[Axis] = []
    for factor in map(resolved, factors):
        flat += factor.factors if isinstance(factor, Product) else (factor,)
    flat = [factor for factor in flat if factor.size != 1]
    return flat[0] if len(flat) == 1 else Product(tuple(flat)) if flat else Uniform(1)


def joined(parts: Sequence[Axis]) -> Axis:
    """Axes end to end, none of no places."""
    flat: list[Axis] = []
    for part in map(resolved, parts):
        flat += part.parts if isinstance(part, Joined) else (part,)
    flat = [part for part in flat if part.size]
    return flat[0] if len(flat) == 1 else Joined(tuple(flat)) if flat else Uniform(0)


def resolved(axis: Axis) -> Axis:
    """What an axis has turned out to be."""
    while isinstance(axis, Atom) and axis.bound is not None:
        axis = axis.bound
    if isinstance(axis, Product):
        return product(axis.factors)
    return joined(axis.parts) if isinstance(axis, Joined) else axis


def pin(axis: Axis, reason: str) -> None:
    """Let no permutation act on an axis."""
    axis = resolved(axis)
    if isinstance(axis, Atom):
        axis.pinned = axis.pinned or reason
    elif isinstance(axis, Product | Joined):
        for inner in axis.factors if isinstance(axis, Product) else axis.parts:
            pin(inner, reason)


def unify(x: Axis, y: Axis, where: str) -> Axis:
    """The axis that both are, where an operation takes their places together; where they do not
    fit, both are pinned. The axis may be more than either: uniform parts take the other's."""
    x, y = resolved(x), resolved(y)
    if x is y or isinstance(y, Uniform):
        return x
    if isinstance(x, Uniform):
        return y
    if isinstance(y, Atom) and (y.pinned or not isinstance(x, Atom)):
        x, y = y, x
    if isinstance(x, Atom):
        if x.pinned:
            pin(y, x.pinned if ", in " in x.pinned else f"{x.pinned}, in {where}")
            return x
        x.bound = _with_atoms(y)
        return x.bound
    try:
        if isinstance(x, Product) and isinstance(y, Product):
            return _unify_products(x, y, where)
        if isinstance(x, Joined):
            return _unify_parts(x, y, where)
        if isinstance(y, Joined):
            return _unify_parts(y, x, where)
    except _Misfit:
        for axis in (x, y):
            pin(axis, f"axes are cut in different ways, in {where}")
    return x


def split(axis: Axis, size: int, where: str) -> tuple[Axis, Axis]:
    """An axis as a product of two, the slower one of a given size."""
    axis = resolved(axis)
    small, rest = divmod(axis.size, size)
    if rest:
        raise _Misfit
    if 1 in (size, small):
        return (Uniform(1), axis) if size == 1 else (axis, Uniform(1))
    if isinstance(axis, Uniform):
        return Uniform(size), Uniform(small)
    if isinstance(axis, Atom):
        two = Atom(size, axis.pinned), Atom(small, axis.pinned)
        if not axis.pinned:
            axis.bound = Product(two)
        return two
    if isinstance(axis, Joined):
        blocks = [split(part, part.size // small, where) for part in _whole(axis.parts, small)]
        inner = blocks[0][1]
        for outer, other in blocks:
            pin(outer, f"blocks of one axis, in {where}")
            inner = unify(inner, other, where)
        return Atom(size, f"blocks of one axis, in {where}"), inner
    factors, before = list(axis.factors), 1
    for place, factor in enumerate(factors):
        if before * factor.size >= size:
            outer, inner = split(factor, size // before, where) if size % before == 0 else _fail()
            return product([*factors[:place], outer]), product([inner, *factors[place + 1 :]])
        before *= factor.size
    return _fail()


def cut(axis: Axis, size: int) -> tuple[Axis, Axis]:
    """An axis in two, end to end, the first of a given size."""
    axis = resolved(axis)
    if size in (0, axis.size):
        return (axis, Uniform(0)) if size else (Uniform(0), axis)
    if isinstance(axis, Uniform):
        return Uniform(size), Uniform(axis.size - size)
    if isinstance(axis, Atom):
        two = Atom(size, axis.pinned), Atom(axis.size - size, axis.pinned)
        if not axis.pinned:
            axis.bound = Joined(two)
        return two
    if isinstance(axis, Joined):
        first, *others = axis.parts
        if first.size >= size:
            left, right = cut(first, size)
            return left, joined([right, *others])
        left, right = cut(joined(others), size - first.size)
        return joined([first, left]), right
    outer, *inner = axis.factors
    step = product(inner).size
    if size % step:
        raise _Misfit
    left, right = cut(outer, size // step)
    return product([left, *inner]), product([right, *inner])


def pieces(axis: Axis, sizes: Sequence[int], where: str) -> list[Axis]:
    """An axis cut end to end into pieces; pinned where it does not fit."""
    found: list[Axis] = []
    try:
        for size in sizes:
            piece, axis = cut(axis, size)
            found.append(piece)
    except _Misfit:
        pin(axis, f"cut into pieces, in {where}")
        found += [fixed(size, f"a piece, in {where}") for size in sizes[len(found) :]]
    return found


def regrouped(axes: Sequence[Axis], sizes: Sequence[int], where: str) -> list[Axis]:
    """The axes of a reshaped array; pinned where it does not fit."""
    rest, found = product(axes), []
    try:
        for size in sizes:
            first, rest = split(rest, size, where) if size else _fail()
            found.append(first)
        return found
    except _Misfit:
        for axis in axes:
            pin(axis, f"reshaped, in {where}")
        return [fixed(size, f"reshaped, in {where}") for size in sizes]


def fixed(size: int, reason: str) -> Axis:
    """A new axis whose places have an order."""
    return Uniform(1) if size == 1 else Atom(size, reason)


def atoms(axis: Axis) -> Iterator[tuple[Atom, np.ndarray]]:
    """The atoms of an axis with the places that each of theirs has in it, [size, places]; a pair
    for each time that an atom is in a product."""
    yield from _atoms(axis, np.arange(axis.size)[:, None])


def _atoms(axis: Axis, places: np.ndarray) -> Iterator[tuple[Atom, np.ndarray]]:
    axis = resolved(axis)
    if isinstance(axis, Atom):
        yield axis, places
    elif isinstance(axis, Joined):
        found: dict[int, tuple[Atom, list[np.ndarray]]] = {}
        begin = 0
        for part in axis.parts:
            for atom, own in _atoms(part, places[begin : begin + part.size]):
                found.setdefault(id(atom), (atom, []))[1].append(own)
            begin += part.size
        for atom, several in found.values():
            yield atom, np.concatenate(several, 1)
    elif isinstance(axis, Product):
        sizes = [factor.size for factor in axis.factors]
        grid = places.reshape(*sizes, -1)
        for number, factor in enumerate(axis.factors):
            own = np.moveaxis(grid, number, 0).reshape(factor.size, -1)
            yield from _atoms(factor, own)


def _unify_products(x: Product, y: Product, where: str) -> Axis:
    found: list[Axis] = []
    left, right = list(x.factors), list(y.factors)
    while left:
        a, b = left.pop(0), right.pop(0)
        if a.size > b.size:
            a, rest = split(a, b.size, where)
            left.insert(0, rest)
        elif b.size > a.size:
            b, rest = split(b, a.size, where)
            right.insert(0, rest)
        found.append(unify(a, b, where))
    return product(found)


def _unify_parts(x: Joined, y: Axis, where: str) -> Axis:
    found: list[Axis] = []
    for part in x.parts:
        # both are cut: a part of the first may by now be more than one
        other, y = cut(y, part.size)
        found.append(unify(part, other, where))
    return joined(found)


def _whole(parts: Sequence[Axis], size: int) -> Sequence[Axis]:
    if any(part.size % size for part in parts):
        raise _Misfit
    return parts


def _with_atoms(axis: Axis) -> Axis:
    """With atoms instead of what is uniform, as an array has them."""
    axis = resolved(axis)
    if isinstance(axis, Uniform):
        return Atom(axis.size)
    if isinstance(axis, Product):
        return Product(tuple(map(_with_atoms, axis.factors)))
    return Joined(tuple(map(_with_atoms, axis.parts))) if isinstance(axis, Joined) else axis


def _fail() -> tuple[Axis, Axis]:
    raise _Misfit
