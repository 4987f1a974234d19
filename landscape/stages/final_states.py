"""Where training ended: a minimum, a saddle, or a model still on its way.

A model that missed a level has no snapshot there; what it ended as says why.
"""

from __future__ import annotations

import numpy as np

from landscape.config.load import Config
from landscape.core import trees
from landscape.core.keys import key_data
from landscape.measures.curvature import curvatures
from landscape.measures.hessian import Hessian, lanczos_steps
from landscape.measures.lanczos import CLOSE, dots, lanczos, sized
from landscape.stages.build import (
    Progress,
    build_landscape,
    check_and_cast_params,
    config_of,
    log,
    silent,
)
from landscape.store.files import load_arrays, write_records
from landscape.store.records.models import FinalStateRecord
from landscape.store.run import Run


def measure_final_states(run: Run, progress: Progress = silent) -> list[FinalStateRecord]:
    """Keep `Run.final_states`'s records of a trained run, once and for all, and return them. By
    measure.steps of Lanczos. Raises ConfigError, RunError (damaged files), OSError (disk)."""
    if not run.final_states_file.exists():
        write_records(run.final_states_file, _measured(run, config_of(run), progress))
    return run.final_states()


def _measured(run: Run, config: Config, progress: Progress) -> list[FinalStateRecord]:
    landscape = build_landscape(config, progress)
    if landscape.hessian_target is None:
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
    ends = [check_and_cast_params(load_arrays(path)[0], landscape, path) for path in files.values()]
    points, hessian = trees.stack(ends), Hessian(landscape)
    seed = key_data(config.seed, "ends")
    found = curvatures(hessian, points, config.measure.steps, seed)
    size = sized(hessian.rows(points))
    gain = _predicted_decrease(
        hessian, points, size, found.extremes.values[:, 1], config.measure.steps
    )
    smallest, largest = found.extremes.values.T
    errors = found.extremes.errors[:, 0]
    columns = [found.value, size, found.gradient, gain, smallest, errors, largest]
    names = ("value", "size", "gradient", "gain", "smallest", "smallest_error", "largest")
    return [
        FinalStateRecord(model=model, **dict(zip(names, map(float, row), strict=True)))
        for model, row in zip(files, np.column_stack(columns), strict=True)
    ]


def _predicted_decrease(
    hessian: Hessian, points: trees.Params, size: np.ndarray, largest: np.ndarray, steps: int
) -> np.ndarray:
    """What the loss would fall by [n], by its gradient and Hessian: ½gᵀH⁻¹g where it bends upwards,
    by more than CLOSE of the largest eigenvalue, and ‖g‖‖θ‖ of the rest of the gradient. By Lanczos
    from the gradient, whose weights are its squared parts."""
    slopes = hessian.gradients(points)[1]
    moving = np.flatnonzero(dots(slopes, slopes))
    gain = np.zeros(len(size))
    if len(moving):
        some, along = trees.take(points, moving), slopes[moving]
        fit = lanczos_steps(hessian.parameters, along.dtype.itemsize, steps)
        ritz = lanczos(hessian.at(some), along, fit, hessian.rounding)
        square = dots(along, along)
        curved = ritz.values > CLOSE * largest[moving, None]
        newton = np.nansum(np.where(curved, ritz.weights / (2 * ritz.values), 0), axis=1)
        flat = np.nansum(np.where(curved, 0, ritz.weights), axis=1)
        gain[moving] = square * newton + np.sqrt(square * flat) * size[moving]
    return gain
