"""The strings and models of `measure` by several workers: each task some of them, a file each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from landscape.config.naming import measures_name
from landscape.stages.build import Progress, silent
from landscape.stages.measure.context import MeasureContext
from landscape.stages.measure.models import measure_models
from landscape.stages.measure.strings import first_of_each_level, key_of, measure_strings
from landscape.stages.shared import SharedRun, opened, parts, shared_run
from landscape.store.records.strings import StringRecord

if TYPE_CHECKING:
    from landscape.cluster.pool import Pool

STRINGS = 16  # of a task at most
MODELS = 8


@dataclass(frozen=True)
class MeasureTask:
    """Strings, with_spectrum: the keys of those that get one; or models at levels."""

    rows: tuple[StringRecord, ...] = ()
    with_spectrum: frozenset[str] = frozenset()
    models: tuple[tuple[float, int], ...] = ()

    def __str__(self) -> str:
        if self.rows:
            return f"the string {key_of(self.rows[0])}"
        return f"model {self.models[0][1]} at {self.models[0][0]:g}"


def hand_out(
    context: MeasureContext,
    pool: Pool,
    rows: Sequence[StringRecord],
    connected: Sequence[StringRecord],
    models: Sequence[tuple[float, int]],
    progress: Progress,
) -> None:
    """Measure what is pending, by the workers of a pool."""
    first = frozenset(first_of_each_level(connected, context.settings.spectrum))
    workers = pool.expected
    tasks = [
        *(MeasureTask(rows=some, with_spectrum=first) for some in parts(rows, STRINGS, workers)),
        *(MeasureTask(models=some) for some in parts(models, MODELS, workers)),
    ]
    total, done = len(rows) + len(models), 0
    shared = shared_run(context.run, context.config)
    for task, _ in pool.results(__name__, shared, tasks):
        done += len(task.rows) + len(task.models)
        progress("measuring", done, total, workers=pool.workers)


def prepare(shared: SharedRun) -> MeasureContext:
    """What measures, on a worker. Raises as `shared.opened`."""
    run, config = opened(shared)
    context = MeasureContext(run, config, measures_name(config.measure), silent)
    _ = context.landscape
    return context


def perform(context: MeasureContext, task: MeasureTask) -> None:
    """Measure; what is found is on disk then."""
    if task.rows:
        measure_strings(context, task.rows, task.with_spectrum, silent, others_too=False)
    if task.models:
        measure_models(context, task.models, silent)
