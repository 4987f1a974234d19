"""On which side of the walls that the theory knows a run's models stand."""

from __future__ import annotations

from landscape.core.certificate import segment_evaluator
from landscape.measures.barrier_bounds import barrier_lower_bounds
from landscape.stages.build import Progress, build_landscape, config_of, silent
from landscape.stages.context import EndPoints
from landscape.store.files import write_records
from landscape.store.records.models import (
    BoundAroundZero,
    BoundRankOne,
    LowerBoundRecord,
    Side,
)
from landscape.store.run import Run

KINDS = {"around zero": BoundAroundZero, "rank one": BoundRankOne}


def classify_models(run: Run, progress: Progress = silent) -> list[LowerBoundRecord]:
    """Keep `Run.lower_bounds`'s records of a trained run, once and for all, and return them. Raises
    RunError (damaged files, a task that no longer gives the recorded losses), OSError (disk)."""
    if not run.lower_bounds_file.exists():
        config = config_of(run)
        landscape = build_landscape(config, progress)
        found, ends = barrier_lower_bounds(landscape), None
        level_at = segment_evaluator(landscape, config.connect.grid).level_at
        records = []
        for wall in found:
            ends = ends or EndPoints(run, config, landscape, level_at)
            sides = [
                Side(model=model, level=level, side=wall.side(ends.params(model, level)))
                for model in range(config.train.models)
                for level in sorted(ends.levels(model), reverse=True)
            ]
            kind = KINDS[wall.name]
            records.append(kind(height=wall.height, facts=wall.facts, sides=sides))
        write_records(run.lower_bounds_file, records)
    return run.lower_bounds()
