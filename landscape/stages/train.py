"""The first stage: independent models, and their parameters where each first meets a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from landscape.config.load import Config, dump_config, run_name
from landscape.core import trees
from landscape.core.devices import each
from landscape.core.keys import key_data
from landscape.core.landscape import Landscape
from landscape.core.permute import permuted
from landscape.search.descend import Descender
from landscape.search.training import Training
from landscape.stages.build import (
    Progress,
    as_trained,
    bead_optimizer,
    build_landscape,
    build_task,
    check_and_cast_params,
    check_differentiable,
    check_hypotheses,
    log,
    silent,
    surroundings,
)
from landscape.stages.checkpoints import Checkpoints, KeptTraining, Plain, descent_of, kept
from landscape.stages.endpoints import check_endpoints, read_endpoint
from landscape.stages.inputs import check_start
from landscape.stages.optimizer import build_optimizer
from landscape.stages.state import compared, parameters_of
from landscape.store.files import load_arrays, save_arrays
from landscape.store.records.base import as_dict
from landscape.store.records.models import EndPoint, Given, Line, Met, ModelRecord, why_missed
from landscape.store.records.runs import StateRecord
from landscape.store.run import Run, create_run, open_run

DRAWS = 4  # random points at which a network is compared with its permuted twin
SAME = 2e-3  # relative: rounding may turn one sample of an error rate
SAME_VALUE = 1e-4  # relative, of one loss by two programs


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
    if directory.exists():
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
        early = check_start(
            config, landscape, initial(config, landscape, range(config.train.models))
        )
        if early:
            log.warning(early)
    check_endpoints(config, landscape)
    comparisons = _compared(config, landscape)
    if config.train.permute:
        _check_permutation(config, landscape)
    about = surroundings()
    log.info(f"device: {about['device']}")
    if not directory.exists():
        sizes = {"parameters": trees.size(landscape.shapes), "models": config.train.models}
        if state := landscape.state:
            about["state"] = StateRecord(policy=state.policy, samples=state.samples)
        create_run(directory, dump_config(config), {**about, **sizes})
    run = open_run(directory)
    with run.stage("train"):
        if config.train.files:
            _measure(run, config, landscape, comparisons, progress)
        else:
            _descend(run, config, landscape, trained, progress)
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
) -> None:
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
                    _keep_end(run, model, level, params, step, value)
            done, worst = done + 1, max(worst, value)
            progress("measuring", done, total, worst=worst)
        record = _record(model, len(files) - 1, value, met, config)
        records.append(replace(record, given=comparisons.get(files[-1]) if files else None))
    run.write_models(records)


def _descend(
    run: Run, config: Config, landscape: Landscape, trained: Landscape, progress: Progress
) -> None:
    settings, levels = config.train, config.levels.values
    optimizer = build_optimizer(config, landscape)
    descender = Descender(
        trained, optimizer, settings.check_every, settings.max_steps, ema=settings.ema
    )
    checkpoints = Checkpoints(run.checkpoint_file)
    before = kept(checkpoints, KeptTraining)
    numbers = list(range(0, settings.models, 2 if settings.permute else 1))
    if before is None:
        params = initial(config, landscape, numbers)
        keys = [key_data(config.seed, "train", model) for model in numbers]
        state = descender.start(params, np.stack(keys), np.full(len(keys), levels[0]))
        training = Training(descender, levels, state)
    else:
        met = [{level: (step, value) for level, step, value in model} for model in before.met]
        training = Training(descender, levels, descent_of(before.descent), met)

    def kept_state() -> Plain:
        flat = [[[level, *at] for level, at in model.items()] for model in training.met]
        return {"descent": training.state.settled().arrays(), "met": flat}

    level_of = each(landscape.level)
    total = len(numbers) * settings.max_steps
    shown = np.full(len(numbers), -1)
    while True:
        for new in training.newly_met():
            # in a loop on two CPU devices at once XLA has given a loss that is 1 % too high
            value = float(level_of(trees.stack([new.params]))[0])
            if abs(value - new.value) > SAME_VALUE * abs(value):
                log.warning(
                    f"model {numbers[new.model]}, step {new.step}: {config.levels.metric} was "
                    f"{new.value:.6g} in training and is {value:.6g}; the latter is kept"
                )
            if not training.confirm(new, value):
                continue
            _keep_end(run, numbers[new.model], new.level, new.params, new.step, value)
        state = training.state
        changed = np.flatnonzero(state.step != shown)
        run.append_history(
            [
                Line(model=numbers[m], step=int(state.step[m]), value=float(state.value[m]))
                for m in changed
                if np.isfinite(state.value[m])
            ]
        )
        shown = state.step.copy()
        going = training.going
        spent = np.where(going, state.step, settings.max_steps)
        progress(
            "training",
            float(spent.sum()),
            total,
            levels=f"{sum(map(len, training.met))}/{len(numbers) * len(levels)}",
            worst=float(np.max(state.value)),
        )
        if not going.any():
            break
        checkpoints.keep(kept_state)
        training.advance()
    descent, met = training.state, training.met
    records = []
    for m, model in enumerate(numbers):
        steps, value = int(descent.step[m]), float(descent.value[m])
        if len(met[m]) < len(levels) and np.isfinite(value):
            last = Line(model=model, step=steps, value=value)
            save_arrays(run.last_file(model), descender.judged(descent, m), as_dict(last))
        records.append(_record(model, steps, value, met[m], config))
        if settings.permute:
            twin = _keep_twin(run, config, landscape, model, met[m])
            records.append(_record(model + 1, steps, value, twin, config))
    run.write_models(records)
    checkpoints.drop()


def initial(config: Config, landscape: Landscape, numbers: Sequence[int]) -> dict[str, Any]:
    """The models of these numbers as they are before training, named arrays [n, ...]."""
    seeds = np.stack([key_data(config.seed, "init", model) for model in numbers])
    return each(lambda key: landscape.init(jax.random.wrap_key_data(key)))(seeds)


def beginning(config: Config, landscape: Landscape, model: int) -> dict[str, Any]:
    """One model as it is before training."""
    twin = config.train.permute is not None and model % 2 == 1
    params = trees.take(initial(config, landscape, [model - twin]), 0)
    return _twin(params, config) if twin else params


def _twin(params: trees.Params, config: Config) -> dict[str, Any]:
    permute = config.train.permute
    assert permute is not None
    try:
        return permuted(params, permute.units, permute.axes)
    except ValueError as error:
        raise config.problem("train.permute.axes", str(error)) from None


def _check_permutation(config: Config, landscape: Landscape) -> None:
    """A network and its twin must be the same function, or `axes` are not one layer's units.

    Judged at random points: at an initialisation some arrays, such as biases, are all alike.
    """
    start = trees.take(initial(config, landscape, [0]), 0)
    drawn = [np.random.default_rng(key_data("permute", draw)) for draw in range(DRAWS)]
    tried: list[dict[str, Any]] = [
        {
            name: (leaf + rng.normal(size=leaf.shape)).astype(leaf.dtype)
            for name, leaf in start.items()
        }
        for rng in drawn
    ]
    level = each(landscape.level)
    values = level(trees.stack(tried))
    twins = level(trees.stack([_twin(params, config) for params in tried]))
    worst = np.abs(values - twins).argmax()
    if not np.allclose(values, twins, rtol=SAME):
        raise config.problem(
            "train.permute.axes",
            f"the permuted network is another function ({config.levels.metric} "
            f"{twins[worst]:.6g}, was {values[worst]:.6g}, at random parameters): name the units' "
            "axis of every array that has them",
        )


def _keep_twin(
    run: Run,
    config: Config,
    landscape: Landscape,
    model: int,
    met: dict[float, tuple[int, float]],
) -> dict[float, tuple[int, float]]:
    """The permuted twins of a model's snapshots, measured; a level that rounding lifts one above
    is left out."""
    twins = {}
    level_of = each(landscape.level)
    for level, (step, _) in met.items():
        path = run.model_file(model, level)
        params = _twin(check_and_cast_params(load_arrays(path)[0], landscape, path), config)
        value = float(level_of(trees.stack([params]))[0])
        if value <= level:
            twins[level] = (step, value)
            _keep_end(run, model + 1, level, params, step, value)
    return twins


def _keep_end(
    run: Run, model: int, level: float, params: dict[str, np.ndarray], step: int, value: float
) -> None:
    record = EndPoint(model=model, level=level, step=step, value=value)
    save_arrays(run.model_file(model, level), params, as_dict(record))


def _record(
    model: int, steps: int, value: float, met: dict[float, tuple[int, float]], config: Config
) -> ModelRecord:
    """A model's line in models.json, with a warning for what it did not reach."""
    levels = []
    for level in config.levels.values:
        step, at = met.get(level, (None, None))
        status = "REACHED" if level in met else "LEVEL_NOT_REACHED"
        levels.append(Met(level=level, status=status, step=step, value=at))
    finite = bool(np.isfinite(value))
    missed = [level for level in config.levels.values if level not in met]
    if missed:
        levels_missed = ", ".join(map(str, missed))
        why = why_missed(steps, value if finite else None)
        log.warning(f"model {model} did not reach {levels_missed} ({why})")
    return ModelRecord(
        model=model,
        status="TRAINED" if finite else "NON_FINITE",
        steps=steps,
        value=value if finite else None,
        levels=levels,
    )
