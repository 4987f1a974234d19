"""Which axes of the parameters share a permutation: plain data, derived or given by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from landscape.core.permute import Factors, Orders, unit_places
from landscape.core.trees import Params

Permutations = Sequence[np.ndarray]  # of each class: the old unit of each new one


@dataclass(frozen=True)
class Place:
    """Where the units of a class are along an axis of an array.

    Attributes:
        array: The array's name.
        axis: Which of its axes, from 0.
        length: How long that is.
        places: Of each unit, its places along the axis: one where the axis is the units, several
            where it holds rows of them.
    """

    array: str
    axis: int
    length: int
    places: tuple[tuple[int, ...], ...]

    @property
    def index(self) -> np.ndarray:
        """The same as an array, [units, places]."""
        return np.array(self.places)

    def __str__(self) -> str:
        index = self.index
        units, rows = index.shape
        said = f"{self.array}[{self.axis}]"
        if rows == 1:
            return said if units == self.length else f"{said} from {index.min()} to {index.max()}"
        steps = np.unique(np.diff(index, axis=0))
        if np.array_equal(steps, [1]):
            return f"{said} in {rows} blocks"
        return f"{said} in runs of {rows}" if np.array_equal(steps, [rows]) else f"{said} in parts"


@dataclass(frozen=True)
class PermutationClass:
    """Units that may be permuted together.

    Attributes:
        size: How many units there are.
        places: Every axis that they are along.
    """

    size: int
    places: tuple[Place, ...]

    @property
    def name(self) -> str:
        """The first of its axes."""
        return str(self.places[0])


@dataclass(frozen=True)
class PinnedAxis:
    """An axis that no permutation acts on.

    Attributes:
        array: The array's name.
        axis: Which of its axes, from 0.
        reason: What gives its places an order.
    """

    array: str
    axis: int
    reason: str


@dataclass(frozen=True)
class PermutationSpec:
    """The permutations of parameters that leave a function as it is.

    Attributes:
        classes: Units that may be permuted, each class by a permutation of its own.
        pinned: The axes of more than one place that have no part in any class.
    """

    classes: tuple[PermutationClass, ...]
    pinned: tuple[PinnedAxis, ...] = ()

    def orders(self, permutations: Permutations) -> Orders:
        """The order of every axis that has units, for a permutation of each class.

        Args:
            permutations: Of each class, the old unit of each new one.

        Returns:
            (array, axis) → the old place of each of the new ones.
        """
        found: dict[tuple[str, int], np.ndarray] = {}
        for one, units in zip(self.classes, permutations, strict=True):
            for place in one.places:
                key = place.array, place.axis
                order = moved(place, units)
                found[key] = found[key][order] if key in found else order
        return found

    def factors(self, exponents: Sequence[Sequence[int]], factors: Sequence[np.ndarray]) -> Factors:
        """What every axis that has units is multiplied by, for a factor of each unit.

        Args:
            exponents: Of each class, to which power each of its places takes a unit's factor.
            factors: Of each class, a factor of each unit.

        Returns:
            (array, axis) → the factor of each of its places; without axes that stay as they are.
        """
        found: dict[tuple[str, int], np.ndarray] = {}
        for one, powers, factor in zip(self.classes, exponents, factors, strict=True):
            for place, power in zip(one.places, powers, strict=True):
                along = np.ones(place.length)
                along[place.index] = (factor**power)[:, None]
                key = place.array, place.axis
                found[key] = found.get(key, 1) * along
        return {key: along for key, along in found.items() if (along != 1).any()}

    def identity(self) -> list[np.ndarray]:
        """The permutation of each class that moves nothing."""
        return [np.arange(one.size) for one in self.classes]


def moved(place: Place, units: np.ndarray) -> np.ndarray:
    """The old place of each place along an axis whose units are permuted."""
    order = np.arange(place.length)
    order[place.index] = place.index[units]
    return order


def by_hand(
    shapes: Mapping[str, tuple[int, ...]], axes: Sequence[Mapping[str, int | Sequence[int]]]
) -> PermutationSpec:
    """A specification as one would write it.

    Args:
        shapes: The shape of each array.
        axes: A class each: the array's name → the axis, or axes, that its units are along. The
            shortest of these is the units; one that is k times as long holds k rows of them.

    Returns:
        The specification, without what is pinned.

    Raises:
        ValueError: An array or an axis is not there, or has another length.
    """
    classes = []
    for given in axes:
        named = [
            (name, axis)
            for name, several in given.items()
            for axis in ([several] if isinstance(several, int) else several)
        ]
        for name, axis in named:
            unit_places(shapes, 1, name, axis)
        size = min(shapes[name][axis] for name, axis in named)
        places = []
        for name, axis in named:
            index = unit_places(shapes, size, name, axis)
            shape = shapes[name]
            places.append(Place(name, axis % len(shape), shape[axis], as_tuples(index)))
        classes.append(PermutationClass(size, tuple(places)))
    return PermutationSpec(tuple(classes))


def as_tuples(index: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Places [units, places] as plain data."""
    return tuple(tuple(map(int, row)) for row in index)


def check_fits(spec: PermutationSpec, params: Params) -> None:
    """Raise ValueError where a specification is of other arrays than these."""
    for place in (place for one in spec.classes for place in one.places):
        shape = np.shape(params[place.array]) if place.array in params else ()
        if shape[place.axis : place.axis + 1] != (place.length,):
            said = f"an axis {place.axis} of {place.length} places"
            raise ValueError(f"there is no array '{place.array}' with {said}")
