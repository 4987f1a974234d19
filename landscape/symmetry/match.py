"""The permutations that bring one network's arrays nearest to another's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy  # its parts are loaded when they are used

from landscape.core.trees import Params
from landscape.symmetry.spec import PermutationSpec, Place, check_fits, moved

MOST_SWEEPS = 100
LEAST_GAIN = 1e-12  # of the arrays' squared norms


class Units(NamedTuple):
    """Of a class: the old unit of each new one, and the sign that it has then, 1 or −1."""

    order: np.ndarray
    signs: np.ndarray


@dataclass(frozen=True)
class Matching:
    """Permutations of the second arrays that were found, and how good they are.

    Attributes:
        permutations: Of each class, the old unit of each new one.
        signs: Of each class, the sign of each new unit, 1 or −1.
        before: What is made large, of the arrays as they are.
        objective: The same after the permutation; the highest of all starts.
        objectives: Where each start ended. Each search is local: their spread says how far to trust
            the highest.
    """

    permutations: tuple[np.ndarray, ...]
    signs: tuple[np.ndarray, ...]
    before: float
    objective: float
    objectives: tuple[float, ...]


def match(
    a: Params,
    b: Params,
    spec: PermutationSpec,
    *,
    signed: Sequence[bool] | None = None,
    restarts: int = 5,
    seed: int = 0,
) -> Matching:
    """Permute the units of the second arrays so that their scalar product with the first is high.

    One class after another, in random order, is permuted as is best for the others as they are, by
    a linear assignment, until none gains. What the others are at the start decides where that ends
    (`Problem.starts`).

    Args:
        a: Named arrays.
        b: The same of another network.
        spec: Which axes share a permutation.
        signed: Of each class, whether its units may change their sign; None: of none.
        restarts: How many starts.
        seed: Draws the starts and the order of the classes.

    Returns:
        The best that was found; the objective is the scalar product over arrays that have units.

    Raises:
        ValueError: The specification is of other arrays.

    References:
        Ainsworth et al. 2022, Sec. 3.2 and Algorithm 1.
    """
    problem = Problem(a, b, spec, signed)
    drawn = np.random.default_rng(seed)
    found = [problem.ascend(start, drawn) for start in problem.starts(restarts, drawn)]
    return best_of(
        found, [problem.objective(one) for one in found], problem.objective(unmoved(spec))
    )


def unmoved(spec: PermutationSpec) -> list[Units]:
    """Every unit where it is."""
    return [Units(order, np.ones(len(order))) for order in spec.identity()]


def best_of(found: Sequence[Sequence[Units]], values: Sequence[float], before: float) -> Matching:
    """What the starts ended at, of which the highest counts."""
    best = found[int(np.argmax(values))]
    return Matching(
        permutations=tuple(one.order for one in best),
        signs=tuple(one.signs for one in best),
        before=before,
        objective=max(values),
        objectives=tuple(values),
    )


class _Pair(NamedTuple):
    """An array of both networks, the classes that have places in it, and its squared norm."""

    a: np.ndarray
    b: np.ndarray
    places: list[tuple[int, Place]]
    size: float


class Problem:
    """The scalar product, and each class's part of it. What has one place of one class alone is
    kept as the products of its units."""

    def __init__(
        self, a: Params, b: Params, spec: PermutationSpec, signed: Sequence[bool] | None = None
    ) -> None:
        for arrays in (a, b):
            check_fits(spec, arrays)
        self.spec = spec
        self.signed = signed or [False] * len(spec.classes)
        self.alone = [np.zeros((one.size, one.size)) for one in spec.classes]
        self.pairs: list[_Pair] = []
        places: dict[str, list[tuple[int, Place]]] = {}
        for number, one in enumerate(spec.classes):
            for place in one.places:
                places.setdefault(place.array, []).append((number, place))
        self.alone_size = [0.0] * len(spec.classes)
        for name, own in places.items():
            both = np.asarray(a[name], np.float64), np.asarray(b[name], np.float64)
            size = sum(float(np.square(leaf).sum()) for leaf in both) / 2
            if len(own) == 1:
                ((number, place),) = own
                self.alone[number] += _by_unit(both[0], place) @ _by_unit(both[1], place).T
                self.alone_size[number] += size
            else:
                self.pairs.append(_Pair(*both, own, size))
        self.scale = sum(self.alone_size) + sum(pair.size for pair in self.pairs)

    def starts(self, count: int, drawn: np.random.Generator) -> Iterator[list[Units]]:
        """A start built class by class; the identity; then random ones."""
        for number in range(count):
            yield unmoved(self.spec) if number == 1 else self._grown(drawn, number > 0)

    def _grown(self, drawn: np.random.Generator, at_random: bool) -> list[Units]:
        """Each class assigned once, by the arrays of which all other classes are assigned already:
        those that are not would tell it nothing but noise. The next is that of which the largest
        part is known, or at random the likelier the larger that is."""
        units, known = unmoved(self.spec), set[int]()
        while left := [number for number in range(len(units)) if number not in known]:
            luck = drawn.random(len(left)) if at_random else np.ones(len(left))
            part = [self._known(number, known) for number in left]
            chosen = left[int(np.argmax(luck * part))]
            units[chosen] = self._assigned(chosen, units, known)
            known.add(chosen)
        return units

    def _known(self, number: int, known: Collection[int]) -> float:
        """The part of a class's arrays of which all other places are known."""
        told, whole = self.alone_size[number], self.alone_size[number]
        for pair in self.pairs:
            others = [other for other, _ in pair.places]
            if number in others:
                others.remove(number)
                whole += pair.size
                told += pair.size * all(other in known for other in others)
        return told / (whole or 1.0)

    def ascend(self, start: Sequence[Units], drawn: np.random.Generator) -> list[Units]:
        """The local maximum that coordinate ascent reaches."""
        units = list(start)
        value = self.objective(units)
        for _ in range(MOST_SWEEPS):
            before = value
            for number in drawn.permutation(len(units)):
                tried = list(units)
                tried[number] = self._assigned(number, units, range(len(units)))
                # with a class on two axes of an array the assignment takes the other as it was
                reached = self.objective(tried)
                if reached > value:
                    units, value = tried, reached
            if value - before <= LEAST_GAIN * self.scale:
                break
        return units

    def objective(self, units: Sequence[Units]) -> float:
        """The scalar product after permuting."""
        value = sum(
            float((own.signs * likeness[np.arange(len(own.order)), own.order]).sum())
            for likeness, own in zip(self.alone, units, strict=True)
        )
        for pair in self.pairs:
            b = pair.b
            for number, place in pair.places:
                b = _moved(b, place, units[number])
            value += float(np.vdot(pair.a, b))
        return value

    def _assigned(self, number: int, units: Sequence[Units], known: Collection[int]) -> Units:
        """What is best for a class, by the arrays of which all other places are known."""
        likeness = self.alone[number].copy()  # of each unit to each of the other network's
        for pair in self.pairs:
            for owner, place in pair.places:
                others = [(k, other) for k, other in pair.places if other is not place]
                if owner != number or not all(k in known for k, _ in others):
                    continue
                b = pair.b
                for k, other in others:
                    b = _moved(b, other, units[k])
                likeness += _by_unit(pair.a, place) @ _by_unit(b, place).T
        worth = np.abs(likeness) if self.signed[number] else likeness
        order = scipy.optimize.linear_sum_assignment(worth, maximize=True)[1]
        own = likeness[np.arange(len(order)), order]
        return Units(order, np.where(self.signed[number] & (own < 0), -1.0, 1.0))


def _moved(array: np.ndarray, place: Place, units: Units) -> np.ndarray:
    found = np.take(array, moved(place, units.order), place.axis)
    if (units.signs == 1).all():
        return found
    along = np.ones(place.length)
    along[place.index] = units.signs[:, None]
    return found * np.expand_dims(along, [k for k in range(array.ndim) if k != place.axis])


def _by_unit(array: np.ndarray, place: Place) -> np.ndarray:
    """[units, all else]."""
    index = place.index
    taken = np.moveaxis(np.take(array, index.ravel(), place.axis), place.axis, 0)
    return taken.reshape(len(index), -1)
