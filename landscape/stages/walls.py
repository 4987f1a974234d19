"""On which side of the walls that the theory knows a run's models stand."""

from __future__ import annotations

from landscape.files import Row
from landscape.runs import Run, write_records
from landscape.stages.connect import Ends
from landscape.stages.setup import Progress, build_landscape, config_of, silent
from landscape.walls import walls


def stand(run: Run, progress: Progress = silent) -> list[Row]:
    """Keep `Run.walls`'s records of a trained run, once and for all, and return them. Raises
    RunError (damaged files, a task that no longer gives the recorded losses), OSError (disk)."""
    if not run.walls_file.exists():
        config = config_of(run)
        landscape = build_landscape(config, progress)
        found, ends = walls(landscape), None
        records = []
        for wall in found:
            ends = ends or Ends(run, config, landscape)
            sides = [
                {"model": model, "level": level, "side": wall.side(ends.params(model, level))}
                for model in range(config.train.models)
                for level in sorted(ends.levels(model), reverse=True)
            ]
            known = {"name": wall.name, "height": wall.height, "facts": wall.facts}
            records.append({**known, "sides": sides})
        write_records(run.walls_file, records)
    return run.walls()
