"""Training by several workers: each task some models, to their ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from landscape.core.devices import exact_in_any_batch
from landscape.stages.build import Progress, as_trained, build_landscape, build_task, silent
from landscape.stages.descents import TrainContext, descend
from landscape.stages.shared import SharedRun, opened, parts, pieces, shared_run
from landscape.store.records.models import Line, ModelRecord

if TYPE_CHECKING:
    from landscape.cluster.pool import Pool

MOST = 32  # models of a task on CPUs


@dataclass(frozen=True)
class TrainTask:
    """The numbers of some models."""

    models: tuple[int, ...]

    def __str__(self) -> str:
        count = len(self.models)
        return f"model {self.models[0]}" + (f" and {count - 1} more" if count > 1 else "")


# -- the process that holds the run ----------------------------------------------------------------


def hand_out(
    context: TrainContext, pool: Pool, numbers: Sequence[int], progress: Progress
) -> list[ModelRecord]:
    """As `descend`, with the same result, by the workers of a pool. The models that they have
    trained are kept as such, for the next time where this is cut off."""
    run, records = context.run, []
    done, missed, total = 0, 0, len(numbers)
    progress("training", done, total)
    tasks = map(TrainTask, _parts(numbers, pool.expected))
    for task, found in pool.results(__name__, shared_run(run, context.config), tasks):
        run.take_task_history(task.models[0])
        run.append_trained(found)
        for model in task.models:
            run.training_file(model).unlink(missing_ok=True)
        records += found
        done += len(task.models)
        missed += sum(met.status != "REACHED" for one in found for met in one.levels)
        progress("training", done, total, missed=missed, workers=pool.workers)
    return records


def _parts(models: Sequence[int], workers: int) -> Iterator[tuple[int, ...]]:
    """On CPUs a few models a task; elsewhere a worker's share, as models of a call run together."""
    if exact_in_any_batch():
        return parts(models, MOST, workers)
    return pieces(models, -(-len(models) // workers))


# -- a worker --------------------------------------------------------------------------------------


def prepare(shared: SharedRun) -> TrainContext:
    """What the trainings of a run share, on a worker. Raises as `shared.opened`."""
    run, config = opened(shared)
    task = build_task(config)
    landscape = build_landscape(config, silent, task)
    return TrainContext(run, config, landscape, as_trained(config, task))


def perform(context: TrainContext, task: TrainTask) -> list[ModelRecord]:
    """The records of a task's models, whose parameters are on disk then."""

    def tell(lines: Sequence[Line]) -> None:
        context.run.append_task_history(task.models[0], lines)

    with context.run.with_large_arrays():
        return descend(context, task.models, tell, silent)
