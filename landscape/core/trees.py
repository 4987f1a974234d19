"""Arithmetic on parameters. Inside the house parameters are a flat dict of named arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import jax
import numpy as np

Params = dict[str, Any]


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


def stack(trees: Sequence[Any]) -> Any:
    """NumPy trees stacked along a new leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def concatenate(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *trees)


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


def matching(named: Mapping[str, Any], globs: str) -> Params:
    """The parameters whose names match one of the comma-separated globs."""
    patterns = [glob.strip() for glob in globs.split(",")]
    return {
        name: leaf
        for name, leaf in named.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
