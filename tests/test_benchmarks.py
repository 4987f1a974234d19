"""The PyTorch script that we are timed against does the same work."""

import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch  # pyright: ignore[reportMissingImports]

from landscape.config.load import config_from, resolved
from landscape.core import paths, trees
from landscape.core.certificate import certify, segment_evaluator
from landscape.core.level import LevelSpec
from landscape.networks.convolutional import MnistNet
from landscape.store.run import open_run

pytestmark = pytest.mark.torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def sequential(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield importlib.import_module("sequential")
    torch.set_num_threads(threads)


@pytest.fixture
def jobs(sequential):
    return importlib.import_module("jobs")


def test_the_same_strings_from_the_same_models(jobs, sequential, tmp_path):
    """Full batches, so both go the same way, but for rounding."""
    given = {
        "task": {
            "name": "polynomial", "coefficients": [0.1, 0.25, 0.5], "points": 200,
            "test_points": 200,
        },
        "train": {"models": 4, "learning_rate": 1e-2, "check_every": 15},
        "levels": {"metric": "mae", "split": "test", "values": [0.1]},
        "connect": {
            "pairs": "disjoint", "tolerance": 1.1, "optimizer": "adam", "insert": "midpoint",
            "tighten": False, "first_midpoint": True, "grid": 30, "max_steps_per_bead": 20000,
        },
    }  # fmt: skip
    config = config_from(given)
    landscape, start = jobs.prepare(config, tmp_path)
    strings, record = sequential.run(resolved(config), start)
    rows = jobs.connect(jobs.train(config, tmp_path / "runs"))
    run = open_run(next((tmp_path / "runs").iterdir()))
    settings = config.connect
    limit = LevelSpec(0.1, settings.target, settings.tolerance).limit
    peaks = segment_evaluator(landscape, 30)
    assert len(rows) == len(record["pairs"]) == 2
    for row, pair in zip(rows, record["pairs"], strict=True):
        own = run.load_connection(row)[0]
        name = f"{row.a}-{row.b}"
        theirs = {key: strings[f"{name}/{key}"] for key in own}
        assert (row.status, pair["status"]) == ("CONNECTED", "CONNECTED")
        assert certify(theirs, peaks, limit).holds(limit)
        assert trees.count(theirs) == row.beads > 2
        assert paths.length(theirs) == pytest.approx(row.length, rel=1e-3)
        assert pair["grad_evals"] == pytest.approx(row.grad_evals, abs=15 * row.beads)


def test_the_same_maximum_of_a_segment(jobs, sequential, tmp_path):
    """Grid, refinement and last change, above a limit and below one."""
    given = {
        "task": {"name": "polynomial", "coefficients": [0.5, 1], "points": 50, "test_points": 50},
        "levels": {"metric": "mae", "split": "test", "values": [0.1]},
        "train": {"models": 2},
    }
    config = config_from(given)
    landscape, start = jobs.prepare(config, tmp_path)
    problem, models = sequential.read(resolved(config), start, False)
    vectors = []
    for model in models:
        problem.from_named(model)
        vectors.append(problem.get())
        named = problem.to_named()
        assert all(np.array_equal(named[name], leaf) for name, leaf in model.items())
        assert problem.level() == pytest.approx(float(landscape.level(model)), rel=1e-5)
    left, right = (trees.stack([model]) for model in models)
    for limit in (0.01, 1.0):
        ours = segment_evaluator(landscape, 7)(left, right, limit, only_below=True)
        upper, place, losses = sequential.highest(problem, *vectors, 7, limit)
        assert losses == ours.losses[0]
        assert upper == pytest.approx(float(ours.maximum[0] + ours.change[0]), rel=1e-5)
        assert place == pytest.approx(float(ours.place[0]), abs=1e-2)


@pytest.mark.parametrize("last", [False, True])
def test_the_same_convolutional_network(sequential, last):
    config = config_from(
        {
            "task": {"name": "mnist", "filters": [2, 3], "dense": 5},
            "train": {"batch_size": 4},
            "levels": {"metric": "error", "split": "test", "values": [4.0]},
        }
    )
    drawn = np.random.default_rng(0)
    images = drawn.integers(0, 256, (8, 28, 28), np.uint8)
    labels = drawn.integers(0, 10, 8, np.int32)
    data = {
        f"{split}.{which}": sequential.torch.tensor(array)
        for split in ("train", "test")
        for which, array in (("x", images), ("y", labels))
    }
    problem = sequential.mnist(resolved(config), data, last)
    model = MnistNet((2, 3), 5, 0.5)
    x = jnp.asarray(images, jnp.float32)[..., None] / 255
    params = model.init(jax.random.key(0), x)["params"]
    named = jax.device_get(trees.to_named(params))
    problem.from_named(named)
    back = problem.to_named()
    assert named.keys() == back.keys()
    assert all(np.array_equal(back[name], leaf) for name, leaf in named.items())
    problem.level()  # leaves the network in evaluation
    pixels = sequential.torch.tensor(np.asarray(x)).permute(0, 3, 1, 2)
    logits = problem.net(pixels).detach().numpy()
    np.testing.assert_allclose(logits, np.asarray(model.apply({"params": params}, x)), atol=1e-5)
