"""End points that are one network with its units in two orders (Freeman & Bruna 2017, App. D)."""

from __future__ import annotations

import numpy as np
import pytest

from landscape import ConfigError, config_from, connect, train, verify
from landscape.runs import load_arrays
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
    rows = [row for row in connect(run) if row["status"] != "LEVEL_NOT_REACHED"]
    assert len(rows) >= 2, "some models come down"
    assert {row["status"] for row in rows} == {"NOT_FOUND"}
    assert all(row["max_loss"] >= BOUND and "worst" in row["reason"] for row in rows)
    for row in rows:
        a, b = (load_arrays(run.model_file(row[end], row["level"]))[0] for end in ("a", "b"))
        assert np.array_equal(a["Dense_0.kernel"][:, [1, 0, 2]], b["Dense_0.kernel"])
        assert np.array_equal(a["Dense_1.kernel"][[1, 0, 2]], b["Dense_1.kernel"])
        heights = run.load_film(row)["facts"][:, 2]
        assert len(heights) == row["rounds"] + 1 and heights.min() >= BOUND
        assert row["loss_a"] == pytest.approx(row["loss_b"], rel=1e-5)


def test_a_fourth_unit_connects(tmp_path):
    run = train(triangle(4), tmp_path)
    rows = connect(run)
    assert sum(row["status"] == "CONNECTED" for row in rows) >= 4
    assert all(string["agreed"] for string in verify(run))


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
