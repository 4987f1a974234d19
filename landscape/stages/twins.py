"""Permuted twins of trained networks: the same function, elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from landscape.config.load import Config
from landscape.core import trees
from landscape.core.devices import each
from landscape.core.keys import key_data
from landscape.core.landscape import Landscape
from landscape.stages.build import check_and_cast_params
from landscape.stages.initial import initial, twin
from landscape.stages.met import MetLevels, keep_end
from landscape.store.files import load_arrays
from landscape.store.run import Run

DRAWS = 4  # random points at which a network is compared with its permuted twin
SAME = 2e-3  # relative: rounding may turn one sample of an error rate


def check_permutation(config: Config, landscape: Landscape) -> None:
    """A network and its twin must be the same function, or `axes` are not one layer's units.

    Judged at random points: at an initialisation some arrays, such as biases, are all alike.
    """
    start = trees.take(initial(config, landscape, [0]), 0)
    drawn = [np.random.default_rng(key_data("permute", draw)) for draw in range(DRAWS)]
    tried: list[dict[str, Any]] = [
        {
            name: (leaf + rng.normal(size=leaf.shape)).astype(leaf.dtype)
            for name, leaf in start.items()
        }
        for rng in drawn
    ]
    level = each(landscape.level)
    values = level(trees.stack(tried))
    twins = level(trees.stack([twin(params, config) for params in tried]))
    worst = np.abs(values - twins).argmax()
    if not np.allclose(values, twins, rtol=SAME):
        raise config.problem(
            "train.permute.axes",
            f"the permuted network is another function ({config.levels.metric} "
            f"{twins[worst]:.6g}, was {values[worst]:.6g}, at random parameters): name the units' "
            "axis of every array that has them",
        )


def keep_twin(
    run: Run,
    config: Config,
    landscape: Landscape,
    model: int,
    met: MetLevels,
) -> dict[float, tuple[int, float]]:
    """The permuted twins of a model's snapshots, measured; a level that rounding lifts one above
    is left out."""
    twins = {}
    level_of = each(landscape.level)
    for level, (step, _) in met.items():
        path = run.model_file(model, level)
        params = twin(check_and_cast_params(load_arrays(path)[0], landscape, path), config)
        value = float(level_of(trees.stack([params]))[0])
        if value <= level:
            twins[level] = (step, value)
            keep_end(run, model + 1, level, params, step, value)
    return twins
