"""What memory a run takes at most, counted and not measured: the compiler says what each program
takes, and what is kept beside it are copies of models, so many of them.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from landscape.config.load import Config
from landscape.core import large, trees
from landscape.core.certificate import Segments
from landscape.core.devices import each
from landscape.core.landscape import Landscape
from landscape.search.beads import LEVEL_OPTIMIZERS
from landscape.search.descend import Taken
from landscape.stages.build import SLOPES, slope_of
from landscape.stages.context import group_size
from landscape.stages.initial import initialiser

KEY = jax.ShapeDtypeStruct((2,), np.uint32)


class Footprint(NamedTuple):
    """Bytes at most, besides what the process has before."""

    train: int
    connect: int


def footprint(
    config: Config,
    landscape: Landscape,
    trained: Taken,
    bead: Taken,
    by: str,
    segments: Segments,
    pairs: int,
) -> Footprint:
    """What training takes, and what connecting takes.

    Args:
        config: What would be run.
        landscape: Its landscape.
        trained: What models take on their way down.
        bead: What a bead takes.
        by: The name of what beads descend by.
        segments: What evaluates segments.
        pairs: How many there are.
    """
    shapes = dict(landscape.shapes)
    model = trees.nbytes(shapes)
    level = 2 * model + each(landscape.level).takes(shapes, 1)  # as it was read, and as an item
    if config.train.files:
        train = level
    else:
        models = config.train.models
        initial, kept, memory = (
            large.most_in_memory(size, models, models)
            for size in (model, trained.state, trained.state - model)
        )
        train = max(
            initial + initialiser(landscape).takes(KEY, models),
            initial + max(kept, trained.start) + memory,
            kept + trained.move,
            kept + level,
        )
    beads, together = (
        config.connect.finder.max_beads,
        min(group_size(trees.size(shapes), config), pairs),
    )
    strings = together * large.most_in_memory(model, beads, 2)
    pending = large.most_in_memory(bead.state, together * beads)
    slope = slope_of(landscape).takes(KEY, SLOPES) if by in LEVEL_OPTIMIZERS else 0
    connect = max(
        slope,
        level,
        strings + max(2 * pending, bead.start),
        strings + pending + bead.move,
        strings + pending + segments.takes(shapes),
        strings + 2 * level,  # the maximum, once in double precision
    )
    return Footprint(train, connect)
