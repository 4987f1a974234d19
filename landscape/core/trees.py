"""Arithmetic on parameters. Inside the house parameters are a flat dict of named arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import jax
import numpy as np

from landscape.core import large

Params = dict[str, Any]

SEEN_BYTES = 2**20  # a part of a large array that is not copied


def names(tree: Any) -> list[str]:
    """Dotted names of a pytree's leaves, in leaf order; a bare array is called `params`.

    Raises ValueError when two leaves would share a name.
    """
    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]
    found = [jax.tree_util.keystr(path, simple=True, separator=".") or "params" for path in paths]
    if len(set(found)) < len(found):
        raise ValueError(f"two parameters share a name: {', '.join(sorted(found))}")
    return found


def to_named(tree: Any) -> Params:
    """Any pytree as a flat dict of its named leaves."""
    return dict(zip(names(tree), jax.tree.leaves(tree), strict=True))


def from_named(template: Any, named: Mapping[str, Any]) -> Any:
    """The pytree of the template's structure with the leaves of `named`."""
    leaves = [named[name] for name in names(template)]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def lerp(a: Any, b: Any, t: Any) -> Any:
    """(1 − t)·a + t·b, exact at both ends."""
    return jax.tree.map(lambda x, y: (1 - t) * x + t * y, a, b)


def take(tree: Any, index: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], tree)


def evenly(count: int, there: int) -> np.ndarray:
    """The indices of so many of the items that are there, evenly spaced."""
    return np.arange(count) * there // max(count, 1)


def items(tree: Any, index: np.ndarray) -> Any:
    """The items of these numbers, or where a mask is true, of a NumPy tree [n, ...]: copies, but
    parts of the same arrays where these are large and the items evenly spaced. Those are not to be
    changed."""
    index = _numbers(index, tree)
    leaves, kind = jax.tree.flatten(tree)
    stretch = _stretch(index)
    whole = large.is_large(len(index) * sum(leaf[:1].nbytes for leaf in leaves))
    seen = [
        leaf[stretch] if stretch and whole and leaf[stretch].nbytes >= SEEN_BYTES else None
        for leaf in leaves
    ]
    copied = [leaf for leaf, part in zip(leaves, seen, strict=True) if part is None]
    new = empty(copied, len(index))
    for to, leaf in zip(new, copied, strict=True):
        large.gather(to, np.asarray(leaf), index)
    rest = iter(new)
    return jax.tree.unflatten(kind, [next(rest) if part is None else part for part in seen])


def seen(tree: Any, index: np.ndarray) -> Any:
    """The items of these numbers, or where a mask is true, of a NumPy tree [n, ...], not to be
    changed: parts of the same arrays where they are evenly spaced, else copies."""
    index = _numbers(index, tree)
    stretch = _stretch(index)
    return items(tree, index) if stretch is None else take(tree, stretch)


def _numbers(index: np.ndarray, tree: Any) -> np.ndarray:
    """The numbers of items. Raises IndexError where there are not so many."""
    if index.dtype == bool:
        return np.flatnonzero(index)
    if len(index) and not 0 <= index.min() <= index.max() < count(tree):
        raise IndexError(f"item {index.min()} or {index.max()} of {count(tree)}")
    return index


def _stretch(index: np.ndarray) -> slice | None:
    """The same as a slice, if it goes up by equal steps."""
    if not len(index):
        return slice(0)
    steps = np.diff(index)
    if (steps <= 0).any() or (steps != steps[:1]).any():
        return None
    return slice(int(index[0]), int(index[-1]) + 1, int(steps[0]) if len(steps) else 1)


def empty(like: Any, count: int) -> Any:
    """So many items like those of a tree [n, ...], to be written."""
    return _new(jax.tree.map(lambda leaf: _like(count, leaf), like))


def put(tree: Any, place: int, item: Any) -> None:
    """Write an item of a NumPy tree [n, ...]."""
    for whole, leaf in zip(jax.tree.leaves(tree), jax.tree.leaves(item), strict=True):
        whole[place] = leaf
        large.release()


def copy(tree: Any) -> Any:
    """A NumPy tree [n, ...] with arrays of its own."""
    return concatenate([tree])


def stack(trees: Sequence[Any]) -> Any:
    """NumPy trees stacked along a new leading axis."""
    return concatenate([jax.tree.map(lambda leaf: np.asarray(leaf)[None], tree) for tree in trees])


def concatenate(trees: Sequence[Any]) -> Any:
    """NumPy trees [n, ...] one after the other."""
    new = _new(jax.tree.map(lambda *leaves: _like(sum(map(len, leaves)), *leaves), *trees))
    jax.tree.map(lambda to, *leaves: large.join(to, leaves), new, *trees)
    return new


def joined(trees: Sequence[Any]) -> Any:
    """The same, which are not to be changed: of one tree, its own arrays."""
    return trees[0] if len(trees) == 1 else concatenate(trees)


def _like(count: int, *leaves: Any) -> large.Like:
    dtype = np.result_type(*(leaf.dtype for leaf in leaves))
    return large.Like((count, *leaves[0].shape[1:]), dtype)


def _new(shapes: Any) -> Any:
    leaves, structure = jax.tree.flatten(shapes)
    return jax.tree.unflatten(structure, large.empty(leaves))


def random_move(like: Params, length: float, key: np.ndarray) -> Params:
    """A move of that length in a direction that the key draws, from every direction alike."""
    drawn = np.random.default_rng(key)
    away = {name: drawn.normal(size=leaf.shape) for name, leaf in sorted(like.items())}
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in away.values()))
    return {name: length / norm * leaf for name, leaf in away.items()}


def count(tree: Any) -> int:
    """Leading axis length."""
    return len(jax.tree.leaves(tree)[0])


def counts(tree: Any) -> dict[str, int | None]:
    """The leading axis length of each leaf by its name; None of a scalar."""
    shapes = map(np.shape, jax.tree.leaves(tree))
    return {name: next(iter(shape), None) for name, shape in zip(names(tree), shapes, strict=True)}


def rows(leaf: Any) -> Any:
    """An array [n, ...] as [n, scalars], also where it has no elements."""
    return leaf.reshape(len(leaf), math.prod(leaf.shape[1:]))


def size(tree: Any) -> int:
    """Number of scalars."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def nbytes(tree: Any) -> int:
    """How many bytes arrays of these shapes take."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def matching(named: Mapping[str, Any], globs: str) -> Params:
    """The parameters whose names match one of the comma-separated globs."""
    patterns = [glob.strip() for glob in globs.split(",")]
    return {
        name: leaf
        for name, leaf in named.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
