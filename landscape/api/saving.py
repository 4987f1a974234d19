"""Parameters in a file that `train.endpoints` reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save

from landscape.api.problem import Tree
from landscape.core import trees
from landscape.store.files import write_bytes

SUFFIX = ".safetensors"


def save_parameters(path: str | Path, params: Tree) -> None:
    """Save the parameters of a network, for `train.endpoints` of a config.

    The file has an array for each leaf, under its dotted name, which is the name that a task with
    such parameters gives it. It is written whole or not at all.

    Args:
        path: The file, which ends in `.safetensors`; its folder is made.
        params: Any pytree of arrays.

    Raises:
        ValueError: The file has another ending, or two arrays would share a name, or a number is
            not finite.
        OSError: The disk is full, or the like.
    """
    if Path(path).suffix != SUFFIX:
        raise ValueError(f"{path}: the name must end in {SUFFIX}")
    # not ascontiguousarray, which gives a scalar an axis
    named = {name: np.asarray(leaf, order="C") for name, leaf in trees.to_named(params).items()}
    for name, array in named.items():
        if not np.isfinite(array.astype(float)).all():
            raise ValueError(f"{path}: {name} has numbers that are not finite")
    write_bytes(Path(path), save(named))
