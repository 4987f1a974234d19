"""The permutations that bring one network's arrays nearest to another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy  # its parts are loaded when they are used

from landscape.core.trees import Params
from landscape.symmetry.spec import Permutations, PermutationSpec, Place, check_fits, moved

MOST_SWEEPS = 100
LEAST_GAIN = 1e-12  # of the arrays' squared norms


@dataclass(frozen=True)
class Matching:
    """Permutations of the second arrays that were found, and how good they are.

    Attributes:
        permutations: Of each class, the old unit of each new one.
        before: The scalar product of the arrays as they are, over those that have units.
        objective: The same after the permutation; the highest of all starts.
        objectives: Where each start ended. Coordinate ascent ends in local maxima: their spread
            says how far to trust the highest.
    """

    permutations: tuple[np.ndarray, ...]
    before: float
    objective: float
    objectives: tuple[float, ...]


def match(
    a: Params, b: Params, spec: PermutationSpec, *, restarts: int = 5, seed: int = 0
) -> Matching:
    """Permute the units of the second arrays so that their scalar product with the first is high.

    One class after another, in random order, is permuted as is best for the others as they are, by
    a linear assignment, until none gains. The first start is the identity, the others are random.

    Args:
        a: Named arrays.
        b: The same of another network.
        spec: Which axes share a permutation.
        restarts: How many starts.
        seed: Draws the starts and the order of the classes.

    Returns:
        The best that was found.

    Raises:
        ValueError: The specification is of other arrays.

    References:
        Ainsworth et al. 2022, Sec. 3.2 and Algorithm 1.
    """
    for arrays in (a, b):
        check_fits(spec, arrays)
    problem = _Problem(a, b, spec)
    drawn = np.random.default_rng(seed)
    identity = spec.identity()
    found = []
    for number in range(restarts):
        start = [
            drawn.permutation(len(units)) if number and one.places else units
            for one, units in zip(spec.classes, identity, strict=True)
        ]
        found.append(_ascend(problem, start, drawn))
    objectives = [problem.objective(one) for one in found]
    best = int(np.argmax(objectives))
    before = problem.objective(identity)
    return Matching(tuple(found[best]), before, objectives[best], tuple(objectives))


def _ascend(
    problem: _Problem, start: Sequence[np.ndarray], drawn: np.random.Generator
) -> list[np.ndarray]:
    units = list(start)
    value = problem.objective(units)
    for _ in range(MOST_SWEEPS):
        before = value
        for number in drawn.permutation(len(units)):
            likeness = problem.likeness(number, units)
            new = scipy.optimize.linear_sum_assignment(likeness, maximize=True)[1]
            tried = [*units[:number], new, *units[number + 1 :]]
            # with a class on two axes of an array the assignment takes the other axis as it was
            reached = problem.objective(tried)
            if reached > value:
                units, value = tried, reached
        if value - before <= LEAST_GAIN * problem.scale:
            break
    return units


class _Pair(NamedTuple):
    """An array of both networks, and the classes that have places in it."""

    a: np.ndarray
    b: np.ndarray
    places: list[tuple[int, Place]]


class _Problem:
    """The objective, and each class's part of it. What has one place of one class alone is kept as
    the products of its units."""

    def __init__(self, a: Params, b: Params, spec: PermutationSpec) -> None:
        self.alone = [np.zeros((one.size, one.size)) for one in spec.classes]
        self.pairs: list[_Pair] = []
        places: dict[str, list[tuple[int, Place]]] = {}
        for number, one in enumerate(spec.classes):
            for place in one.places:
                places.setdefault(place.array, []).append((number, place))
        self.scale = 0.0
        for name, own in places.items():
            both = np.asarray(a[name], np.float64), np.asarray(b[name], np.float64)
            self.scale += sum(float(np.square(leaf).sum()) for leaf in both) / 2
            if len(own) == 1:
                ((number, place),) = own
                self.alone[number] += _by_unit(both[0], place) @ _by_unit(both[1], place).T
            else:
                self.pairs.append(_Pair(*both, own))

    def objective(self, units: Permutations) -> float:
        """The scalar product after permuting."""
        value = sum(
            float(likeness[np.arange(len(order)), order].sum())
            for likeness, order in zip(self.alone, units, strict=True)
        )
        for pair in self.pairs:
            b = pair.b
            for number, place in pair.places:
                b = np.take(b, moved(place, units[number]), place.axis)
            value += float(np.vdot(pair.a, b))
        return value

    def likeness(self, number: int, units: Permutations) -> np.ndarray:
        """How alike each unit of a class is to each of the other network's, [units, units]."""
        found = self.alone[number].copy()
        for pair in self.pairs:
            for owner, place in pair.places:
                if owner != number:
                    continue
                b = pair.b
                for other, elsewhere in pair.places:
                    if elsewhere is not place:
                        b = np.take(b, moved(elsewhere, units[other]), elsewhere.axis)
                found += _by_unit(pair.a, place) @ _by_unit(b, place).T
        return found


def _by_unit(array: np.ndarray, place: Place) -> np.ndarray:
    """[units, all else]."""
    index = place.index
    taken = np.moveaxis(np.take(array, index.ravel(), place.axis), place.axis, 0)
    return taken.reshape(len(index), -1)
