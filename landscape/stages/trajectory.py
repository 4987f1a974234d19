"""The loss on the plane of the principal axes of training: models on their way, of several runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from landscape.config.load import Config
from landscape.core import paths, trees
from landscape.core.devices import each
from landscape.core.landscape import Landscape
from landscape.measures.planes import principal_plane
from landscape.stages.build import Progress, build_landscape, check_and_cast_params, silent
from landscape.stages.initial import beginning
from landscape.stages.plane import (
    GRID,
    Span,
    asked_of,
    check_span,
    evaluate,
    is_there,
    model_at,
    settings_of,
)
from landscape.store.files import Arrays, RunError, load_arrays
from landscape.store.layout import plane_name
from landscape.store.records.planes import PlaneRecord, Trajectory
from landscape.store.run import Run

SAME: dict[
    str, Callable[[Config], object]
] = {  # what the runs of one picture have in common: one loss is drawn under all
    "task": lambda config: config.task,
    "levels.metric": lambda config: config.levels.metric,
    "levels.split": lambda config: config.levels.split,
    "compute.precision": lambda config: config.compute.precision,
}


def trajectory(
    runs: Sequence[Run],
    models: Sequence[int] = (),
    level: float | None = None,
    grid: int = GRID,
    span: Span | None = None,
    progress: Progress = silent,
) -> str:
    """Evaluate the level's metric on the plane of the principal axes of models' snapshots.

    A model's snapshots are its initialisation, where it first met each level, and where training
    ended if it met not all. The plane is through the mean of the last ones, kept in the first run.

    Args:
        runs: Of one task, metric, split and precision; their optimisers may differ.
        models: Of each run; all of them if none is given.
        level: Where the trajectories end; the first run's lowest if None.
        grid: Points a side.
        span: From and to along the first axis, then along the second; if None, all that is drawn.

    Returns: The plane's name.

    Raises:
        RunError: Models or snapshots that are not there, runs that have no loss in common,
            snapshots on a line.
        ConfigError: A mistake in a config.

    References: Li et al. 2018 (section 7).
    """
    first = runs[0]
    configs = [settings_of(run, ()) for run in runs]
    check_span(span)
    for run, config in zip(runs, configs, strict=True):
        _check(run, config, models, first, configs[0])
    at = min(configs[0].chosen_levels(None if level is None else [level]))
    name = plane_name("trajectory", models, at, [run.directory.name for run in runs])
    asked = asked_of(configs[0], "trajectory", models, at, grid, span)
    if is_there(first, name, asked):
        return name
    landscape = build_landscape(configs[0], progress)
    found = [
        (run, config, model, *_snapshots(run, config, landscape, model, at))
        for run, config in zip(runs, configs, strict=True)
        for model in models or range(config.train.models)
    ]
    everything = trees.concatenate([points for *_, points in found])
    ends = trees.stack([trees.take(points, -1) for *_, points in found])
    try:
        flat, shares = principal_plane(everything, ends)
    except ValueError as error:
        raise RunError(f"{first.directory}: {error}: more levels or models are needed") from None
    arrays, told = {}, []
    for number, (run, config, model, steps, points) in enumerate(found):
        rate = config.train.learning_rate
        at, away = flat.coordinates(points)
        losses = np.asarray(each(landscape.level)(points), np.float64)
        arrays[f"trajectory.{number}"] = np.column_stack([at, steps, losses, away])
        farthest = int(away.argmax())
        told.append(
            Trajectory(
                run=run.directory.name,
                model=model,
                optimizer=str(config.train.optimizer),
                learning_rate=rate if isinstance(rate, float) else str(rate),
                snapshots=len(steps),
                distance=float(away[farthest]),
                distance_at=steps[farthest],
                chord=paths.chord(points),
            )
        )
    record = PlaneRecord(**vars(asked), strings=[], trajectories=told, shares=shares.tolist())
    evaluate(first, name, landscape, flat, span, arrays, record, progress)
    return name


def _check(run: Run, config: Config, models: Sequence[int], first: Run, own: Config) -> None:
    if run.stage_status("train") != "done":
        raise RunError(f"{run.directory}: training is not finished; `lscape train` resumes it")
    if config.train.files:
        raise RunError(
            f"{run.directory}: train.endpoints: its models were given, not trained: they have no "
            "trajectory"
        )
    for key, part in SAME.items():
        if part(config) != part(own):
            raise RunError(
                f"{run.directory}: has another {key} than {first.directory}: one picture is of one "
                "loss"
            )
    missing = [model for model in models if not 0 <= model < config.train.models]
    if missing:
        known = f"its models are 0 to {config.train.models - 1}"
        listed = ", ".join(map(str, missing))
        raise RunError(f"{run.directory}: trajectory: no model {listed}; {known}")


def _snapshots(
    run: Run, config: Config, landscape: Landscape, model: int, level: float
) -> tuple[list[int], Arrays]:
    """Steps [n] and parameters [n, ...] of a model on its way to a level, from step 0."""
    met = {
        entry.step: entry.level
        for entry in run.models()[model].levels
        if entry.step is not None and entry.level >= level
    }
    found = {0: beginning(config, landscape, model)}
    for step in sorted(met):
        if step:
            found[step] = model_at(run, landscape, model, met[step])
    record, last = run.models()[model], run.last_file(model)
    if level not in met.values() and record.steps not in found and last.exists():
        found[record.steps] = check_and_cast_params(load_arrays(last)[0], landscape, last)
    return list(found), trees.stack(list(found.values()))
