"""Where training ended: a minimum, a saddle, or a model still on its way.

A model that missed a level has no snapshot there; what it ended as says why.
"""

from __future__ import annotations

import numpy as np

from landscape import trees
from landscape.base import key_data
from landscape.config import Config
from landscape.hessian import Hessian, curvatures, dots
from landscape.runs import Row, Run, load_arrays
from landscape.stages.setup import Progress, build_landscape, config_of, in_use, log, silent


def measure_ends(run: Run, progress: Progress = silent) -> list[Row]:
    """Keep `Run.ends`'s records of a trained run, once and for all, and return them. By
    measure.steps of Lanczos. Raises ConfigError, RunError (damaged files), OSError (disk)."""
    if not run.ends_file.exists():
        run.write_ends(_measured(run, config_of(run), progress))
    return run.ends()


def _measured(run: Run, config: Config, progress: Progress) -> list[Row]:
    landscape = build_landscape(config, progress)
    if landscape.curved is None:
        log.warning(f"{run.directory}: no second derivatives: the task has no metric `loss`")
        return []
    lowest = config.levels.values[-1]
    files = {}
    for model in range(config.train.models):
        for path in (run.model_file(model, lowest), run.last_file(model)):
            if path.exists():
                files[model] = path
    if not files:
        return []
    ends = [in_use(load_arrays(path)[0], landscape, path) for path in files.values()]
    points = trees.stack(ends)
    seed = key_data(config.seed, "ends")
    found = curvatures(Hessian(landscape), points, config.measure.steps, seed)
    columns = np.column_stack(
        [found.value, np.sqrt(dots(points, points)), found.gradient, found.extremes[:, :3]]
    )
    names = ("value", "size", "gradient", "smallest", "smallest_error", "largest")
    return [
        {"model": model, **dict(zip(names, map(float, row), strict=True))}
        for model, row in zip(files, columns, strict=True)
    ]
