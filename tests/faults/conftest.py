"""A whole run for all tests of faults to be compared with, made once a process."""

from __future__ import annotations

import pytest

from tests.faults.stages import Whole, config


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """An uninterrupted run, made as far as a test asks for it."""
    return Whole(tmp_path_factory.mktemp("faults"), config())
