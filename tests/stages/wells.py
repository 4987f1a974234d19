"""Runs on landscapes of wells and valleys, whose passes are known."""

import textwrap

import numpy as np
import pytest
from safetensors.numpy import save_file

from landscape.analysis import topology
from landscape.config.load import config_from
from landscape.config.naming import set_name
from landscape.stages.build import config_of, silent
from landscape.stages.context import connect_context
from landscape.stages.measure.barriers import (
    measure_barriers,
)
from landscape.stages.train import train
from landscape.store.files import load_arrays, save_arrays

WELLS = '''
import jax
import jax.numpy as jnp

from landscape import Task, energy_task

CENTRES = jnp.array([[0.0, 0.0], [2.0, 0.3], [-1.0, 2.0], [-1.5, -1.8], [1.2, -2.2]])
DEPTHS = jnp.array([1.0, 0.9, 0.8, 0.7, 0.6])


def _task(energy) -> Task:
    return energy_task(energy, lambda key: {"x": jax.random.normal(key, (2,))})


def double() -> Task:
    return _task(lambda p: (p["x"][0] ** 2 - 1) ** 2 + p["x"][1] ** 2)


def five() -> Task:
    def energy(p):
        squares = jnp.sum((p["x"][None] - CENTRES) ** 2, axis=1)
        wells = jnp.sum(DEPTHS * jnp.exp(-squares / (2 * 0.36)))
        return 1.0 - wells + 1e-3 * jnp.sum(p["x"] ** 2)

    return _task(energy)


def valley(stiff: float) -> Task:
    """Along y = x² a double well: the pass is at 0, of height 1, however stiff the valley is."""
    return _task(
        lambda p: (p["x"][0] ** 2 - 1) ** 2 + stiff * (p["x"][1] - p["x"][0] ** 2) ** 2
    )


def two_ways() -> Task:
    """Two passes, above and below, where y² = 0.975, of height 1.049375; 2 exactly between."""

    def energy(p):
        x, y = p["x"]
        bump = jnp.exp(-4 * x**2) * (y**2 - 1) ** 2
        return (x**2 - 1) ** 2 + bump + 0.05 * y**2

    return _task(energy)


def atoms() -> Task:
    """Two that repel each other, 2 apart at rest: to change places they go around each other, at
    the height of the ends, 0.025; on the straight line they meet, where the energy is infinite."""

    def energy(p):
        apart = jnp.sum((p["x"][:2] - p["x"][2:]) ** 2)
        return (jnp.sum(p["x"] ** 2) - 2) ** 2 + 0.1 / apart

    return energy_task(energy, lambda key: {"x": jax.random.normal(key, (4,))})


def parabola() -> Task:
    """A valley along y = x²/2, so that the straight way between two of its points is high."""
    return _task(lambda p: 0.01 * p["x"][0] ** 2 + (p["x"][1] - p["x"][0] ** 2 / 2) ** 2)
'''
CENTRES = np.array([[0.0, 0.0], [2.0, 0.3], [-1.0, 2.0], [-1.5, -1.8], [1.2, -2.2]])


@pytest.fixture
def wells(workplace):
    """A run of models that stand at given points, each at every level that it is below."""
    (workplace / "wells_task.py").write_text(textwrap.dedent(WELLS))

    def make(task, points, levels, arguments=None, **settings):
        files = []
        for number, point in enumerate(points):
            save_file({"x": np.array(point, np.float32)}, f"{number}.safetensors")
            files.append(f"{number}.safetensors")
        given = {
            "task": {"factory": f"wells_task:{task}", **(arguments or {})},
            "train": {"endpoints": files, "learning_rate": 1e-2},
            "levels": {"values": levels},
            "connect": {"max_steps_per_bead": 500, "max_rounds": 5, **settings},
        }
        return train(config_from(given, name=task))

    return make


def measured(run, measure=measure_barriers, **settings):
    config = config_of(run)
    with run.stage("measure"):
        return measure(connect_context(run, config, set_name(config.connect), silent), **settings)


def described(run):
    return topology.describe(run.models(), run.rows(), run.snapshots(), run.barriers())


def move(run, model, level, point):
    """Let a model have met a level somewhere else."""
    file = run.model_file(model, level)
    _, record = load_arrays(file)
    record.pop("arrays_sha256")
    save_arrays(file, {"x": np.array(point, np.float32)}, record)
