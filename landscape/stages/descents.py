"""Models on their way down through the levels, in this process."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from landscape.config.load import Config
from landscape.core import trees
from landscape.core.devices import Each, each
from landscape.core.keys import key_data
from landscape.core.landscape import Landscape
from landscape.search.descend import Descender, DescentState
from landscape.search.training import Met, Training
from landscape.stages.build import Progress, log
from landscape.stages.checkpoints import Checkpoints, Due, KeptTraining, descent_of, kept
from landscape.stages.initial import initial
from landscape.stages.met import keep_end, model_record
from landscape.stages.optimizer import build_optimizer
from landscape.stages.twins import keep_twin
from landscape.store.files import save_arrays
from landscape.store.records.base import as_dict
from landscape.store.records.models import Line, ModelRecord
from landscape.store.run import Run

SAME_VALUE = 1e-4  # relative, of one loss by two programs

Tell = Callable[[Sequence[Line]], None]


@dataclass(frozen=True)
class TrainContext:
    """What all trainings of a run share; trained: the landscape that is descended."""

    run: Run
    config: Config
    landscape: Landscape
    trained: Landscape

    @functools.cached_property
    def descender(self) -> Descender:
        settings = self.config.train
        return Descender(
            self.trained,
            build_optimizer(self.config, self.landscape),
            settings.check_every,
            settings.max_steps,
            ema=settings.ema,
        )

    @functools.cached_property
    def level_of(self) -> Each:
        return each(self.landscape.level)


def descend(
    context: TrainContext, numbers: Sequence[int], tell: Tell, progress: Progress
) -> list[ModelRecord]:
    """Train the models of these numbers to their ends, from where they were kept last.

    Models do not depend on one another, so each has a checkpoint of its own, and any of them may
    go on beside any others.

    Args:
        context: Of the run.
        numbers: Of the models; with `train.permute` each is followed by its twin.
        tell: Is given the lines of the history.
        progress: Is told how far this is.

    Returns:
        A record a model, with those of twins.
    """
    config, run = context.config, context.run
    levels, max_steps = config.levels.values, config.train.max_steps
    training = _started(context, numbers)
    due, at_steps = Due(), training.state.step.copy()
    shown = np.full(len(numbers), -1)
    while True:
        for new in training.newly_met():
            value = _measured(context, numbers[new.model], new)
            if training.confirm(new, value):
                keep_end(run, numbers[new.model], new.level, new.params, new.step, value)
        state, going = training.state, training.going
        tell(
            [
                Line(model=model, step=int(state.step[m]), value=float(state.value[m]))
                for m, model in enumerate(numbers)
                if state.step[m] != shown[m] and np.isfinite(state.value[m])
            ]
        )
        shown = state.step.copy()
        progress(
            "training",
            float(np.where(going, state.step, max_steps).sum()),
            len(numbers) * max_steps,
            levels=f"{sum(map(len, training.met))}/{len(numbers) * len(levels)}",
            worst=float(np.max(state.value)),
        )
        if not going.any():
            break
        if due.passed:
            with due.writing():
                _keep(run, numbers, training, np.flatnonzero(state.step != at_steps))
            at_steps = state.step.copy()
        training.advance()
    return [
        record
        for m, model in enumerate(numbers)
        for record in _ended(context, model, training.state, m, training.met[m])
    ]


def _started(context: TrainContext, numbers: Sequence[int]) -> Training:
    """Some models where they were kept last, the others before any training."""
    config, descender, levels = context.config, context.descender, context.config.levels.values
    before = {
        model: found
        for model in numbers
        if (found := kept(Checkpoints(context.run.training_file(model)), KeptTraining))
    }
    fresh = [model for model in numbers if model not in before]
    states = [descent_of(one.descent) for one in before.values()]
    if fresh:
        keys = np.stack([key_data(config.seed, "train", model) for model in fresh])
        targets = np.full(len(fresh), levels[0])
        states.append(descender.start(initial(config, context.landscape, fresh), keys, targets))
    state = states[0]
    if len(states) > 1:
        whole = trees.concatenate([state.arrays() for state in states])
        state = DescentState(**trees.take(whole, np.argsort([*before, *fresh])))
    met = {
        model: {level: (step, value) for level, step, value in one.met}
        for model, one in before.items()
    }
    return Training(descender, levels, state, [met.get(model, {}) for model in numbers])


def _measured(context: TrainContext, model: int, new: Met) -> float:
    """The level's value where a model has met it."""
    # in a loop on two CPU devices at once XLA has given a loss that is 1 % too high
    value = float(context.level_of(trees.stack([new.params]))[0])
    if abs(value - new.value) > SAME_VALUE * abs(value):
        log.warning(
            f"model {model}, step {new.step}: {context.config.levels.metric} was "
            f"{new.value:.6g} in training and is {value:.6g}; the latter is kept"
        )
    return value


def _keep(run: Run, numbers: Sequence[int], training: Training, which: np.ndarray) -> None:
    """Keep some of the models as they are."""
    state = training.state.settled()
    for m in which:
        met = [[level, *at] for level, at in training.met[m].items()]
        data = {"descent": state.take(np.array([m])).arrays(), "met": met}
        Checkpoints(run.training_file(numbers[m])).keep(lambda data=data: data, now=True)


def _ended(
    context: TrainContext,
    model: int,
    descent: DescentState,
    place: int,
    met: dict[float, tuple[int, float]],
) -> list[ModelRecord]:
    """The records of a model, at a place of a descent, and of its twin."""
    config, run, levels = context.config, context.run, context.config.levels.values
    steps, value = int(descent.step[place]), float(descent.value[place])
    if len(met) < len(levels) and np.isfinite(value):
        last = Line(model=model, step=steps, value=value)
        save_arrays(run.last_file(model), context.descender.judged(descent, place), as_dict(last))
    records = [model_record(model, steps, value, met, levels)]
    if config.train.permute:
        twins = keep_twin(run, config, context.landscape, model, met)
        records.append(model_record(model + 1, steps, value, twins, levels))
    return records
