"""A path from a file, for a search to begin from: arrays as the task's with a leading axis of
beads, both ends counted, which is how `lscape connect` keeps its strings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from landscape.config.load import Config
from landscape.config.sections import PATH_FILE
from landscape.core import paths, trees
from landscape.core.landscape import Landscape
from landscape.stages.build import check_and_cast_params
from landscape.store.connections import SEARCH_HISTORY
from landscape.store.files import PROFILE, Arrays, RunError

SAME = 1e-5  # of the chord: how far an end of the file may be from its model

Pair = tuple[int, int]


class Models(Protocol):
    """The models of a run, where they met its levels."""

    def reached(self, model: int, level: float) -> bool: ...
    def params(self, model: int, level: float) -> Arrays: ...


def given_paths(
    config: Config,
    landscape: Landscape,
    models: Models,
    levels: Sequence[float],
    pairs: Sequence[Pair],
) -> dict[tuple[float, Pair], Arrays]:
    """The path of the file `connect.start` for each of the levels that the pair has met, its ends
    bit for bit the models'; {} where `start` is no file. Raises ConfigError."""
    file = str(config.connect.start)
    if not file.endswith(PATH_FILE):
        return {}
    try:
        if config.connect.align is not None:
            raise RunError(f"{file} ends at a model as it is: connect.align must be null")
        if len(pairs) > 1 or config.connect.pairs == "tree":
            raise RunError(
                f"{file} is a path between two models: connect.pairs must be one pair, such as "
                f"0-1, got {config.connect.pairs}"
            )
        beads = _read(file, landscape)
        return {
            (level, pair): _between(file, beads, models, level, pair)
            for level, pair in itertools.product(levels, pairs)
            if all(models.reached(model, level) for model in pair)
        }
    except RunError as error:
        raise config.problem("connect.start", str(error)) from None


def _read(file: str, landscape: Landscape) -> Arrays:
    """The beads in the landscape's types, arrays [beads, ...]. Raises RunError."""
    try:
        arrays = load_file(file)
    except (OSError, SafetensorError, TypeError) as error:
        why = "no such file" if not Path(file).exists() else f"unreadable: {error}"
        raise RunError(f"{file}: {why}") from None
    beads = {name: leaf for name, leaf in arrays.items() if name not in (*PROFILE, *SEARCH_HISTORY)}
    for name, leaf in beads.items():
        if leaf.dtype.kind != "f":
            raise RunError(f"{file}: {name} is of type {leaf.dtype}, not a float")
    counts = {name: leaf.shape[0] if leaf.ndim else 0 for name, leaf in beads.items()}
    if len({*counts.values()}) > 1 or 0 in counts.values():
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise RunError(
            f"{file}: the first axis of every array is the beads, as many of each; got {listed}"
        )
    check_and_cast_params(trees.take(beads, 0), landscape, f"{file}, a bead")
    if trees.count(beads) < 2:
        raise RunError(f"{file}: a path has two beads or more, its ends counted; got 1")
    beads = {name: beads[name].astype(shape.dtype) for name, shape in landscape.shapes.items()}
    lost = np.flatnonzero(~paths.finite_beads(beads))
    if len(lost):
        raise RunError(f"{file}: bead {lost[0] + 1} is not finite")
    return beads


def _between(file: str, beads: Arrays, models: Models, level: float, pair: Pair) -> Arrays:
    """The path with its ends bit for bit the models', if that is where they are."""
    ends = [models.params(model, level) for model in pair]
    chord = paths.chord(trees.stack(ends))
    points = {name: np.array(leaf) for name, leaf in beads.items()}
    for place, name, model, end in zip((0, -1), ("first", "last"), pair, ends, strict=True):
        away = paths.chord(trees.stack([trees.take(beads, place), end]))
        if not away <= SAME * chord:
            raise RunError(
                f"{file}: the {name} bead is {away:.3g} away from model {model} at level "
                f"{level:g}, and the models {chord:.3g} from each other: a path for "
                f"{pair[0]}-{pair[1]} begins at model {pair[0]} and ends at model {pair[1]}"
            )
        for key, leaf in points.items():
            leaf[place] = end[key]
    return points
