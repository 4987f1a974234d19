"""The searches of a set by several workers: each task some pairs, through all levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from landscape.config.load import Config
from landscape.config.naming import set_name
from landscape.stages.build import Progress, silent
from landscape.stages.checkpoints import Checkpoints, KeptSearch, kept
from landscape.stages.context import ConnectContext, Pair, connect_context
from landscape.stages.levels import links, search_levels
from landscape.stages.rows import Event, TaskRows
from landscape.stages.shared import SharedRun, opened, parts, shared_run
from landscape.store.records.strings import StringRecord

if TYPE_CHECKING:
    from landscape.cluster.pool import Pool

MOST = 32  # pairs of a task


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
    known, held = context.rows.known(), _interrupted(context, levels)
    todo = _unfinished(context.config, known, held, levels, pairs)
    rows: dict[Pair, list[StringRecord]] = {}
    for row in known:
        rows.setdefault((row.a, row.b), []).append(row)
    most, workers = min(context.group, MOST), pool.expected
    tasks = [
        PairTask(tuple(levels), some, tuple(row for pair in some for row in rows.get(pair, ())))
        for some in _parts(todo, held, most, workers)
    ]
    if not tasks:
        return
    shared = shared_run(run, context.config)
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


def _unfinished(
    config: Config,
    known: Sequence[StringRecord],
    interrupted: Sequence[set[Pair]],
    levels: Sequence[float],
    pairs: Sequence[Pair],
) -> list[Pair]:
    """The pairs that have something still to do."""
    there = {(row.a, row.b, row.level) for row in known}
    again = {(link.missed.a, link.missed.b) for link in links(config, known, levels, pairs)}
    held = {pair for group in interrupted for pair in group}
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


def _parts(
    pairs: list[Pair], together: list[set[Pair]], most: int, workers: int
) -> Iterator[tuple[Pair, ...]]:
    """The pairs in tasks; those of an interrupted search stay together."""
    apart: list[set[Pair]] = []
    for group in together:
        whole = set(group).union(*(other for other in apart if other & group))
        apart = [*(other for other in apart if not other & group), whole]
    yield from (tuple(sorted(group)) for group in apart)
    held = {pair for group in apart for pair in group}
    yield from parts([pair for pair in pairs if pair not in held], most, workers)


# -- a worker --------------------------------------------------------------------------------------


def prepare(shared: SharedRun) -> ConnectContext:
    """What the searches of a set share, on a worker. Raises as `shared.opened` and
    `connect_context`."""
    run, config = opened(shared)
    context = connect_context(run, config, set_name(config.connect), silent)
    return replace(context, others_too=False)


def perform(context: ConnectContext, task: PairTask) -> tuple[list[StringRecord], list[Event]]:
    """The rows and events of a task, whose strings are on disk then."""
    journal = context.run.task_rows(context.name, *task.pairs[0])
    rows = TaskRows(task.rows, journal)
    with context.run.with_large_arrays():
        search_levels(replace(context, rows=rows), task.levels, task.pairs, silent)
    return journal.records(), rows.events
