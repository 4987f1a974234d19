"""What a run's workers have in common, whatever they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from landscape.config.load import Config, config_from, resolved, run_hash
from landscape.store.files import RunError
from landscape.store.run import Run, open_run

TASKS = 8  # of each worker, where there is so much to do: few wait long for the last one

One = TypeVar("One")


@dataclass(frozen=True)
class SharedRun:
    """What all tasks of a stage share.

    run: its directory; config: as `config_from` takes it; hash: of what training depends on.
    """

    run: str
    config: dict[str, object]
    name: str
    hash: str


def shared_run(run: Run, config: Config) -> SharedRun:
    """With a worker's part of the memory, where workers share a machine."""
    compute = config.compute
    if compute.shares_machine:
        part = max(compute.memory // compute.workers, 2**20)
        compute = compute.model_copy(update={"memory": part})
    plain = resolved(replace(config, compute=compute))
    return SharedRun(str(run.directory.resolve()), plain, config.name, run_hash(config))


def opened(shared: SharedRun) -> tuple[Run, Config]:
    """The run on a worker.

    Raises:
        ConfigError: The task's code is not there.
        RunError: The run is not there, or the task's code or files are others.
    """
    config = config_from(shared.config, shared.name)
    if run_hash(config) != shared.hash:
        raise RunError(f"{config.task_key}: its code, or the networks' files, are others here")
    return open_run(shared.run), config


def parts(items: Sequence[One], most: int, workers: int) -> Iterator[tuple[One, ...]]:
    """The items in tasks of so many at most, and as few that all workers end together."""
    return pieces(items, max(1, min(most, len(items) // (TASKS * workers))))


def pieces(items: Sequence[One], size: int) -> Iterator[tuple[One, ...]]:
    """The items, so many at a time."""
    for first in range(0, len(items), size):
        yield tuple(items[first : first + size])
