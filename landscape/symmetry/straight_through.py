"""The permutations by which the network halfway between two has the lowest loss."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
import optax

from landscape.core import trees
from landscape.core.permute import reordered
from landscape.core.trees import Params
from landscape.symmetry.match import Matching, Problem, Units, best_of, unmoved
from landscape.symmetry.spec import PermutationSpec

STEPS = 100
RATE = 0.01  # of a weight's root mean square in its array: how far a step moves it


def straight_through(
    a: Params,
    b: Params,
    spec: PermutationSpec,
    loss: Callable[[Params], float],
    gradient: Callable[[Params, jax.Array], Params],
    *,
    restarts: int = 5,
    seed: int = 0,
) -> Matching:
    """Permute the units of the second network so that the loss halfway to the first is low.

    A third network is descended, which begins at the first: its gradient is that of the network
    halfway between the first and the second, permuted as is best for the third by its weights. Each
    start begins where one of weight matching does, and its first step is that.

    Args:
        a: Named arrays.
        b: The same of another network.
        spec: Which axes share a permutation.
        loss: What is made low halfway.
        gradient: (arrays, key) → gradient of what is descended.
        restarts: How many starts.
        seed: Draws the starts, the order of the classes and the keys.

    Returns:
        The best that was found, no permutation among it; the objective is minus the loss halfway,
        and minus infinity where that is not finite. A start ends where the gradient is not.

    References:
        Ainsworth et al. 2022, Sec. 3.3 and Algorithm 3.
    """
    drawn = np.random.default_rng(seed)
    keys = jax.random.split(jax.random.key(seed), restarts)

    def halfway(units: list[Units]) -> Params:
        return trees.lerp(a, reordered(b, spec.orders([one.order for one in units])), 0.5)

    def descended(units: list[Units], key: jax.Array) -> tuple[list[Units], float]:
        third = {name: np.asarray(leaf) for name, leaf in a.items()}
        reach = {name: RATE * np.sqrt(np.mean(np.square(leaf))) for name, leaf in third.items()}
        adam = optax.adam(1.0)
        state = adam.init(third)
        best, lowest = unmoved(spec), before
        for step in range(STEPS):
            units = Problem(third, b, spec).ascend(units, drawn)
            half = halfway(units)
            value = _finite_or_highest(loss(half))
            if value < lowest:
                best, lowest = units, value
            moves, state = adam.update(gradient(half, jax.random.fold_in(key, step)), state)
            third = jax.tree.map(_stepped, third, reach, moves)
            if not all(np.isfinite(leaf).all() for leaf in third.values()):
                break
        return best, lowest

    before = _finite_or_highest(loss(halfway(unmoved(spec))))
    starts = Problem(a, b, spec).starts(restarts, drawn)
    found = list(map(descended, starts, keys))
    return best_of([units for units, _ in found], [-value for _, value in found], -before)


def _finite_or_highest(value: float) -> float:
    return float(value) if np.isfinite(value) else np.inf


def _stepped(leaf: np.ndarray, reach: float, move: jax.Array) -> np.ndarray:
    return np.asarray(leaf + reach * move)
