"""A ring to run the whole job on: a user's factory in the working directory."""

import shutil
import textwrap

import pytest

from landscape.config.load import config_from, run_name
from landscape.stages.train import train
from landscape.store.run import open_run
from tests.stages.wells import wells  # noqa: F401  (a fixture)

RING = '''
import jax
import jax.numpy as jnp

from landscape import Task, energy_task


def ring(radius: float = 1.0) -> Task:
    """Minima on a circle, every start at a random place outside it."""

    def init(key):
        angle = jax.random.uniform(key, (), maxval=2 * jnp.pi)
        return {"x": 2 * jnp.stack([jnp.cos(angle), jnp.sin(angle)])}

    return energy_task(lambda p: (jnp.sum(p["x"] ** 2) - radius**2) ** 2, init)
'''


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring_task.py").write_text(textwrap.dedent(RING))
    return tmp_path


@pytest.fixture
def ring(workplace):
    def make(**sections):
        mapping = {
            "task": {"factory": "ring_task:ring"},
            "train": {"models": 4, "learning_rate": 1e-2, "max_steps": 3000},
            "levels": {"values": [1.0, 0.1, 0.01]},
            "connect": {"max_steps_per_bead": 2000},
        }
        for name, section in sections.items():
            if isinstance(section, dict):
                mapping[name] = {**mapping.get(name, {}), **section}
            else:
                mapping[name] = section
        return config_from(mapping, name="ring")

    return make


@pytest.fixture(scope="session")
def stock(tmp_path_factory):
    """Runs that several tests begin from, by their config and stages."""
    return tmp_path_factory.mktemp("stock")


@pytest.fixture
def staged(workplace, stock):
    """A run of a config after these stages, made once and copied for each test."""

    def make(config, *stages):
        run = workplace / "runs" / run_name(config)
        kept = stock / "-".join([run.name, *(stage.__name__ for stage in stages)])
        if kept.exists():
            shutil.copytree(kept, run)
        else:
            made = train(config)
            for stage in stages:
                stage(made)
            shutil.copytree(made.directory, kept)
        return open_run(run.relative_to(workplace))

    return make
