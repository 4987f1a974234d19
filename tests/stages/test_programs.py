"""How many programs a job compiles: not more for more networks, pairs or beads."""

import pytest

from landscape.stages.connect import connect
from landscape.stages.train import train
from tests.compiled import compiled


@pytest.mark.parametrize("strategy, most, more", [("map", 11, 0), ("vmap", 17, 4)])
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
