"""Hours of use in minutes: kills and restarts by themselves, and a thousand small connections."""

from __future__ import annotations

import gc
import os
import random
import re
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import jax.numpy as jnp
import pytest

import landscape
from landscape.config.load import run_name
from tests.faults.processes import SIGNALS, Moment, lscape
from tests.faults.records import differences, leftovers
from tests.faults.stages import Whole, write_config

MINUTES = float(os.environ.get("LSCAPE_SOAK_MINUTES", "3"))
CONNECTIONS = int(os.environ.get("LSCAPE_SOAK_CONNECTIONS", "1000"))
MOST_GROWTH = 10e6  # bytes, of the second half: a leak of 20 kB a connection


@pytest.mark.faults
def test_killed_and_started_again_for_minutes_it_ends_in_a_verified_run(whole: Whole):
    """Each round is a run of its own, killed and started again until it is done and verified."""
    draw, kills, rounds = random.Random(0), 0, 0
    until = time.monotonic() + 60 * MINUTES
    while time.monotonic() < until:
        rounds += 1
        folder = whole.folder / f"soak-{rounds}"
        folder.mkdir()
        write_config(folder)
        done = []
        for command in (["run", "small.yaml"], ["verify", f"runs/{run_name(whole.config)}"]):
            while True:
                moment = Moment(draw.randrange(300), draw.choice(SIGNALS), draw.uniform(0, 1))
                ended = lscape(folder, *command, "--quiet", moment=moment)
                if ended.code == 0:
                    break
                kills += 1
                assert ended.code in (-moment.number, 128 + moment.number), ended
                assert "Traceback" not in ended.err, ended
            done.append(ended.out)
        held = re.findall(r"(\d+) of (\d+) CONNECTED strings hold", done[-1])
        assert held and held[0][0] == held[0][1] != "0"
        name = run_name(whole.config)
        apart = differences(folder / "runs" / name, whole.after("connect") / name)
        assert [one for one in apart if one.startswith(("models", "sets", "results"))] == []
        assert leftovers(folder / "runs") == []
        shutil.rmtree(folder)
    print(f"{kills} kills in {rounds} runs")


def resident() -> int:
    """Bytes that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def ring(p):
    return (jnp.sum(p["x"] ** 2) - 1) ** 2


def growth() -> int:
    """Bytes that the second half of a thousand connections adds to this process."""

    def connect(number: int) -> None:
        angle = 0.5 + 2 * number / CONNECTIONS
        ends = ({"x": jnp.array([jnp.cos(t), jnp.sin(t)])} for t in (0.0, angle))
        found = landscape.find_path(ring, *ends, level=0.1, method=landscape.DSS(max_rounds=4))
        assert found.connected

    half = CONNECTIONS // 2
    for number in range(half):
        connect(number)
    gc.collect()
    before = resident()
    for number in range(half, CONNECTIONS):
        connect(number)
    gc.collect()
    return resident() - before


@pytest.mark.faults
def test_a_thousand_connections_in_one_process_take_no_more_memory():
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:  # other tests leave memory to fill
        assert alone.submit(growth).result() < MOST_GROWTH
