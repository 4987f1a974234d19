"""The published experiments, at their own settings, against their published figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from landscape import connect, load_config, train, verify
from landscape.report import read_published, report

PAPER = Path(__file__).parent.parent / "configs" / "paper"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quadratics(tmp_path_factory):
    config = load_config(PAPER / "quadratics.yaml", ["levels.values=[0.1, 0.05, 0.025, 0.01]"])
    run = train(config, tmp_path_factory.mktemp("runs"))
    connect(run)
    return run


def test_quadratics_reproduce_figure_1(quadratics):
    """Of the eight means seven lie within two combined standard errors, and all within three."""
    found = report([quadratics], read_published(PAPER / "published.csv"))
    distances = {}
    for record in found["against"]:
        assert record["connected"] == record["length"]["ours"]["n"] >= 20
        for measure in ("length", "beads"):
            distances[record["level"], measure] = record[measure]["difference"]
    assert len(distances) == 8
    sizes = sorted(map(abs, distances.values()))
    assert sizes[-2] <= 2 and sizes[-1] <= 3, distances


def test_a_finer_grid_agrees_with_the_quadratics(quadratics):
    found = verify(quadratics, grid=400)
    assert len(found) >= 80
    assert all(string.agreed for string in found), [s for s in found if not s.agreed]
