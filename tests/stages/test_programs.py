"""How many programs a job compiles: not more for more networks, pairs or beads."""

from contextlib import contextmanager

import jax
import pytest

from landscape.stages.connect import connect
from landscape.stages.train import train

COMPILED = "/jax/core/compile/backend_compile_duration"


@contextmanager
def compiled():
    """The seconds of each program that is compiled, or read from the cache, meanwhile."""
    seconds = []

    def listen(event: str, duration_secs: float, **_: str | int) -> None:
        if event == COMPILED:
            seconds.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield seconds
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize("strategy, most, more", [("map", 15, 0), ("vmap", 20, 4)])
def test_a_larger_job_compiles_hardly_more_programs(ring, strategy, most, more):
    counts = []
    for models in (3, 12):
        config = ring(
            train={"models": models},
            levels={"values": [1.0, 0.1]},
            compute={"strategy": strategy},
        )
        with compiled() as programs:
            connect(train(config))
        counts.append(len(programs))
    assert counts[1] <= min(most, counts[0] + more), counts
