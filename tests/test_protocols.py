"""The paper's configs against the protocols of Freeman & Bruna 2017, Figure 1, row by row."""

from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from landscape.config.load import load_config, resolved

PAPER = Path(__file__).parent.parent / "configs" / "paper"

COMMON = {
    "connect.method": "dss",
    "connect.pairs": "disjoint",
    "connect.first_midpoint": True,
    "connect.max_rounds": 10,
    "connect.learning_rate": None,
    "connect.optimizer": None,
    "levels.split": "test",
}

POLYNOMIAL = COMMON | {
    "task.name": "polynomial",
    "task.points": 10_000,
    "task.hidden": [4, 4],
    "task.activation": "sigmoid",
    "task.weights": {"distribution": "uniform", "scale": 1.0},
    "task.loss": "mae",
    "train.optimizer": "adam",
    "train.learning_rate": 1e-3,
    "train.batch_size": None,
    "train.check_every": 15,
    "connect.optimizer": "adam",
    "levels.metric": "mae",
    "connect.target": 0.95,
    "connect.tolerance": 1.1,
    "connect.insert": "midpoint",
    "connect.grid": 100,
}

IMAGES = COMMON | {
    "levels.metric": "error",
    "connect.target": 0.98,
    "connect.insert": "max",
    "connect.grid": 20,
    "connect.length_over": "*",
}

ROWS: dict[str, dict[str, Any]] = {
    "quadratics": POLYNOMIAL
    | {
        "task.coefficients": [1 / 10, 1 / 4, 1 / 2],
        "task.output_activation": "sigmoid",
        "task.biases": None,
        "levels.values": [.001, .0025, .005, .0075, .01, .025, .05, .075, .1, .125],
        "connect.length_over": "*",
    },
    "cubics": POLYNOMIAL
    | {
        "task.coefficients": [0, 3, -10, 8],
        "task.output_activation": "linear",
        "task.biases": {"distribution": "normal", "scale": 1.0},
        "levels.values": [
            .01, .02, .03, .04, .05, .06, .07, .08, .10, .12, .14, .15, .152, .154, .156, .158,
            .16, .162, .164, .168, .17, .18, .20, .24, .32,
        ],
        "connect.length_over": "*kernel",
    },
    "mnist": IMAGES
    | {
        "task.name": "mnist",
        "task.filters": [32, 64],
        "task.dense": 1024,
        "task.dropout": 0.5,
        "task.train_images": None,
        "task.test_images": None,
        "train.optimizer": "adam",
        "train.learning_rate": 1e-4,
        "train.weight_decay": None,
        "train.batch_size": 100,
        "train.check_every": 60_000 // 100,
        "connect.optimizer": "adam",
        "levels.values": [.7, .75, .775, .8, .85, .9, 1, 1.5, 2, 4],
        "connect.tolerance": 1.02,
    },
    "cifar10": IMAGES
    | {
        "task.name": "cifar10",
        "task.filters": [64, 64],
        "task.dense": [384, 192],
        "task.train_images": None,
        "task.test_images": None,
        "train.optimizer": "sgd",
        "train.learning_rate": 0.1,
        "train.weight_decay": {"rate": 0.004, "over": "Dense_0.kernel,Dense_1.kernel"},
        "train.batch_size": 128,
        "train.check_every": 50_000 // 128,
        "levels.values": [20, 30, 40, 50, 60, 70, 80],
        "connect.tolerance": 1.1,
        "connect.weight_decay": {"rate": 0, "over": "*"},
    },
    "ptb": COMMON
    | {
        "task.name": "ptb",
        "task.layers": 2,
        "task.width": 200,
        "task.window": 20,
        "task.streams": 20,
        "task.vocabulary": 10_000,
        "task.weights": {"distribution": "uniform", "scale": 0.1},
        "task.test_words": None,
        "train.optimizer": "sgd",
        "train.learning_rate": {  # of the first five epochs, then halved each epoch
            "name": "exponential_decay", "init_value": 1.0, "decay_rate": 0.5,
            "transition_begin": 4 * 2323, "transition_steps": 2323, "staircase": True,
        },
        "train.clip": 5,
        "train.batch_size": None,
        "train.check_every": 929_589 // 400,
        "levels.metric": "perplexity",
        "levels.values": [135, 150, 200, 250, 300, 700],
        "connect.target": 0.98,
        "connect.tolerance": 1.1,
        "connect.insert": "midpoint",
        "connect.grid": 20,
        "connect.length_over": "*",
    },
}  # fmt: skip

# what the configs for 2 cores may change; their head comments list it
SMALLER = {
    "task.train_files", "task.train_file", "task.test_images", "task.test_words", "train.models",
    "train.max_steps", "train.check_every", "levels.values", "connect.pairs",
    "connect.grid", "connect.max_beads", "connect.max_steps_per_bead",
}  # fmt: skip


def settings(name: str) -> dict[str, Any]:
    return resolved(load_config(PAPER / f"{name}.yaml"))


@pytest.mark.parametrize("name", ROWS)
def test_a_config_is_its_row(name):
    config, row = settings(name), ROWS[name]
    found = {key: reduce(lambda d, part: d[part], key.split("."), config) for key in row}
    assert found == row | {"levels.values": sorted(row["levels.values"], reverse=True)}


@pytest.mark.parametrize("name", ["mnist", "cifar10", "ptb"])
def test_a_small_config_differs_only_in_size(name):
    full, small = settings(name), settings(f"{name}-small")
    changed = {
        f"{section}.{key}"
        for section in ("task", "train", "levels", "connect")
        for key in full[section]
        if full[section][key] != small[section][key]
    }
    assert changed <= SMALLER | ({"train.learning_rate"} if name != "cifar10" else set())
