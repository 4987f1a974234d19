"""The first stage: independent models, and their parameters where each first meets a level."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from landscape.cluster.clusters import workers_of
from landscape.config.load import Config, dump_config, run_name
from landscape.core import trees
from landscape.core.devices import each
from landscape.core.landscape import Landscape
from landscape.stages.build import (
    Progress,
    as_trained,
    bead_optimizer,
    build_landscape,
    build_task,
    check_differentiable,
    check_hypotheses,
    log,
    silent,
    surroundings,
)
from landscape.stages.descents import TrainContext, descend
from landscape.stages.endpoints import check_endpoints, read_endpoint
from landscape.stages.initial import initial_values
from landscape.stages.inputs import check_start
from landscape.stages.met import keep_end, model_record, say_missed
from landscape.stages.state import compared, parameters_of
from landscape.stages.train_tasks import hand_out
from landscape.stages.twins import check_permutation
from landscape.store.records.models import Given, Line, ModelRecord
from landscape.store.records.runs import StateRecord
from landscape.store.run import Run, create_run, is_new, open_run


def train(config: Config, runs_dir: str | Path = "runs", progress: Progress = silent) -> Run:
    """Train config.train.models models, or take the given end points, into a run directory.

    Every model descends until it has met the lowest level or spent its steps. At each level its
    parameters are kept from the first check at which it is at or below it. A finished run is
    returned as it is; an unfinished one is resumed with the same result.

    Args:
        config: What to train.
        runs_dir: Where run directories are.
        progress: Is told how far this is.

    Returns:
        The run.

    Raises:
        ConfigError: The config cannot be run.
        DataError: Files of data are missing or damaged.
        RunError: Another process holds the run, or files are damaged.
        OSError: The disk is full, or the like.
    """
    directory = Path(runs_dir) / run_name(config)
    new = is_new(directory)
    if not new:
        run = open_run(directory)
        if run.stage_status("train") == "done":
            log.info(f"{directory}: training is already finished, nothing to do")
            return run
    task = build_task(config, progress)
    landscape = build_landscape(config, progress, task)
    trained = as_trained(config, task)
    bead_optimizer(config, landscape)  # a mistake is to be found before anything is trained
    check_hypotheses(config, landscape)
    if not config.train.files:
        check_differentiable(config, trained)
        values = initial_values(config, landscape, range(config.train.models))
        early = check_start(config, landscape, values)
        if early:
            log.warning(early)
    check_endpoints(config, landscape)
    comparisons = _compared(config, landscape)
    if config.train.permute:
        check_permutation(config, landscape)
    about = surroundings()
    log.info(f"device: {about['device']}")
    if new:
        sizes = {"parameters": trees.size(landscape.shapes), "models": config.train.models}
        if state := landscape.state:
            about["state"] = StateRecord(policy=state.policy, samples=state.samples)
        create_run(directory, dump_config(config), {**about, **sizes})
    run = open_run(directory)
    with run.stage("train"):
        if run.is_trained():
            return run  # by another process, since this one looked
        if config.train.files:
            records = _measure(run, config, landscape, comparisons, progress)
        else:
            records = _descend(TrainContext(run, config, landscape, trained), progress)
        say_missed(records)
        run.write_models(sorted(records, key=lambda record: record.model))
        run.drop_training()
    return run


def _compared(config: Config, landscape: Landscape) -> dict[str, Given]:
    """The last check point of each network trained elsewhere, by its file, as it is there."""
    if landscape.state is None and landscape.origin is None:
        return {}
    last = [files[-1] for files in config.train.files]
    return compared(
        config, landscape, {path: read_endpoint(path, config, landscape) for path in last}
    )


def _measure(
    run: Run,
    config: Config,
    landscape: Landscape,
    comparisons: dict[str, Given],
    progress: Progress,
) -> list[ModelRecord]:
    """Models trained elsewhere stand at every level that they are below; of several check points of
    one, the first that is. Its step is the check point's number."""
    networks, levels = config.train.files, config.levels.values
    level_of, records = each(landscape.level), []
    total, done, worst = sum(map(len, networks)), 0, -np.inf
    for model, files in enumerate(networks):
        met: dict[float, tuple[int, float]] = {}
        value = np.nan
        for step, path in enumerate(files):
            params = parameters_of(read_endpoint(path, config, landscape), landscape)
            value = float(level_of(trees.stack([params]))[0])
            if len(files) > 1 and np.isfinite(value):
                run.append_history([Line(model=model, step=step, value=value)])
            for level in levels:
                if value <= level and level not in met:
                    met[level] = (step, value)
                    keep_end(run, model, level, params, step, value)
            done, worst = done + 1, max(worst, value)
            progress("measuring", done, total, worst=worst)
        record = model_record(model, len(files) - 1, value, met, levels)
        records.append(replace(record, given=comparisons.get(files[-1]) if files else None))
    return records


def _descend(context: TrainContext, progress: Progress) -> list[ModelRecord]:
    """Train the models that are not trained, in this process or by workers."""
    run, settings = context.run, context.config.train
    numbers = range(0, settings.models, 2 if settings.permute else 1)
    for model in numbers:
        run.take_task_history(model)  # of one that was cut off
    before = run.trained()
    ended = {record.model for record in before}
    todo = [model for model in numbers if model not in ended]
    if not todo:
        return before
    with workers_of(context.config.compute) as pool:
        if pool is None:
            return before + descend(context, todo, run.append_history, progress)
        return before + hand_out(context, pool, todo, progress)
