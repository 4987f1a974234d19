"""Landscapes with known answers, for every method to be held to."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from landscape.core.certificate import segment_evaluator
from landscape.core.landscape import Landscape, bind
from landscape.core.level import LevelSpec
from landscape.core.task import energy_task
from landscape.methods.registry import load_method
from landscape.search.descend import Descender
from landscape.search.driver import Connection, finish, judge, start
from landscape.search.state import Problem, Search


class Analytic(NamedTuple):
    energy: Callable
    a: tuple[float, ...]
    b: tuple[float, ...]
    level: float

    @property
    def landscape(self) -> Landscape:
        return bind(energy_task(self.energy, lambda key: jax.random.normal(key, (len(self.a),))))


def ring_energy(x):
    return (jnp.sum(x**2) - 1) ** 2


def double_well_energy(x):
    return (x[0] ** 2 - 1) ** 2 + x[1] ** 2


# off the exact antipode: there the midpoint has no gradient and a bead stays where it is
RING = Analytic(ring_energy, (1.0, 0.0), (-0.9987503, 0.0499792), 0.01)
DOUBLE_WELL_BELOW = Analytic(double_well_energy, (1.0, 0.05), (-1.0, 0.1), 0.5)
DOUBLE_WELL_ABOVE = Analytic(double_well_energy, (1.0, 0.05), (-1.0, 0.1), 1.02)
CONVEX = Analytic(lambda x: jnp.sum(x**2), (0.3, 0.1, 0.2), (-0.2, 0.3, -0.1), 0.2)
NEGATIVE = Analytic(lambda x: jnp.sum(x**2) - 2, (0.3, 0.1), (-0.2, 0.3), -1.5)
EVERY = {
    "ring": RING,
    "double well, below": DOUBLE_WELL_BELOW,
    "double well, above": DOUBLE_WELL_ABOVE,
    "convex quadratic": CONVEX,
    "negative energy": NEGATIVE,
}


def search(
    analytic: Analytic,
    method: str = "dss",
    pairs: dict[str, tuple] | None = None,
    landscape: Landscape | None = None,
    max_steps: int = 1000,
    **settings,
) -> dict[str, Connection]:
    """Connect one or several pairs, by name, and judge them."""
    landscape = landscape or analytic.landscape
    at = LevelSpec(analytic.level)
    problem = Problem(
        landscape,
        segment_evaluator(landscape, 50),
        lambda held=None: Descender(landscape, optax.adam(1e-2), 10, max_steps, held),
    )
    stepper = load_method(method)(**settings).bind(problem, at)
    pairs = pairs or {"0-1": (analytic.a, analytic.b)}
    strings = [
        start(name, {"params": np.array(a, np.float32)}, {"params": np.array(b, np.float32)})
        for name, (a, b) in pairs.items()
    ]
    done = finish(stepper, Search(strings))
    return {string.name: judge(string, problem.evaluate, at) for string in done.strings}
