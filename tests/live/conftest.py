"""A tiny run, trained and searched once, and what a follower found in it."""

import pytest

from landscape.config.load import load_config
from landscape.live.following import Follower
from landscape.stages.connect import connect
from landscape.stages.train import train
from landscape.store.run import Run

CONFIG = """
task: {name: polynomial, coefficients: [0, 0, 1], hidden: [4, 4], points: 64, test_points: 64}
train: {models: 3, max_steps: 4000}
levels: {metric: mse, values: [0.3, 0.2]}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    path = folder / "tiny.yaml"
    path.write_text(CONFIG)
    return train(load_config(path), folder / "runs")


@pytest.fixture(scope="module")
def searched(trained):
    """The run, and what a follower found in it before its pairs were searched and after."""
    follower = Follower(Run(trained.directory))
    first = follower.look()
    connect(trained)
    return trained, follower, first, follower.look()
