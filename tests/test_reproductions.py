"""The published experiments, at their own settings, against their published figures."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from landscape import connect, load_config, train, verify
from landscape.report import report

PAPER = Path(__file__).parent.parent / "configs" / "paper"

pytestmark = pytest.mark.slow


def published(task: str) -> dict[float, dict[str, tuple[float, float]]]:
    """level → length and beads, each with its error bar, read off Figure 1."""
    with (PAPER / "published.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == task]
    return {
        float(row["level"]): {
            what: (
                float(row[f"{what}_mean"]),
                (float(row[f"{what}_hi"]) - float(row[f"{what}_lo"])) / 2,
            )
            for what in ("length", "beads")
        }
        for row in rows
    }


@pytest.fixture(scope="module")
def quadratics(tmp_path_factory):
    run = train(load_config(PAPER / "quadratics.yaml"), tmp_path_factory.mktemp("runs"))
    connect(run)
    return run


def test_quadratics_reproduce_figure_1(quadratics):
    """Of the eight means seven lie within two combined standard errors, and all within three."""
    theirs = published("quadratics")
    distances = {}
    for ours in report([quadratics])["levels"]:
        for what, key in (("length", "normalized_length"), ("beads", "beads")):
            mean, error = theirs[ours["level"]][what]
            combined = math.hypot(ours[key]["se"], error)
            distances[ours["level"], what] = (ours[key]["mean"] - mean) / combined
            assert ours[key]["n"] == ours["connected"] >= 20
    assert len(distances) == 8
    sizes = sorted(map(abs, distances.values()))
    assert sizes[-2] <= 2 and sizes[-1] <= 3, distances


def test_a_finer_grid_agrees_with_the_quadratics(quadratics):
    found = verify(quadratics, grid=400)
    assert len(found) >= 80
    assert all(string["agreed"] for string in found), [s for s in found if not s["agreed"]]
