"""The tasks of the kept runs, by names in their configs. They stay as they are: runs read them."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from landscape import State, Task, energy_task

POINTS = jnp.linspace(-1, 1, 8)[:, None]
WAVE = jnp.sin(2 * POINTS)


def ring() -> Task:
    """Minima on a circle."""

    def init(key):
        angle = jax.random.uniform(key, (), maxval=2 * jnp.pi)
        return {"x": 2 * jnp.stack([jnp.cos(angle), jnp.sin(angle)])}

    return energy_task(lambda p: (jnp.sum(p["x"] ** 2) - 1) ** 2, init)


def _init(key):
    keys = jax.random.split(key)
    return {"in": jax.random.normal(keys[0], (1, 3)), "out": jax.random.normal(keys[1], (3, 1))}


def network() -> Task:
    """Three hidden units, whose order does not matter."""

    def error(p, batch):
        x, y = batch
        return jnp.mean((jnp.tanh(x @ p["in"]) @ p["out"] - y) ** 2)

    return Task(
        init=_init,
        loss=lambda p, carry, batch, key: (error(p, batch), carry),
        metrics={"loss": error},
        data={"train": (POINTS, WAVE)},
        differentiable=("loss",),
    )


def normalised() -> Task:
    """The same with its hidden units normalised, by statistics that follow from the parameters."""

    def statistics(p):
        hidden = POINTS @ p["in"]
        return {"mean": hidden.mean(0), "var": hidden.var(0)}

    def error(p, state, batch):
        x, y = batch
        hidden = (x @ p["in"] - state["mean"][None]) / jnp.sqrt(state["var"][None] + 1e-3)
        return jnp.mean((jnp.tanh(hidden) @ p["out"] - y) ** 2)

    return Task(
        init=_init,
        loss=lambda p, carry, batch, key: (error(p, statistics(p), batch), carry),
        metrics={"loss": lambda v, batch: error(v.params, v.state, batch)},
        data={"train": (POINTS, WAVE)},
        state=State(statistics, {"mean": jnp.zeros(3), "var": jnp.ones(3)}, 8),
    )
