"""lscape symmetries and lscape align, as data."""

import json
from typing import get_args

import pytest
from click.testing import CliRunner
from lscape_cli.align import BY

from landscape.core.alignment import Align
from tests.cli.commands import main

CONFIG = (
    "task: {name: digits, hidden: [6]}\n"
    "train: {models: 2, learning_rate: 1e-2, max_steps: 300}\n"
    "levels: {values: [1.0]}\n"
)


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(CONFIG)
    return "small.yaml"


def said(*words: str) -> str:
    done = CliRunner().invoke(main, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_symmetries_as_data(config):
    found = json.loads(said("symmetries", config, "--json"))
    axes = ["Dense_0.bias[0]", "Dense_0.kernel[1]", "Dense_1.kernel[0]"]
    (one,) = found["classes"]
    assert (one["units"], one["axes"], one["powers"]) == (6, axes, [1, 1, -1])
    assert one["no_signs"] == "it counts in max (relu)" and not one["no_powers"]
    pinned = {(one["array"], one["axis"]) for one in found["pinned"]}
    assert pinned == {("Dense_0.kernel", 0), ("Dense_1.bias", 0), ("Dense_1.kernel", 1)}
    assert all(one["reason"] for one in found["pinned"])


def test_a_run_is_aligned(config):
    run = said("train", config).strip()
    for by in ("weights", "activations"):
        (one,) = json.loads(said("align", run, "--by", by, "--json"))["alignments"]
        assert (one["align"], one["a"], one["b"], one["classes"]) == (by, 0, 1, 1)
        assert one["objective"] == max(one["objectives"]) >= one["before"]
        assert one["aligned"]["chord"] < one["raw"]["chord"]
        assert one["raw"]["barrier"] is not None and one["aligned"]["barrier"] is not None
    assert "0-1" in said("align", run)
    refused = CliRunner().invoke(main, ["align", run, "--by", "height"])
    assert refused.exit_code == 2 and "weights" in refused.output


def test_the_command_offers_every_way_of_aligning():
    assert get_args(Align) == BY
