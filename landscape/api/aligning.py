"""Bring one network near to another, and show what leaves a function as it is."""

# pyright: strict, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false
# JAX and matplotlib are not typed throughout

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from landscape.api import display
from landscape.api.problem import Problem, Tree, as_landscape, as_params, like
from landscape.core import paths, trees
from landscape.core.alignment import Align
from landscape.core.landscape import Landscape
from landscape.core.permute import Factors
from landscape.symmetry.align import RESTARTS, aligner, scales_of
from landscape.symmetry.align import symmetries as symmetries_of
from landscape.symmetry.scales import Scales
from landscape.symmetry.spec import PermutationSpec

Axes = Sequence[Mapping[str, int | Sequence[int]]]


@dataclass(frozen=True)
class AlignResult:
    """The second network permuted onto the first.

    Attributes:
        params: The second network, its units permuted, in the structure of the first. It computes
            the same function as before.
        permutations: Of each class of `spec`, the old unit of each new one.
        factors: (array, axis) → what each place along it was multiplied by then, of
            `weights-and-scales`.
        spec: Which axes share a permutation.
        before: What is made large, before: the scalar product of the two networks' weights, the
            sum of the correlations of their units' activations, or minus the loss halfway; minus
            infinity where that is not finite.
        objective: The same after, the highest of all starts.
        objectives: Where each start ended: the spread says how far to trust the highest.
        distance_before: Of the two networks, in parameter distance.
        distance: The same after.
    """

    params: Tree = field(repr=False)
    permutations: tuple[np.ndarray, ...] = field(repr=False)
    factors: Factors = field(repr=False)
    spec: PermutationSpec = field(repr=False)
    before: float
    objective: float
    objectives: tuple[float, ...]
    distance_before: float
    distance: float

    def _repr_html_(self) -> str:
        return display.fields_table(self)


def symmetries(
    problem: Problem,
    example: Tree,
    *,
    axes: Axes | None = None,
    metric: str = "loss",
    split: str = "train",
) -> PermutationSpec:
    """Which axes of the parameters share a permutation that leaves the function as it is.

    It is derived from the operations of the loss, and proved at random parameters. What is derived
    can be less than there is: an operation without a rule pins the axes that it meets.

    Args:
        problem: A loss of a pytree, a `Task`, or a bound `Landscape`.
        example: Parameters, for the structure of a function's argument.
        axes: The specification by hand, to be proved: a class each, the array's name → the axis,
            or axes, that its units are along. None: derived.
        metric: Of a task: what must not change, with the outputs where the task has any.
        split: Of a task: on which of its splits.

    Returns:
        The classes, and what is pinned, with the reason.

    Raises:
        ValueError: A class that was given changes the function: the axis is named that is missing,
            or does not belong to it.

    References:
        Ainsworth et al. 2022, who write specifications by hand.

    Examples:
        >>> spec = symmetries(loss, params)
        >>> [str(place) for place in spec.classes[0].places]
    """
    landscape = as_landscape(problem, example, metric, split)
    return symmetries_of(_with(landscape, axes))


def scales(
    problem: Problem,
    example: Tree,
    *,
    axes: Axes | None = None,
    metric: str = "loss",
    split: str = "train",
) -> list[Scales]:
    """How the units of each class of `symmetries` can be multiplied, so that the function stays.

    Their signs, where their activation is odd, and positive factors, where it is a rectifier. Both
    are read from derivatives, and proved at random parameters. A sign is tried in all places of a
    unit together.

    Args:
        problem: A loss of a pytree, a `Task`, or a bound `Landscape`.
        example: Parameters, for the structure of a function's argument.
        axes: The classes by hand, as for `symmetries`.
        metric: Of a task: what must not change, with the outputs where the task has any.
        split: Of a task: on which of its splits.

    Returns:
        For each class, in the order of `symmetries`, and with the reason where there are none.

    Raises:
        ValueError: A class that was given changes the function.

    Examples:
        >>> for one, own in zip(symmetries(loss, params).classes, scales(loss, params)):
        ...     print(one.name, own.signs, own.powers)
    """
    landscape = _with(as_landscape(problem, example, metric, split), axes)
    return scales_of(landscape, symmetries_of(landscape))


def _with(landscape: Landscape, axes: Axes | None) -> Landscape:
    """The landscape with a specification by hand, where there is one."""
    if axes is None:
        return landscape
    given = tuple(
        {name: one if isinstance(one, int) else tuple(one) for name, one in of.items()}
        for of in axes
    )
    return landscape._replace(symmetries=given)


def align(
    problem: Problem,
    a: Tree,
    b: Tree,
    *,
    by: Align = "weights",
    axes: Axes | None = None,
    restarts: int = RESTARTS,
    metric: str = "loss",
    split: str = "train",
    seed: int = 0,
) -> AlignResult:
    """Permute the units of the second network so that it is near the first.

    Args:
        problem: A loss of a pytree, a `Task`, or a bound `Landscape`.
        a: Parameters.
        b: The same of another network.
        by: What is matched: `weights`; `weights-and-scales`, where the signs of units (of odd
            activations) and their scales (of rectifiers) are chosen, too; `activations`, over at
            most 2,000 samples; or `straight-through`, the loss halfway between the two.
        axes: The specification by hand, as for `symmetries`; not for `activations`.
        restarts: How many starts the search has: a start built layer by layer, the identity, then
            random ones.
        metric: Of a task: what must not change, with the outputs where the task has any.
        split: Of a task: on which of its splits.
        seed: All randomness comes from it.

    Returns:
        The permuted network.

    Raises:
        ValueError: The parameters do not fit the problem, or a class that was given changes the
            function.

    References:
        Ainsworth et al. 2022 (matching weights, straight-through estimator); Li et al. 2015
        (matching activations).

    Examples:
        >>> found = align(loss, a, b)
        >>> find_path(loss, a, found.params, level=0.1, method="straight")
    """
    landscape = as_landscape(problem, a, metric, split)
    first, second = as_params(landscape, a, "a"), as_params(landscape, b, "b")
    by_class = aligner(_with(landscape, axes), by, seed)
    found = by_class(first, second, restarts)
    return AlignResult(
        params=like(a, found.params),
        permutations=found.matching.permutations,
        factors=found.change.factors,
        spec=by_class.spec,
        before=found.matching.before,
        objective=found.matching.objective,
        objectives=found.matching.objectives,
        distance_before=paths.chord(trees.stack([first, second])),
        distance=paths.chord(trees.stack([first, found.params])),
    )
