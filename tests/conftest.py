"""A strict environment: warnings are errors (pyproject.toml), and rank promotion raises.

Tests marked `torch` need PyTorch or another extra; they run where these are (`make test-torch`).
"""

import importlib.util
import os

os.environ.setdefault("LSCAPE_CHECKPOINT_SECONDS", "0")

import jax
import pytest

from landscape.core import devices
from tests.configs import factory, toy_task  # noqa: F401  (fixtures)
from tests.pages import run, unpainted  # noqa: F401  (fixtures)

HAS_TORCH = importlib.util.find_spec("torch") is not None
collect_ignore = [] if HAS_TORCH else ["test_benchmarks.py"]

devices.configure()
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_collection_modifyitems(config, items):
    if HAS_TORCH:
        return
    torch = [item for item in items if item.get_closest_marker("torch")]
    config.hook.pytest_deselected(items=torch)
    items[:] = [item for item in items if item not in torch]


@pytest.fixture(autouse=True, scope="session")
def trusted_elsewhere(tmp_path_factory):
    """What tests trust is not remembered in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def float32_again():
    """No test leaves its precision, or its devices' settings, to the next one."""
    yield
    devices.configure()


@pytest.fixture
def float64():
    jax.config.update("jax_enable_x64", True)
