"""What a run would take, measured on a few steps and written nowhere."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from typing import Any

import numpy as np

from landscape.config.load import Config, ConfigError, SweepConfig, run_name
from landscape.config.sections import combination_name, pair_list
from landscape.core import devices, large, memory, trees
from landscape.core.certificate import segment_evaluator
from landscape.core.keys import key_data
from landscape.core.principal import principal
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
from landscape.stages.endpoints import check_endpoints
from landscape.stages.footprint import footprint
from landscape.stages.given import comparisons, given_records, measured
from landscape.stages.initial import initial, initial_values
from landscape.stages.inputs import check_means, check_start
from landscape.stages.met import missed
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
        {task, parameters, models, pairs, levels, given (where networks trained elsewhere stand:
        the records that their run would have), device, optimizer (the beads'), step_seconds and
        bead_seconds (a gradient step of one model or bead, all devices busy), profile_seconds (a
        segment), plane_seconds (the loss on GRID × GRID points), train_seconds (at most: every
        model spends its budget), connect_seconds (at TYPICAL_GRADIENTS and TYPICAL_BEADS a pair and
        level), memory_bytes (of the process, at most), of which train_memory_bytes and
        connect_memory_bytes are a stage's, disk_bytes, notes}.

    Raises:
        ConfigError: The config cannot be run.
    """
    with large.files_from(tempfile.TemporaryFile):
        return _checked(config, progress)


def _checked(config: Config, progress: Progress) -> dict[str, Any]:
    progress("measuring", 0, 5)
    task = build_task(config, progress)
    landscape = build_landscape(config, progress, task)
    models, train, connect = config.train.models, config.train, config.connect
    tree = connect.pairs == "tree"
    pairs = models - 1 if tree else len(pair_list(connect.pairs, models))
    levels = list(config.levels.values)
    check_endpoints(config, landscape)
    by = bead_optimizer(config, landscape)
    check_hypotheses(config, landscape)
    check_means(config, landscape)
    seen = [one for one, _ in measured(config, landscape)]
    given = given_records(config, seen, comparisons(config, landscape))
    progress("measuring", 1, 5)

    before = memory.resident()
    optimizer = build_optimizer(config, landscape)
    most = STEPS * train.check_every
    trained = Descender(as_trained(config, task), optimizer, train.check_every, most, ema=train.ema)
    of_model = trained.takes(min(models, 2 * devices.TINY_MODELS))
    together = max(2, of_model.together)
    early = ""
    if not config.train.files:
        early = check_start(config, landscape, initial_values(config, landscape, range(together)))
    params = initial(config, landscape, range(together))
    step_seconds = _step(trained, params, of_model.together)
    large.release()
    for_training = memory.resident()
    progress("measuring", 2, 5)
    few = replace(config, connect=connect.model_copy(update={"max_steps_per_bead": STEPS}))
    bead = build_beads(few, landscape, by)(None)
    of_bead = bead.takes(of_model.together)
    bead_seconds = _step(bead, params, of_bead.together)
    progress("measuring", 3, 5)

    peaks = segment_evaluator(landscape, connect.grid)
    ends = trees.take(params, slice(0, -1)), trees.take(params, slice(1, None))
    peaks(*ends, -np.inf, only_below=True)  # compiles
    began = time.perf_counter()
    peaks(*ends, levels[0])
    profile_seconds = (time.perf_counter() - began) / (together - 1)
    principal(params, 1)  # as at a search's end, for the memory of linear algebra
    large.release()
    for_connecting = memory.resident()
    progress("measuring", 4, 5)

    levels_of = row_evaluator(landscape, Plane(*(trees.take(params, n) for n in (0, 1, 1))))
    row = np.zeros((min(GRID, together**2), 2))
    levels_of(row)  # compiles
    began = time.perf_counter()
    levels_of(row)
    plane_seconds = GRID**2 / len(row) * (time.perf_counter() - began)
    taken = footprint(config, landscape, of_model, of_bead, by, peaks, pairs)
    in_training, in_connecting = taken.train + for_training, taken.connect + for_connecting
    progress("measuring", 5, 5)

    sets = connect.searches
    searches = pairs * len(levels) * sum(one.finder.searches for one in sets)
    scalar = 8 if config.compute.precision == "float64" else 4
    size = trees.size(landscape.shapes)
    memory_bytes = max(in_training, in_connecting)
    return {
        "task": config.task.name or config.task.factory,
        "parameters": size,
        "models": models,
        "pairs": pairs,
        "levels": levels,
        "given": given,
        "device": devices.device_description(),
        "optimizer": by,
        "step_seconds": step_seconds,
        "bead_seconds": bead_seconds,
        "profile_seconds": profile_seconds,
        "plane_seconds": plane_seconds,
        "train_seconds": 0.0 if train.files else step_seconds * models * train.max_steps,
        "connect_seconds": searches * TYPICAL_GRADIENTS * bead_seconds
        + len(sets) * pairs * len(levels) * 2 * (TYPICAL_BEADS - 1) * profile_seconds,
        "memory_bytes": memory_bytes,
        "train_memory_bytes": in_training,
        "connect_memory_bytes": in_connecting,
        "disk_bytes": (models + len(sets) * pairs * TYPICAL_BEADS) * len(levels) * size * scalar,
        "notes": [
            *(missed(given, config) if given else []),
            *filter(None, [early, _too_much(memory_bytes, before)]),
            f"training time is at most: every model spends its {train.max_steps} steps",
            f"connecting time and disk suppose {TYPICAL_GRADIENTS} gradients and {TYPICAL_BEADS} "
            "beads a pair and level of each method; low levels can take ten times that",
            f"a plane is of {GRID} × {GRID} points, without compiling; `--grid N` takes "
            f"(N/{GRID})² of its time",
            "memory is at most: every string of a group at its longest, as far as it is in memory",
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


def _too_much(memory_bytes: int, base: int) -> str:
    """A note where there is less memory than may be needed, of which this process has a base."""
    there = memory.free()
    if there is None or memory_bytes <= there + base:
        return ""
    return (
        f"memory may run out: parameters, optimisers and paths take up to "
        f"{memory_bytes / 1e9:.3g} GB, "
        f"{there / 1e9:.3g} GB are free; {memory.ADVICE}"
    )


def _step(descender: Descender, params: trees.Params, models: int) -> float:
    """Seconds a step of one model, of so many together."""
    some = trees.take(params, slice(0, models))
    keys = np.stack([key_data("check", model) for model in range(trees.count(some))])
    descent = descender.start(some, keys, np.full(len(keys), -np.inf))
    descender.advance(descent)  # compiles
    began = time.perf_counter()
    after = descender.advance(descent)
    return (time.perf_counter() - began) / max(1, int(after.step.sum()))
