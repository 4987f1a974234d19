"""Whether permutations leave a function as it is, at random parameters, to rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from landscape.core.permute import reordered
from landscape.core.trees import Params
from landscape.symmetry.spec import PermutationClass, PermutationSpec, Place, as_tuples, check_fits

MOVE = 0.1  # of the parameters' root mean square: how far the points are from an initialisation,
# where biases that are all 0 hide a permutation that is wrong
POINTS = 2  # random points at which each class is tried
ROUNDINGS = 100  # changes as large as this many of what rounding the parameters makes are rounding


class NotSymmetric(ValueError):
    """A permutation of a specification changes the function."""


def check(
    function: Callable[[Params], Any],
    params: Params,
    spec: PermutationSpec,
    seed: int = 0,
) -> None:
    """Try each class of a specification at random parameters.

    Args:
        function: Named arrays → arrays, a pytree of them, deterministic.
        params: An initialisation: the parameters that are tried are near it.
        spec: The specification.
        seed: Draws the points and the permutations.

    Raises:
        NotSymmetric: A class changes the function by more than rounding; the message names the
            axis that is missing from it, or does not belong to it, where one alone is at fault.
        ValueError: The specification is of other arrays than the parameters.
    """
    check_fits(spec, params)
    drawn = np.random.default_rng(seed)
    trials = trials_of(function, params, drawn)
    for one in spec.classes:
        units = [_no_identity(one.size, drawn) for _ in trials]

        def excess(tried: PermutationClass, units: list[np.ndarray] = units) -> float:
            return max(
                trial.excess(reordered(trial.point, PermutationSpec((tried,)).orders([order])))
                for trial, order in zip(trials, units, strict=True)
            )

        found = excess(one)
        if found > 1:
            said = f"permuting {', '.join(map(str, one.places))} together is another function"
            shapes = {name: np.shape(leaf) for name, leaf in params.items()}
            for tried, fault in _repaired(one, shapes):
                if excess(tried) <= 1:
                    raise NotSymmetric(f"{said}: {fault}")
            raise NotSymmetric(f"{said}, by {found * ROUNDINGS:.3g} times what rounding makes")


def trials_of(
    function: Callable[[Params], Any],
    params: Params,
    drawn: np.random.Generator,
    move: float = MOVE,
) -> list[Trial]:
    """A function at random points near an initialisation; move: how far from it, as MOVE."""
    evaluate = jax.jit(function)
    points = [_moved(params, drawn, move) for _ in range(POINTS)]
    return [Trial(evaluate, point, drawn) for point in points]


class Trial:
    """A function at a point, and what the rounding of the parameters makes of it."""

    def __init__(
        self, evaluate: Callable[[Params], Any], point: Params, drawn: np.random.Generator
    ) -> None:
        self.evaluate, self.point = evaluate, point
        self.value = self._at(point)
        nearby = {
            name: (leaf * (1 + _epsilon(leaf) * drawn.standard_normal(leaf.shape))).astype(
                leaf.dtype
            )
            for name, leaf in point.items()
        }
        epsilon = max(map(_epsilon, point.values()))
        pairs = zip(self.value, self._at(nearby), strict=True)
        self.rounding = [
            np.abs(near - value).max(initial=0) + epsilon * np.abs(value).max(initial=0)
            for value, near in pairs
        ]

    @property
    def is_finite(self) -> bool:
        """Whether all of its values are, nearby as well."""
        return all(map(np.isfinite, self.rounding))

    def excess(self, params: Params) -> float:
        """The change at other parameters, as a multiple of the largest that counts as rounding."""
        found = self._at(params)
        changes = [
            np.abs(now - value).max(initial=0) / (ROUNDINGS * rounding) if rounding else 0.0
            for now, value, rounding in zip(found, self.value, self.rounding, strict=True)
        ]
        return float(max(changes, default=0.0))

    def _at(self, params: Params) -> list[np.ndarray]:
        return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(self.evaluate(params))]


def _repaired(
    one: PermutationClass, shapes: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[PermutationClass, str]]:
    """The class with an axis more or less, and what that says of it."""
    for place in one.places:
        rest = tuple(other for other in one.places if other is not place)
        if rest:
            yield PermutationClass(one.size, rest), f"{place} does not belong to them"
    known = {(place.array, place.axis) for place in one.places}
    for name, shape in shapes.items():
        for axis, length in enumerate(shape):
            if (name, axis) in known or length % one.size:
                continue
            index = np.arange(length).reshape(-1, one.size).T
            place = Place(name, axis, length, as_tuples(index))
            yield PermutationClass(one.size, (*one.places, place)), f"{place} is missing"


def _moved(params: Params, drawn: np.random.Generator, move: float) -> Params:
    leaves = {name: np.asarray(leaf) for name, leaf in params.items()}
    count = sum(leaf.size for leaf in leaves.values())
    squares = sum(float(np.square(leaf, dtype=np.float64).sum()) for leaf in leaves.values())
    size = np.sqrt(squares / count) or 1.0
    return {
        name: (leaf + move * size * drawn.standard_normal(leaf.shape)).astype(leaf.dtype)
        for name, leaf in leaves.items()
    }


def _no_identity(size: int, drawn: np.random.Generator) -> np.ndarray:
    """A random permutation that moves every unit, so that no axis of it goes untried."""
    order = drawn.permutation(size)
    units = np.empty(size, int)
    units[order] = np.roll(order, 1)
    return units


def _epsilon(leaf: np.ndarray) -> float:
    return float(np.finfo(leaf.dtype).eps)
