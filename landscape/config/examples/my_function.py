"""A function as a task for lscape. Put your own in its place."""

import jax
import jax.numpy as jnp

from landscape import Task, energy_task


def make_task(barrier: float = 1.0, dimensions: int = 3) -> Task:
    """Two wells, at x = -1 and 1 of the first coordinate; the others are a bowl.

    The arguments are keys of `task` in the config; their annotations say what is allowed.
    """

    def energy(x):
        return barrier * (x[0] ** 2 - 1) ** 2 + jnp.sum(x[1:] ** 2)

    return energy_task(energy, init=lambda key: jax.random.normal(key, (dimensions,)))
