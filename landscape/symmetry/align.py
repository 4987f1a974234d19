"""Permute one network onto another, by permutations that are proved to leave its function alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np

from landscape.core.distances import some_data
from landscape.core.landscape import Landscape
from landscape.core.permute import Orders, reordered
from landscape.core.trees import Params
from landscape.symmetry import prove
from landscape.symmetry.activations import activations
from landscape.symmetry.derive import Derivation, derive
from landscape.symmetry.match import Matching, match
from landscape.symmetry.spec import PermutationSpec, by_hand

Align = Literal["weights", "activations"]

FEW = 8  # samples, from which symmetries are derived and at which they are proved
SAMPLES = 2000  # at most, over which activations are compared
RESTARTS = 5


@dataclass(frozen=True)
class Aligned:
    """The second network permuted onto the first.

    Attributes:
        params: Its arrays.
        orders: (array, axis) → the old place of each of its new ones.
        matching: The permutations of the classes, and how good they are.
    """

    params: Params
    orders: Orders
    matching: Matching


@dataclass(frozen=True)
class Aligner:
    """What all pairs of a landscape share: its symmetries, proved."""

    landscape: Landscape
    how: Align
    spec: PermutationSpec
    derivation: Derivation | None
    seed: int

    def __call__(self, a: Params, b: Params, restarts: int = RESTARTS) -> Aligned:
        """Permute the second network onto the first."""
        if self.derivation is None:
            found = match(a, b, self.spec, restarts=restarts, seed=self.seed)
        else:
            spec, networks = activations(self.derivation, a, b)
            found = match(networks[0], networks[1], spec, restarts=restarts, seed=self.seed)
        orders = self.spec.orders(found.permutations)
        return Aligned(reordered(b, orders), orders, found)


def aligner(landscape: Landscape, how: Align, seed: int = 0) -> Aligner:
    """A landscape's symmetries, proved, to align its networks by weights or activations.

    Raises:
        NotSymmetric: As `symmetries`.
        ValueError: Activations are asked for, and the task names its symmetries itself: where its
            units' activations are is known of derived ones alone.
    """
    spec = symmetries(landscape, seed)
    derivation = None
    if how == "activations":
        if landscape.symmetries is not None:
            raise ValueError(
                "the task names its symmetries itself: its networks can be aligned by weights only"
            )
        found = derive(_observed(landscape, SAMPLES), landscape.shapes)
        derivation = _of_classes(found, spec)
    return Aligner(landscape, how, spec, derivation, seed)


def symmetries(landscape: Landscape, seed: int = 0) -> PermutationSpec:
    """The permutations that leave a landscape's function as it is: the task's own, or derived from
    its loss; proved.

    Args:
        landscape: The landscape. Its outputs, where it has them, and its level's metric must not
            change.
        seed: Draws the points of the proof.

    Returns:
        The specification.

    Raises:
        NotSymmetric: A permutation changes the function: the task names axes that do not belong
            together, or a rule of ours is wrong.
        ValueError: The task names an axis that is not there.
    """
    if landscape.symmetries is None:
        observed = _observed(landscape, FEW)
        spec = derive(_both(landscape, observed), landscape.shapes).spec
    else:
        shapes = {name: tuple(leaf.shape) for name, leaf in landscape.shapes.items()}
        spec = by_hand(shapes, landscape.symmetries)
    prove_at_random(landscape, spec, seed)
    return spec


def _of_classes(derivation: Derivation, spec: PermutationSpec) -> Derivation:
    """A derivation from the outputs alone, of which the level's metric may pin some axes: its
    activations of the classes of a specification."""
    numbers = {one.places: number for number, one in enumerate(spec.classes)}
    own = [numbers.get(one.places) for one in derivation.spec.classes]
    read = {
        key: [(number, place) for old, place in places if (number := own[old]) is not None]
        for key, places in derivation.read.items()
    }
    return derivation._replace(spec=spec, read={key: found for key, found in read.items() if found})


def prove_at_random(landscape: Landscape, spec: PermutationSpec, seed: int = 0) -> None:
    """Raise NotSymmetric for a specification that changes the landscape's function."""
    params = {name: np.asarray(leaf) for name, leaf in landscape.init(jax.random.key(seed)).items()}
    prove.check(_observed(landscape, FEW), params, spec, seed)


def _observed(landscape: Landscape, samples: int) -> Callable[[Params], Any]:
    """The outputs of some samples; of a landscape without, the level's metric."""
    outputs = landscape.outputs
    if outputs is None:
        return landscape.level
    data = some_data(landscape, samples)
    return lambda params: outputs.predict(params, data)


def _both(landscape: Landscape, observed: Callable[[Params], Any]) -> Callable[[Params], Any]:
    return lambda params: (observed(params), landscape.level(params))
