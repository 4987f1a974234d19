"""A whole run for all tests of faults to be compared with, made once a process."""

from __future__ import annotations

import os

import pytest

from tests.faults.stages import Whole, config, write_task


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """An uninterrupted run, in a working directory that has its task."""
    folder = tmp_path_factory.mktemp("faults")
    before = os.getcwd()
    os.chdir(folder)
    write_task(folder)
    yield Whole(folder, config())
    os.chdir(before)
