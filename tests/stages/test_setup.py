"""From the config's words to optimisers and files."""

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from landscape.config.load import ConfigError, config_from, resolved
from landscape.core import versions
from landscape.data import DataError
from landscape.stages.build import build_landscape, build_optimizer, build_task, surroundings

TASK = {"name": "polynomial", "coefficients": [0.0, 1.0], "points": 10, "test_points": 10}


def optimizer(beads=False, connect=None, **train):
    config = config_from(
        {"task": TASK, "train": train, "levels": {"values": [1]}, "connect": connect or {}}
    )
    landscape = build_landscape(config)
    return build_optimizer(config, landscape, beads), landscape


def steps(made, params, gradients):
    """The updates of one step after the other, at the same parameters."""
    state, found = made.init(params), []
    for gradient in gradients:
        update, state = made.update(gradient, state, params)
        found.append(update)
    return found


@pytest.fixture
def params():
    return {f"Dense_{n}.kernel": np.full(shape, 2.0, np.float32)
            for n, shape in enumerate([(1, 4), (4, 4), (4, 1)])}  # fmt: skip


@pytest.fixture
def ones(params):
    return {name: np.ones_like(leaf) for name, leaf in params.items()}


def test_weight_decay_is_that_of_the_loss_and_only_where_it_should_be(params, ones):
    made, _ = optimizer(
        optimizer="sgd", learning_rate=0.1, weight_decay={"rate": 0.5, "over": "Dense_1.*"}
    )
    (update,) = steps(made, params, [ones])
    assert np.allclose(update["Dense_0.kernel"], -0.1)
    assert np.allclose(update["Dense_1.kernel"], -0.1 * (1 + 0.5 * 2))


def test_beads_descend_as_training_does_unless_told_otherwise(params, ones):
    train = {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": {"rate": 0.5}}
    (as_training,) = steps(optimizer(beads=True, **train)[0], params, [ones])
    assert np.allclose(as_training["Dense_0.kernel"], -0.2)
    other = {"weight_decay": {"rate": 0}, "learning_rate": 0.3}
    (told,) = steps(optimizer(beads=True, connect=other, **train)[0], params, [ones])
    assert np.allclose(told["Dense_0.kernel"], -0.3)


def test_beads_of_adam_do_not_crawl_as_a_training_may(params, ones):
    def first_step(rate, **connect):
        (update,) = steps(optimizer(True, connect, learning_rate=rate)[0], params, [ones])
        return float(-update["Dense_0.kernel"][0, 0])

    assert first_step(1e-4) == pytest.approx(1e-3, rel=1e-4)
    assert first_step(1e-2) == pytest.approx(1e-2, rel=1e-4)
    assert first_step(1e-4, optimizer="adam") == pytest.approx(1e-4, rel=1e-4)
    assert first_step(1e-4, learning_rate=3e-4) == pytest.approx(3e-4, rel=1e-4)


def test_clipping_is_of_the_whole_gradient(params, ones):
    made, _ = optimizer(optimizer="sgd", learning_rate=1.0, clip=0.5)
    (update,) = steps(made, params, [ones])
    assert np.sqrt(sum(np.sum(leaf**2) for leaf in update.values())) == pytest.approx(0.5, rel=1e-5)


def test_decay_over_nothing_is_a_mistake():
    with pytest.raises(ConfigError, match=r"train\.weight_decay\.over: 'Conv\*' matches none of"):
        optimizer(weight_decay={"rate": 0.1, "over": "Conv*"})


def test_a_task_finds_its_files_where_the_config_says(tmp_path):
    (tmp_path / "ptb.txt").write_text("the cat sat on the mat\n" * 100)
    config = config_from(
        {
            "task": {"name": "ptb", "train_file": "ptb.txt", "test_file": "ptb.txt", "width": 4},
            "levels": {"metric": "perplexity", "split": "test", "values": [5]},
            "data": {"dir": str(tmp_path)},
        }
    )
    assert build_task(config).data["test"].shape == (20, 21)
    with pytest.raises(ConfigError, match=r"train\.batch_size: .* no batches are drawn"):
        build_landscape(config_from(resolved(config), overrides=["train.batch_size=20"]))


@pytest.mark.parametrize("folder", ["nowhere", "x" * 5000])
def test_a_folder_of_data_that_is_none_is_a_mistake_in_the_config(folder):
    config = config_from(
        {"task": {"name": "ptb"}, "levels": {"values": [5]}, "data": {"dir": folder}}
    )
    with pytest.raises(ConfigError, match=f"data.dir: .*{folder}: no such folder"):
        build_task(config)


def test_files_that_are_missing_are_not_a_mistake_in_the_config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LSCAPE_DATA", raising=False)
    config = config_from({"task": {"name": "ptb"}, "levels": {"values": [5]}})
    with pytest.raises(DataError, match=r"ptb\.train\.txt"):
        build_task(config)


def test_where_the_files_are_does_not_rename_a_run(tmp_path):
    from landscape.config.load import run_name

    mapping = {"task": {"name": "ptb"}, "levels": {"values": [5]}}
    elsewhere = {**mapping, "data": {"dir": str(tmp_path)}}
    assert run_name(config_from(mapping)) == run_name(config_from(elsewhere))


def test_a_package_that_is_not_installed_has_no_known_version(monkeypatch):
    def version(package):
        if package == "lscape":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(versions, "version", version)
    found = surroundings()["versions"]
    assert found["lscape"] == "unknown" and found["jax"] == "1.0"
