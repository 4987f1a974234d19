"""A strict environment: warnings are errors (pyproject.toml), and rank promotion raises."""

import os

os.environ.setdefault("LSCAPE_CHECKPOINT_SECONDS", "0")

import jax
import pytest

from landscape.core import devices
from tests.configs import factory, toy_task  # noqa: F401  (fixtures)
from tests.pages import run  # noqa: F401  (a fixture)

devices.configure()
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def float64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)
