"""What a landscape knows of its shortest paths: a lower bound beside every length."""

import math
from dataclasses import replace

import numpy as np
import pytest

from landscape.core.landscape import bind
from landscape.core.task import energy_task
from landscape.report import report
from landscape.stages.connect import connect
from landscape.stages.measure.run import measure
from landscape.stages.train import train
from tests.analytic import RING, ring_energy

KNOWING = """
from dataclasses import replace

from ring_task import ring
from tests.stages.test_geodesic import around


def knowing():
    return replace(ring(), geodesic=lambda a, b, limit: around(a["x"], b["x"], limit))
"""
MEASURE = {"hessian": False, "barriers": False}


def around(a, b, limit):
    """Tangent, arc, tangent around the inner circle of the ring; or the straight line."""
    p, q = np.asarray(a, float), np.asarray(b, float)
    far = [float(np.linalg.norm(x)) for x in (p, q)]
    inner = math.sqrt(1 - math.sqrt(limit))
    touch = [math.acos(inner / distance) for distance in far]
    arc = math.acos(float(p @ q) / math.prod(far)) - sum(touch)
    if arc <= 0:
        return float(np.linalg.norm(p - q))
    return sum(math.sqrt(distance**2 - inner**2) for distance in far) + inner * arc


def test_the_geodesic_of_the_ring_is_below_every_length_and_near_the_best(ring, workplace):
    assert around((1, 0), (-1, 0), 0.01) / 2 == pytest.approx(1.501, abs=5e-4)
    (workplace / "knowing_task.py").write_text(KNOWING)
    config = ring(
        task={"factory": "knowing_task:knowing"}, levels={"values": [0.1, 0.01]},
        connect={"pairs": "disjoint"}, measure=MEASURE,
    )  # fmt: skip
    run = train(config)
    rows = connect(run)
    measure(run)
    assert all(row.geodesic is not None for row in rows)
    for record in report([run])["best_known"]:
        low, length = record["lower_bound"]["mean"], record["length"]["mean"]
        assert low >= 1 and low * (1 - 1e-6) <= length <= 1.01 * low
    others = connect(run, ["connect.length_over=x"])
    assert all(row.geodesic is None for row in others), "of lengths over all parameters only"


def test_it_is_of_the_loss_alone():
    task = energy_task(ring_energy, lambda key: np.ones(2, np.float32))
    knowing = replace(task, geodesic=around, metrics={**task.metrics, "height": lambda p, _: p[1]})
    known = bind(knowing).geodesic
    assert known is not None and bind(knowing, "height").geodesic is None
    a, b = ({"params": np.array(end, np.float32)} for end in (RING.a, RING.b))
    assert known(a, b, RING.level) == pytest.approx(around(RING.a, RING.b, RING.level))
