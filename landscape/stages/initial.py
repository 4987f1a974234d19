"""Models as they are before training."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from landscape.config.load import Config
from landscape.core import devices, trees
from landscape.core.devices import Each, each
from landscape.core.keys import key_data
from landscape.core.landscape import Landscape
from landscape.core.permute import permuted


def initial(config: Config, landscape: Landscape, numbers: Sequence[int]) -> dict[str, Any]:
    """The models of these numbers as they are before training, named arrays [n, ...]."""
    return initialiser(landscape)(_keys(config, numbers))


def initialiser(landscape: Landscape) -> Each:
    """A key's data → a model; the same for the same landscape, which compiles it once."""
    return _initialiser(landscape.init, trees.nbytes(landscape.shapes), devices.settings())


@functools.lru_cache(maxsize=1)
def _initialiser(
    init: Callable[[jax.Array], trees.Params], made: int, settings: devices.Settings
) -> Each:
    return each(lambda key: init(jax.random.wrap_key_data(key)), made=made)


def initial_values(config: Config, landscape: Landscape, numbers: Sequence[int]) -> np.ndarray:
    """The level's metric [n] of the models of these numbers before training, which are not kept."""

    def value(key: jax.Array) -> jax.Array:
        return landscape.level(landscape.init(jax.random.wrap_key_data(key)))

    return each(value, made=trees.nbytes(landscape.shapes))(_keys(config, numbers))


def _keys(config: Config, numbers: Sequence[int]) -> np.ndarray:
    return np.stack([key_data(config.seed, "init", model) for model in numbers])


def beginning(config: Config, landscape: Landscape, model: int) -> dict[str, Any]:
    """One model as it is before training."""
    second = config.train.permute is not None and model % 2 == 1
    params = trees.take(initial(config, landscape, [model - second]), 0)
    return twin(params, config) if second else params


def twin(params: trees.Params, config: Config) -> dict[str, Any]:
    """The permuted twin of a model. Raises ConfigError naming `train.permute.axes`."""
    permute = config.train.permute
    assert permute is not None
    try:
        return permuted(params, permute.units, permute.axes)
    except ValueError as error:
        raise config.problem("train.permute.axes", str(error)) from None
