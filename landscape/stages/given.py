"""Networks trained elsewhere: where each check point stands, and what the framework that it is from
and its own state say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from landscape.config.load import Config
from landscape.core import trees
from landscape.core.devices import each
from landscape.core.landscape import Landscape
from landscape.stages.endpoints import read_endpoint
from landscape.stages.met import model_record
from landscape.stages.state import compared, parameters_of
from landscape.store.files import Arrays
from landscape.store.records.models import Given, ModelRecord


class Standing(NamedTuple):
    """The levels' metric of a network's check point; step: which of the network's it is."""

    model: int
    step: int
    value: float


def comparisons(config: Config, landscape: Landscape) -> dict[str, Given]:
    """The last check point of each network, by its file, as it is there; of tasks that have state
    or are from another framework. Raises ConfigError as `compared`."""
    if landscape.state is None and landscape.origin is None:
        return {}
    last = [files[-1] for files in config.train.files]
    return compared(
        config, landscape, {path: read_endpoint(path, config, landscape) for path in last}
    )


def measured(config: Config, landscape: Landscape) -> Iterator[tuple[Standing, Arrays]]:
    """Every check point and its parameters, one in memory at a time."""
    level_of = each(landscape.level)
    for model, files in enumerate(config.train.files):
        for step, path in enumerate(files):
            params = parameters_of(read_endpoint(path, config, landscape), landscape)
            yield Standing(model, step, float(level_of(trees.stack([params]))[0])), params


def levels_met(seen: Sequence[Standing], levels: Sequence[float]) -> dict[float, tuple[int, float]]:
    """Where a network stands at each level that it is below: the first check point that is."""
    met: dict[float, tuple[int, float]] = {}
    for one in seen:
        for level in levels:
            if one.value <= level:
                met.setdefault(level, (one.step, one.value))
    return met


def given_records(
    config: Config, seen: Sequence[Standing], against: Mapping[str, Given]
) -> list[ModelRecord]:
    """The networks' records; their steps are the numbers of check points."""
    records, levels = [], config.levels.values
    for model, files in enumerate(config.train.files):
        own = [one for one in seen if one.model == model]
        met = levels_met(own, levels)
        record = model_record(model, len(files) - 1, own[-1].value, met, levels)
        records.append(replace(record, given=against.get(files[-1])))
    return records
