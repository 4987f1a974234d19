"""The searches of a set by several workers: each task some pairs, through all levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from landscape.config.load import Config, config_from, resolved, run_hash
from landscape.stages.build import Progress, silent
from landscape.stages.checkpoints import Checkpoints, KeptSearch, kept
from landscape.stages.context import ConnectContext, Pair, connect_context
from landscape.stages.levels import links, search_levels
from landscape.stages.rows import Event, TaskRows
from landscape.store.files import RunError
from landscape.store.records.strings import StringRecord
from landscape.store.run import open_run

if TYPE_CHECKING:
    from landscape.cluster.pool import Pool

MOST = 32  # pairs of a task: few enough that workers end together
TASKS = 8  # of each worker, where there are so many pairs


@dataclass(frozen=True)
class SharedSearch:
    """What all tasks of a set share.

    run: its directory; config: as `config_from` takes it; hash: of what training depends on.
    """

    run: str
    config: dict[str, object]
    name: str
    set: str
    hash: str


@dataclass(frozen=True)
class PairTask:
    """Some pairs through some levels; rows: those that they have."""

    levels: tuple[float, ...]
    pairs: tuple[Pair, ...]
    rows: tuple[StringRecord, ...]

    def __str__(self) -> str:
        (a, b), count = self.pairs[0], len(self.pairs)
        return f"pair {a}-{b}" + (f" and {count - 1} more" if count > 1 else "")


# -- the process that holds the run ----------------------------------------------------------------


def hand_out(
    context: ConnectContext,
    pool: Pool,
    levels: Sequence[float],
    pairs: Sequence[Pair],
    progress: Progress,
) -> None:
    """As `search_levels`, with the same result, by the workers of a pool."""
    run, name = context.run, context.name
    todo = _unfinished(context, levels, pairs)
    rows: dict[Pair, list[StringRecord]] = {}
    for row in context.rows.known():
        rows.setdefault((row.a, row.b), []).append(row)
    tasks = [
        PairTask(tuple(levels), some, tuple(row for pair in some for row in rows.get(pair, ())))
        for some in _parts(todo, _interrupted(context, levels), _size(context, len(todo), pool))
    ]
    shared = SharedSearch(
        str(run.directory.resolve()),
        resolved(_of_a_worker(context.config)),
        context.config.name,
        name,
        run_hash(context.config),
    )
    done = connected = 0
    total = sum(len(task.pairs) for task in tasks)
    stage = "connecting" if len(levels) > 1 else f"connecting at {levels[0]:g}"
    progress(stage, 0, total)
    for task, (found, events) in pool.results(__name__, shared, tasks):
        context.rows.add(found)
        context.rows.tell(events)
        run.task_file(name, *task.pairs[0]).unlink(missing_ok=True)
        done += len(task.pairs)
        connected += sum(row.status == "CONNECTED" for row in found)
        progress(stage, done, total, pairs=f"{done}/{total}", connected=connected,
                 workers=pool.workers)  # fmt: skip


def _of_a_worker(config: Config) -> Config:
    """With its part of the memory, where workers share a machine."""
    compute = config.compute
    if compute.cluster is None and compute.scheduler is None:
        part = max(compute.memory // compute.workers, 2**20)
        compute = compute.model_copy(update={"memory": part})
    return replace(config, compute=compute)


def _unfinished(
    context: ConnectContext, levels: Sequence[float], pairs: Sequence[Pair]
) -> list[Pair]:
    """The pairs that have something still to do."""
    known = context.rows.known()
    there = {(row.a, row.b, row.level) for row in known}
    again = {(link.missed.a, link.missed.b) for link in links(context.config, known, levels, pairs)}
    held = {pair for group in _interrupted(context, levels) for pair in group}
    return [
        pair
        for pair in sorted(set(pairs) | held)
        if pair in again | held or any((*pair, level) not in there for level in levels)
    ]


def _interrupted(context: ConnectContext, levels: Sequence[float]) -> list[set[Pair]]:
    """The pairs of each search that was interrupted."""
    found = []
    for level in levels:
        for path in context.run.search_files(context.name, level).values():
            search = kept(Checkpoints(path), KeptSearch)
            assert search is not None
            found.append({_pair(string.name) for string in search.strings})
    return found


def _pair(name: str) -> Pair:
    a, b = map(int, name.split("-"))
    return a, b


def _size(context: ConnectContext, pairs: int, pool: Pool) -> int:
    """Pairs a task: what memory holds, and few enough that no worker waits long for another."""
    workers = max(pool.workers, context.config.compute.workers)
    return max(1, min(context.group, MOST, pairs // (TASKS * workers)))


def _parts(pairs: list[Pair], together: list[set[Pair]], size: int) -> Iterator[tuple[Pair, ...]]:
    """The pairs in parts of a size; those of an interrupted search stay together."""
    apart: list[set[Pair]] = []
    for group in together:
        whole = set(group).union(*(other for other in apart if other & group))
        apart = [*(other for other in apart if not other & group), whole]
    yield from (tuple(sorted(group)) for group in apart)
    held = {pair for group in apart for pair in group}
    rest = [pair for pair in pairs if pair not in held]
    for first in range(0, len(rest), size):
        yield tuple(rest[first : first + size])


# -- a worker --------------------------------------------------------------------------------------


def prepare(shared: SharedSearch) -> ConnectContext:
    """What the searches of a set share, on a worker.

    Raises:
        ConfigError: The worker cannot build the task.
        DataError: It has not the data.
        RunError: It does not see the run, or has other code or data.
    """
    config = config_from(shared.config, shared.name)
    run = open_run(shared.run)
    if run_hash(config) != shared.hash:
        raise RunError(f"{config.task_key}: its code, or the networks' files, are others here")
    context = connect_context(run, config, shared.set, silent)
    return replace(context, others_too=False)


def perform(context: ConnectContext, task: PairTask) -> tuple[list[StringRecord], list[Event]]:
    """The rows and events of a task, whose strings are on disk then."""
    journal = context.run.task_rows(context.name, *task.pairs[0])
    rows = TaskRows(task.rows, journal)
    search_levels(replace(context, rows=rows), task.levels, task.pairs, silent)
    return journal.records(), rows.events
