"""The first stage: independent models, and their parameters where each first meets a level."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from landscape.cluster.clusters import workers_of
from landscape.config.load import Config, dump_config, run_name
from landscape.core import trees
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
from landscape.stages.endpoints import check_endpoints
from landscape.stages.given import (
    Standing,
    comparisons,
    given_records,
    levels_met,
    measured,
)
from landscape.stages.initial import initial_values
from landscape.stages.inputs import check_means, check_start
from landscape.stages.met import keep_end, missed
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
    check_endpoints(config, landscape)  # mistakes are to be found first, those in files before all
    bead_optimizer(config, landscape)
    check_hypotheses(config, landscape)
    check_means(config, landscape)
    if not config.train.files:
        check_differentiable(config, trained)
        values = initial_values(config, landscape, range(config.train.models))
        early = check_start(config, landscape, values)
        if early:
            log.warning(early)
    against = comparisons(config, landscape)
    for given in against.values():
        log.info(given.said(config.levels.metric))
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
            records = _measure(run, config, landscape, against, progress)
        else:
            records = _descend(TrainContext(run, config, landscape, trained), progress)
        for said in missed(records, config):
            log.warning(said)
        run.write_models(sorted(records, key=lambda record: record.model))
        run.drop_training()
    return run


def _measure(
    run: Run,
    config: Config,
    landscape: Landscape,
    against: Mapping[str, Given],
    progress: Progress,
) -> list[ModelRecord]:
    """Keep networks trained elsewhere where they first meet a level."""
    files, levels = config.train.files, config.levels.values
    seen: list[Standing] = []
    worst = -np.inf
    for one, params in measured(config, landscape):
        model, step, value = one
        if len(files[model]) > 1 and np.isfinite(value):
            run.append_history([Line(model=model, step=step, value=value)])
        seen.append(one)
        for level, at in levels_met([s for s in seen if s.model == model], levels).items():
            if at == (step, value):
                keep_end(run, model, level, params, step, value)
        worst = max(worst, value)
        progress("measuring", len(seen), sum(map(len, files)), worst=worst)
    return given_records(config, seen, against)


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
