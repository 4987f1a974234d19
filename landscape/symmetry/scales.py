"""Signs and scales of units that leave a function as it is.

All that a unit of an odd activation is along can change its sign. A unit of a rectifier can be
multiplied by a positive number where what it is read by is divided by it. Neither is told by a
primitive's rule: what may be so is read from derivatives, and proved at random points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landscape.core.permute import scaled
from landscape.core.trees import Params
from landscape.symmetry.operations import Operations, doubled, same_size
from landscape.symmetry.prove import MOVE, Trial, trials_of
from landscape.symmetry.spec import PermutationClass, PermutationSpec

FAR = 10.0  # as prove.MOVE: of points beside those, where activations leave their straight parts
TOLD = 10  # times what is rounding: a change in one place is larger, or nothing is proved
DIRECTIONS = 4  # at a point, along which derivatives are compared
NULL = 1e-4  # of the largest singular value: a smaller one is zero, to rounding in float32
WHOLE = 1e-2  # how near an exponent is to 1, 0 or −1
FEW = 5  # places at most, of which all powers are tried to say what they are lost in
SWEEPS = 100
BALANCED = 1e-6  # of a factor's logarithm


@dataclass(frozen=True)
class Scales:
    """How the units of a class can be multiplied.

    Attributes:
        powers: Of each place, to which power it takes a positive factor, 1, 0 or −1; None where
            there is no such factor, or more than one.
        no_signs: Why the sign of a unit may not change in all places; empty where it may.
        no_powers: Why there are no powers; empty where there are.
    """

    powers: tuple[int, ...] | None
    no_signs: str
    no_powers: str

    @property
    def signs(self) -> bool:
        """Whether the sign of a unit may change, in all places."""
        return not self.no_signs


def scales(
    function: Callable[[Params], Any], params: Params, spec: PermutationSpec, seed: int = 0
) -> list[Scales]:
    """How the units of each class can be multiplied, proved at random parameters.

    Args:
        function: Named arrays → arrays, a pytree of them, deterministic.
        params: An initialisation: the parameters that are tried are near it, and far from it.
        spec: The classes, proved.
        seed: Draws the points and the factors.

    Returns:
        For each class. A scale that does not hold for all its units together is not found.
    """
    drawn = np.random.default_rng(seed)
    near, far = (trials_of(function, params, drawn, move) for move in (MOVE, FAR))
    trials = [trial for trial in (*near, *far) if trial.is_finite] or near
    operations = Operations(function, trials[-1].point)
    slopes = _slopes(operations)
    found = []
    for one in spec.classes:
        powers, no_powers = _powers(one, trials, operations, slopes, drawn)
        if powers:
            factors = np.exp(drawn.uniform(-1, 1, one.size))
            no_powers = _change(trials, one, powers, factors)
        signs, all_places = np.where(drawn.permutation(one.size) % 2, 1.0, -1.0), _every(one)
        no_signs = _change(trials, one, all_places, signs)
        if no_signs:
            after = _multiplied(trials[-1].point, one, all_places, signs)
            where = operations.first_lost(after, same_size)
            no_signs = f"it counts in {operations.names[where]}" if where else no_signs
        found.append(Scales(None if no_powers else powers, no_signs, no_powers))
    return found


def _every(one: PermutationClass) -> list[int]:
    return [1] * len(one.places)


def _multiplied(
    params: Params, one: PermutationClass, powers: Sequence[int], factors: np.ndarray
) -> Params:
    return scaled(params, PermutationSpec((one,)).factors([powers], [factors]))


def _change(
    trials: Sequence[Trial], one: PermutationClass, powers: Sequence[int], factors: np.ndarray
) -> str:
    """What units that are multiplied change of the results; empty where it is rounding, and
    multiplied in one place alone they change more."""

    def excess(powers: Sequence[int]) -> float:
        multiplied = (_multiplied(trial.point, one, powers, factors) for trial in trials)
        return float(np.max([*map(Trial.excess, trials, multiplied)]))  # NaN, if any is

    found = excess(powers)
    if not found <= 1:
        return f"it changes the results, by {found:.3g} times what is rounding"
    places = range(len(powers))
    alone = ([power * (n == place) for n, power in enumerate(powers)] for place in places)
    if not max(map(excess, alone)) > TOLD:
        return "the results depend on it too little to prove it"
    return ""


Slopes = Callable[[Params, Params], jax.Array]  # (parameters, tangent) → of all results


def _slopes(operations: Operations) -> Slopes:
    @jax.jit
    def along(params: Params, tangent: Params) -> jax.Array:
        slopes = jax.jvp(operations.results, (params,), (tangent,))[1]
        return jnp.concatenate([jnp.ravel(leaf) for leaf in slopes])

    return along


def _powers(
    one: PermutationClass,
    trials: Sequence[Trial],
    operations: Operations,
    slopes: Slopes,
    drawn: np.random.Generator,
) -> tuple[tuple[int, ...] | None, str]:
    """The powers, or why there are none. With θ_p what a unit has in a place p, no scale λ of
    θ_p·λ^e_p changes the function if Σ_p e_p θ_p·∂f/∂θ_p = 0: the exponents are what these
    derivatives leave free."""
    rows = []
    for trial in trials:
        of_units = [drawn.standard_normal(one.size) for _ in range(DIRECTIONS)]
        own = np.concatenate([_by_place(one, trial.point, units, slopes) for units in of_units])
        rows.append(own / (np.linalg.norm(own) or 1.0))
    _, sizes, directions = np.linalg.svd(np.concatenate(rows))
    free = int((sizes <= NULL * sizes[0]).sum()) + max(0, len(one.places) - len(sizes))
    if free == 0:
        return None, _lost_scale(operations, trials[-1].point, one)
    if free > 1:
        return None, f"there are {free} factors that can be chosen apart, and none is used"
    last = directions[-1] / directions[-1][np.abs(directions[-1]).argmax()]
    whole = np.round(last)
    if (np.abs(last - whole) > WHOLE).any():
        return None, "its powers are not all 1, 0 or −1"
    if np.ptp(whole) < 2:
        return None, "nothing is divided by it"
    return tuple(map(int, whole * whole[whole.nonzero()[0][0]])), ""


def _by_place(
    one: PermutationClass, params: Params, units: np.ndarray, slopes: Slopes
) -> np.ndarray:
    """How the results change as what the units have in a place does: of [results, places] the
    triangular factor, which has its singular values and directions."""
    columns = []
    for place in one.places:
        factor = np.zeros(place.length)
        factor[place.index] = units[:, None]
        still = {name: np.zeros_like(leaf) for name, leaf in params.items()}
        own = scaled({place.array: params[place.array]}, {(place.array, place.axis): factor})
        columns.append(slopes(params, still | own))
    return np.asarray(np.linalg.qr(np.stack(columns, -1).astype(np.float64), mode="r"))


def _lost_scale(operations: Operations, params: Params, one: PermutationClass) -> str:
    """The operation that a factor is lost in at the latest, whatever its powers."""
    if len(one.places) <= FEW:
        every = [(1, *others) for others in product((1, -1), repeat=len(one.places) - 1)]
        twice = np.full(one.size, 2.0)
        lost = [
            operations.first_lost(_multiplied(params, one, powers, twice), doubled)
            for powers in every
        ]
        if None not in lost:
            return f"it counts in {operations.names[max(filter(None, lost))]}"
    return "no powers of a factor leave the results as they are"


def powers_of(spec: PermutationSpec, found: Sequence[Scales]) -> list[tuple[int, ...]]:
    """Of each class, its powers; 0 in all places where it has none."""
    return [
        own.powers or (0,) * len(one.places) for one, own in zip(spec.classes, found, strict=True)
    ]


def balanced(
    params: Params, spec: PermutationSpec, found: Sequence[Scales]
) -> tuple[Params, list[np.ndarray]]:
    """The same function with units whose weights with power 1 are as large as those with −1.

    Args:
        params: Named arrays.
        spec: The classes.
        found: How their units can be multiplied.

    Returns:
        The arrays, and what each unit of each class was multiplied by; 1 for units without weights
        on one side, and in classes without a scale.
    """
    factors = [np.ones(one.size) for one in spec.classes]
    powers = powers_of(spec, found)
    wide = {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}
    for _ in range(SWEEPS):
        most = 0.0
        for number, (one, own) in enumerate(zip(spec.classes, found, strict=True)):
            if own.powers is None:
                continue
            now = scaled(wide, spec.factors(powers, factors))
            sizes = {power: np.zeros(one.size) for power in (1, 0, -1)}
            for place, power in zip(one.places, own.powers, strict=True):
                along = np.moveaxis(np.square(now[place.array]), place.axis, 0)
                by_place = along.reshape(place.length, -1).sum(1)
                sizes[power] = sizes[power] + by_place[place.index].sum(1)
            there = (sizes[1] > 0) & (sizes[-1] > 0)
            ratio = np.where(there, sizes[-1], 1) / np.where(there, sizes[1], 1)
            factors[number] = factors[number] * ratio**0.25
            most = max(most, float(np.abs(np.log(ratio)).max()))
        if most <= BALANCED:
            break
    return scaled(wide, spec.factors(powers, factors)), factors
