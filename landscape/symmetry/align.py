"""Bring one network near to another, by symmetries that are proved to leave its function alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from landscape.core.alignment import Align
from landscape.core.distances import some_data
from landscape.core.landscape import Landscape
from landscape.core.permute import Change, Factors
from landscape.core.trees import Params
from landscape.symmetry import prove
from landscape.symmetry.activations import activations
from landscape.symmetry.derive import Derivation, derive
from landscape.symmetry.match import Matching, match
from landscape.symmetry.scales import Scales, balanced, powers_of, scales
from landscape.symmetry.spec import PermutationSpec, by_hand
from landscape.symmetry.straight_through import straight_through

FEW = 8  # samples, from which symmetries are derived and at which they are proved
SAMPLES = 2000  # at most, over which activations are compared
RESTARTS = 5


@dataclass(frozen=True)
class Aligned:
    """The second network permuted onto the first.

    Attributes:
        params: Its arrays.
        change: By what it was changed.
        matching: The permutations of the classes, and how good they are.
    """

    params: Params
    change: Change
    matching: Matching


@dataclass(frozen=True)
class Aligner:
    """What all pairs of a landscape share: its symmetries, proved, and how they are chosen."""

    spec: PermutationSpec
    choose: Callable[[Params, Params, int], tuple[Matching, Factors]]

    def __call__(self, a: Params, b: Params, restarts: int = RESTARTS) -> Aligned:
        """Permute the second network onto the first."""
        found, factors = self.choose(a, b, restarts)
        change = Change(self.spec.orders(found.permutations), factors)
        return Aligned(change.of(b), change, found)


def aligner(landscape: Landscape, how: Align, seed: int = 0) -> Aligner:
    """A landscape's symmetries, proved, to align its networks.

    Args:
        landscape: The landscape.
        how: `weights`: by the scalar product of the weights; `weights-and-scales`: the same, and
            the signs and scales of units are chosen, too, where these are symmetries;
            `activations`: by correlations over the data; `straight-through`: by the loss halfway.
        seed: Draws points of the proof and starts.

    Raises:
        NotSymmetric: As `symmetries`.
        ValueError: Activations are asked for, and the task names its symmetries itself: where its
            units' activations are is known of derived ones alone.
    """
    spec = symmetries(landscape, seed)
    chooser = _CHOOSERS[how]
    return Aligner(spec, chooser(landscape, spec, seed))


def _by_weights(landscape: Landscape, spec: PermutationSpec, seed: int) -> Chooser:
    def choose(a: Params, b: Params, restarts: int) -> tuple[Matching, Factors]:
        return match(a, b, spec, restarts=restarts, seed=seed), {}

    return choose


def _by_weights_and_scales(landscape: Landscape, spec: PermutationSpec, seed: int) -> Chooser:
    """Of networks whose units are balanced; then those of the second are scaled as the first's."""
    known = scales_of(landscape, spec, seed)
    powers, everywhere = powers_of(spec, known), [(1,) * len(one.places) for one in spec.classes]

    def choose(a: Params, b: Params, restarts: int) -> tuple[Matching, Factors]:
        (first, by_first), (second, by_second) = (balanced(one, spec, known) for one in (a, b))
        signed = [of.signs for of in known]
        found = match(first, second, spec, signed=signed, restarts=restarts, seed=seed)
        factors = [
            theirs[order] / own
            for order, own, theirs in zip(found.permutations, by_first, by_second, strict=True)
        ]
        sizes, signs = spec.factors(powers, factors), spec.factors(everywhere, found.signs)
        one = np.ones(1)
        return found, {key: sizes.get(key, one) * signs.get(key, one) for key in {**sizes, **signs}}

    return choose


def _by_activations(landscape: Landscape, spec: PermutationSpec, seed: int) -> Chooser:
    if landscape.symmetries is not None:
        raise ValueError(
            "the task names its symmetries itself: its networks cannot be aligned by activations"
        )
    derivation = _of_classes(derive(_observed(landscape, SAMPLES), landscape.shapes), spec)

    def choose(a: Params, b: Params, restarts: int) -> tuple[Matching, Factors]:
        places, (first, second) = activations(derivation, a, b)
        return match(first, second, places, restarts=restarts, seed=seed), {}

    return choose


def _by_loss(landscape: Landscape, spec: PermutationSpec, seed: int) -> Chooser:
    level = jax.jit(landscape.level)
    descended = jax.jit(jax.grad(lambda at, key: landscape.loss(at, landscape.carry, key)[0]))

    def choose(a: Params, b: Params, restarts: int) -> tuple[Matching, Factors]:
        found = straight_through(a, b, spec, level, descended, restarts=restarts, seed=seed)
        return found, {}

    return choose


Chooser = Callable[[Params, Params, int], tuple[Matching, Factors]]
_CHOOSERS: dict[Align, Callable[[Landscape, PermutationSpec, int], Chooser]] = {
    "weights": _by_weights,
    "weights-and-scales": _by_weights_and_scales,
    "activations": _by_activations,
    "straight-through": _by_loss,
}


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


def scales_of(landscape: Landscape, spec: PermutationSpec, seed: int = 0) -> list[Scales]:
    """How the units of a landscape's classes can be multiplied, proved.

    Args:
        landscape: The landscape. Its outputs, where it has them, and its level's metric must not
            change; the metric of a few samples, where it is a mean over them.
        spec: The classes, proved.
        seed: Draws the points of the proof, and the factors.

    Returns:
        For each class.
    """
    observed, target = _observed(landscape, FEW), landscape.hessian_target
    if target is None or not target.sample_mean or landscape.differentiable_level is None:
        return scales(observed, _initial(landscape, seed), spec, seed)
    few = some_data(landscape, FEW)

    def measured(params: Params) -> Any:  # a penalty on weights is in no output
        return observed(params), target.value(params, few)

    return scales(measured, _initial(landscape, seed), spec, seed)


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
    prove.check(_observed(landscape, FEW), _initial(landscape, seed), spec, seed)


def _initial(landscape: Landscape, seed: int) -> Params:
    return {name: np.asarray(leaf) for name, leaf in landscape.init(jax.random.key(seed)).items()}


def _observed(landscape: Landscape, samples: int) -> Callable[[Params], Any]:
    """The outputs of some samples; of a landscape without, the level's metric."""
    outputs = landscape.outputs
    if outputs is None:
        return landscape.level
    data = some_data(landscape, samples)
    return lambda params: outputs.predict(params, data)


def _both(landscape: Landscape, observed: Callable[[Params], Any]) -> Callable[[Params], Any]:
    return lambda params: (observed(params), landscape.level(params))
