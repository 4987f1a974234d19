"""Killed, or refused by the disk, at each thing that a stage does to its files: the same command
resumes with the same results, and nothing is left of the first attempt."""

from __future__ import annotations

import contextlib
import errno
import random
import shutil

import pytest

from landscape.store.files import RunError
from tests.faults.disk import CHANGES, READS, Disk, Fault, Killed, error, failing, kill
from tests.faults.stages import STAGES, Whole

SLACK = 12  # points
QUICK = ("train", "plane", "verify")

pytestmark = pytest.mark.usefixtures("unpainted")


def chosen(count: int, most: int, seed: str) -> list[int]:
    """Numbers below count, all of them or so many drawn."""
    return sorted(random.Random(seed).sample(range(count), min(most, count)))


def counted(whole: Whole, stage: str, kinds: frozenset[str]) -> int:
    runs = whole.copy(whole.before(stage), f"count-{stage}")
    with failing(Disk(str(runs), kinds=kinds)) as disk:
        STAGES[stage](whole.config, runs)
    shutil.rmtree(runs)
    return len(disk.done)


def put_to(whole: Whole, stage: str, fault: Fault, kinds: frozenset[str], most: int) -> int:
    """The stage with the fault at its points, at most so many, each resumed; how many."""
    lasting = fault is kill or kinds is CHANGES
    count = counted(whole, stage, kinds)
    points, wrong = chosen(count, most, stage), []
    for at in points:
        runs = whole.copy(whole.before(stage), f"{stage}-{at}")
        disk = Disk(str(runs), fault, at, kinds, lasting)
        with contextlib.suppress(Killed, OSError, RunError), failing(disk):
            STAGES[stage](whole.config, runs)
        # curves and check points are as far apart as the machine is slow: the last points of one
        # attempt may be beyond the end of another
        hit = disk.done[at:]
        assert hit or at >= count - SLACK
        try:
            whole.again(stage, runs)
        except Exception as problem:
            wrong.append((at, hit[:1], problem))
        shutil.rmtree(runs)
    assert wrong == []
    return len(points)


@pytest.mark.parametrize("stage", QUICK)
def test_killed(whole, stage):
    assert put_to(whole, stage, kill, CHANGES, most=3) > 0


@pytest.mark.faults
@pytest.mark.parametrize("stage", STAGES)
def test_killed_anywhere(whole, stage):
    assert put_to(whole, stage, kill, CHANGES, most=40) > 0


@pytest.mark.faults
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("stage", STAGES)
def test_refused_anywhere(whole, stage, number):
    assert put_to(whole, stage, error(number), CHANGES, most=5) > 0


@pytest.mark.faults
@pytest.mark.parametrize("stage", STAGES)
def test_unreadable_anywhere(whole, stage):
    assert put_to(whole, stage, error(errno.EIO), READS, most=6) > 0
