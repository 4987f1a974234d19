"""What a run would take, measured on a few steps and written nowhere."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from landscape.config.load import Config, ConfigError, SweepConfig, run_name
from landscape.config.sections import combination_name, pair_list
from landscape.core import devices, memory, trees
from landscape.core.certificate import segment_evaluator
from landscape.core.devices import each
from landscape.core.keys import key_data
from landscape.measures.planes import Plane, row_evaluator
from landscape.search.descend import Descender
from landscape.stages.build import (
    Progress,
    as_trained,
    bead_optimizer,
    build_beads,
    build_landscape,
    build_task,
    check_hypotheses,
    silent,
)
from landscape.stages.context import group_size
from landscape.stages.endpoints import check_endpoints
from landscape.stages.inputs import check_start
from landscape.stages.optimizer import build_optimizer
from landscape.stages.plane import GRID

TYPICAL_GRADIENTS = 2_000  # a pair at a level: quadratics need 1,000 at .1 and 17,000 at .01
TYPICAL_BEADS = 16
STEPS = 40


def check(config: Config, progress: Progress = silent) -> dict[str, Any]:
    """Build the task, time training steps and a segment's profile, and scale them up.

    Args:
        config: What would be run.
        progress: Is told how far this is.

    Returns:
        {task, parameters, models, pairs, levels, device, optimizer (the beads'), step_seconds and
        bead_seconds (a gradient step of one model or bead, all devices busy), profile_seconds (a
        segment), plane_seconds (the loss on GRID × GRID points), train_seconds (at most: every
        model spends its budget), connect_seconds (at TYPICAL_GRADIENTS and TYPICAL_BEADS a pair and
        level), memory_bytes, disk_bytes, notes}.

    Raises:
        ConfigError: The config cannot be run.
    """
    progress("measuring", 0, 5)
    task = build_task(config, progress)
    landscape = build_landscape(config, progress, task)
    models, train, connect = config.train.models, config.train, config.connect
    tree = connect.pairs == "tree"
    pairs = models - 1 if tree else len(pair_list(connect.pairs, models))
    levels = list(config.levels.values)
    by = bead_optimizer(config, landscape)
    check_hypotheses(config, landscape)
    check_endpoints(config, landscape)
    progress("measuring", 1, 5)

    together = min(max(models, 2), 2 * devices.TINY_MODELS)
    seeds = np.stack([key_data(config.seed, "init", model) for model in range(together)])
    params = each(lambda key: landscape.init(jax.random.wrap_key_data(key)))(seeds)
    early = "" if config.train.files else check_start(config, landscape, params)
    optimizer = build_optimizer(config, landscape)
    most = STEPS * train.check_every
    trained = Descender(as_trained(config, task), optimizer, train.check_every, most, ema=train.ema)
    step_seconds, kept = _step(trained, params, seeds)
    progress("measuring", 2, 5)
    few = replace(config, connect=connect.model_copy(update={"max_steps_per_bead": STEPS}))
    bead_seconds, kept_of_bead = _step(build_beads(few, landscape, by)(None), params, seeds)
    progress("measuring", 3, 5)

    peaks = segment_evaluator(landscape, connect.grid)
    ends = trees.take(params, slice(0, 2)), trees.take(params, np.array([1, 0]))
    peaks(*ends, levels[0])
    began = time.perf_counter()
    peaks(*ends, levels[0])
    profile_seconds = (time.perf_counter() - began) / 2
    progress("measuring", 4, 5)

    levels_of = row_evaluator(landscape, Plane(*(trees.take(params, n) for n in (0, 1, 1))))
    row = np.zeros((GRID, 2))
    levels_of(row)  # compiles
    began = time.perf_counter()
    levels_of(row)
    plane_seconds = GRID * (time.perf_counter() - began)
    progress("measuring", 5, 5)

    given = bool(config.train.files)
    sets = connect.searches
    searches = pairs * len(levels) * sum(one.finder.searches for one in sets)
    scalar = 8 if config.compute.precision == "float64" else 4
    size = trees.size(landscape.shapes)
    bead = size * scalar + kept_of_bead
    strings = min(group_size(size, config), pairs) * connect.finder.max_beads * bead
    memory_bytes = models * (size * scalar + kept) + strings
    return {
        "task": config.task.name or config.task.factory,
        "parameters": size,
        "models": models,
        "pairs": pairs,
        "levels": levels,
        "device": devices.device_description(),
        "optimizer": by,
        "step_seconds": step_seconds,
        "bead_seconds": bead_seconds,
        "profile_seconds": profile_seconds,
        "plane_seconds": plane_seconds,
        "train_seconds": 0.0 if given else step_seconds * models * train.max_steps,
        "connect_seconds": searches * TYPICAL_GRADIENTS * bead_seconds
        + len(sets) * pairs * len(levels) * 2 * (TYPICAL_BEADS - 1) * profile_seconds,
        "memory_bytes": memory_bytes,
        "disk_bytes": (models + len(sets) * pairs * TYPICAL_BEADS) * len(levels) * size * scalar,
        "notes": [
            *filter(None, [early, _too_much(memory_bytes)]),
            f"training time is at most: every model spends its {train.max_steps} steps",
            f"connecting time and disk suppose {TYPICAL_GRADIENTS} gradients and {TYPICAL_BEADS} "
            "beads a pair and level of each method; low levels can take ten times that",
            f"a plane is of {GRID} × {GRID} points, without compiling; `--grid N` takes "
            f"(N/{GRID})² of its time",
            "memory is at most: every string of a group at its longest; data not counted",
        ],
    }


def check_sweep(config: SweepConfig, progress: Progress = silent) -> list[dict[str, Any]]:
    """`check` of every combination, with its `values` and its `run`, the name of its directory.

    What several combinations train together is counted once, at the first. Raises ConfigError with
    the problems of all, naming the combinations that have them.
    """
    found, problems, trained = [], [], set()
    for number, (values, own) in enumerate(config.runs):
        said = combination_name(values)
        progress(f"checking {said}", number, len(config.runs))
        try:
            facts = check(own)
        except ConfigError as error:
            problems += [f"{said}: {problem}" for problem in error.problems]
            continue
        name = run_name(own)
        if name in trained:
            facts["train_seconds"] = 0.0
        trained.add(name)
        found.append({"values": values, "run": name, **facts})
    if problems:
        raise ConfigError(*problems)
    return found


def _too_much(memory_bytes: int) -> str:
    """A note where there is less memory than may be needed."""
    there = memory.free()
    if there is None or memory_bytes <= there:
        return ""
    return (
        f"memory may run out: parameters, optimisers and paths take up to "
        f"{memory_bytes / 1e9:.3g} GB, "
        f"{there / 1e9:.3g} GB are free; {memory.ADVICE}"
    )


def _step(descender: Descender, params: trees.Params, seeds: np.ndarray) -> tuple[float, int]:
    """Seconds a step of one model, and the bytes that its optimiser keeps."""
    models = len(seeds)
    descent = descender.start(params, seeds, np.full(models, -np.inf))
    descender.advance(descent)  # compiles
    began = time.perf_counter()
    after = descender.advance(descent)
    seconds = (time.perf_counter() - began) / max(1, int(after.step.sum()))
    return seconds, sum(np.asarray(leaf).nbytes for leaf in descent.memory) // models
