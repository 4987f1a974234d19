"""End points that are one network with its units in two orders (Freeman & Bruna 2017, App. D)."""

# pyright: reportOptionalOperand=false
# a number that a record leaves out fails a test without that

from __future__ import annotations

import jax
import numpy as np
import pytest

from landscape import ConfigError, config_from, connect, train, verify
from landscape.core.permute import permuted
from landscape.core.trees import from_named, to_named
from landscape.networks.initial import Initial
from landscape.networks.recurrent import LanguageModel
from landscape.store.files import load_arrays
from landscape.tasks.triangle import BOUND

UNITS = {3: [1, 0, 2], 4: [1, 0, 2, 3]}
AXES = {"Dense_0.kernel": 1, "Dense_1.kernel": 0}


def triangle(hidden=3, **changes):
    train_section = {
        "models": 8, "learning_rate": 1e-2, "max_steps": 5000, "endpoints": "permuted",
        "permute": {"units": UNITS[hidden], "axes": AXES},
    } | changes  # fmt: skip
    return config_from(
        {
            "task": {"name": "triangle", "hidden": hidden},
            "train": train_section,
            "levels": {"values": [0.16, 0.05]},
            "connect": {
                "pairs": "disjoint",
                "max_steps_per_bead": 5000,
                "jitter": 0.1,
                "retries": 10,
            },
        }
    )


def test_no_path_is_found_where_none_is(tmp_path):
    run = train(triangle(), tmp_path)
    rows = [row for row in connect(run) if row.status != "LEVEL_NOT_REACHED"]
    assert len(rows) >= 2, "some models come down"
    assert {row.status for row in rows} == {"NOT_FOUND"}
    assert all(row.max_loss >= BOUND and "worst" in row.reason for row in rows)
    for row in rows:
        a, b = (load_arrays(run.model_file(getattr(row, end), row.level))[0] for end in ("a", "b"))
        assert np.array_equal(a["Dense_0.kernel"][:, [1, 0, 2]], b["Dense_0.kernel"])
        assert np.array_equal(a["Dense_1.kernel"][[1, 0, 2]], b["Dense_1.kernel"])
        heights = run.load_search_history(row)["facts"][:, 2]
        assert len(heights) == row.rounds + 1 and heights.min() >= BOUND
        assert row.loss_a == pytest.approx(row.loss_b, rel=1e-5)


def test_a_fourth_unit_connects(tmp_path):
    run = train(triangle(4), tmp_path)
    rows = connect(run)
    assert sum(row.status == "CONNECTED" for row in rows) >= 4
    assert all(string.agreed for string in verify(run))


DIGITS = {"Dense_0.kernel": 1, "Dense_0.bias": 0, "Dense_1.kernel": 0}


@pytest.mark.parametrize("metric", ["loss", "error"])
@pytest.mark.parametrize("left_out", DIGITS)
def test_an_array_that_is_left_out_is_noticed(tmp_path, metric, left_out):
    axes = {name: axis for name, axis in DIGITS.items() if name != left_out}
    permute = {"units": [1, 0, 2, 3], "axes": axes}
    config = config_from(
        {
            "task": {"name": "digits", "hidden": [4]},
            "train": {"models": 2, "max_steps": 10, "endpoints": "permuted", "permute": permute},
            "levels": {"values": [0.1], "metric": metric},
        }
    )
    with pytest.raises(ConfigError, match="another function"):
        train(config, tmp_path)


def test_rows_of_units_are_permuted_together_and_so_are_several_axes():
    drawn = np.random.default_rng(0)
    images, kernel = drawn.normal(size=(5, 2, 3, 4)), drawn.normal(size=(24, 6))
    units = [2, 0, 3, 1]
    flat = permuted({"k": kernel}, units, {"k": 0})["k"]
    assert np.allclose(images[..., units].reshape(5, -1) @ flat, images.reshape(5, -1) @ kernel)
    square = drawn.normal(size=(4, 4))
    assert np.array_equal(
        permuted({"r": square}, units, {"r": [0, 1]})["r"], square[units][:, units]
    )


@pytest.mark.parametrize("unit_axes", [{"LSTM_0.recurrent": [0, 1]}, {"LSTM_0.recurrent": 1}])
def test_the_units_of_an_lstm(unit_axes):
    axes = {"LSTM_0.inputs": 1, "LSTM_0.bias": 0, "softmax": 0} | unit_axes
    model = LanguageModel(7, 5, 1, Initial(distribution="normal", scale=1.0))
    words = np.random.default_rng(0).integers(0, 7, size=(3, 6))
    start = model.init(jax.random.key(0), model.rest(3), words)["params"]
    params = to_named(start)
    params["LSTM_0.bias"] = np.random.default_rng(1).normal(size=20).astype(np.float32)
    twin = permuted(params, [4, 2, 0, 1, 3], axes)

    def logits(named):
        return model.apply({"params": from_named(start, named)}, model.rest(3), words)[0]

    same = np.allclose(logits(params), logits(twin), atol=1e-5)
    assert same is (unit_axes["LSTM_0.recurrent"] == [0, 1])


def test_permuting_again_does_nothing(tmp_path):
    config = triangle(max_steps=500)
    assert train(config, tmp_path).models() == train(config, tmp_path).models()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"models": 3}, "train.models: must be even, a model and its permuted twin; got 3"),
        ({"permute": None}, "train.permute: goes with endpoints: permuted, which needs it"),
        ({"endpoints": None}, "train.permute: goes with endpoints: permuted"),
        ({"permute": {"units": [1, 1, 2], "axes": AXES}}, "must hold each of 0 to 2 once"),
        ({"permute": {"units": [1, 0], "axes": AXES}}, "has no axis 1 of 2 units"),
        (
            {"permute": {"units": [1, 0, 2], "axes": {"Dense_9.kernel": 1}}},
            "no parameter 'Dense_9.kernel' (allowed: Dense_0.kernel, Dense_1.kernel)",
        ),
        (
            {"permute": {"units": [1, 0, 2], "axes": {"Dense_0.kernel": 1}}},
            "the permuted network is another function",
        ),
    ],
)
def test_what_is_no_permutation_is_refused_before_anything_is_written(tmp_path, changes, message):
    with pytest.raises(ConfigError) as caught:
        train(triangle(**changes), tmp_path)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())
