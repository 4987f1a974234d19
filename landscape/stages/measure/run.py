"""The third stage: how long and how curved the connected strings are, and the levels around them.

Then what components and barriers need beyond the searches (stages/measure/barriers.py).

What needs the model is computed here, a file a string and a file a model, so that it resumes; the
report only reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from landscape.cluster.clusters import workers_of
from landscape.config.load import ConfigError, changes, dump_section, revised
from landscape.config.naming import measures_name, set_name
from landscape.stages.build import Progress, config_of, log, silent
from landscape.stages.context import connect_context
from landscape.stages.measure.barriers import measure_barriers, measure_snapshots, pending_barriers
from landscape.stages.measure.context import MeasureContext
from landscape.stages.measure.models import measure_models, pending_models
from landscape.stages.measure.strings import first_of_each_level, measure_strings, pending_strings
from landscape.stages.measure.tasks import hand_out
from landscape.stages.snapshots import missing
from landscape.stages.state import check_recomputed
from landscape.store.files import RunError
from landscape.store.records.measures import (
    ModelMeasure,
    OtherMeasureRecord,
    PartMeasure,
    StringMeasure,
    TopMeasure,
)
from landscape.store.records.strings import BarrierRecord, StringRecord
from landscape.store.run import Run


@dataclass(frozen=True)
class Measured:
    """What was measured at some levels.

    Attributes:
        strings: Of the strings.
        models: Of the models.
        parts: Of the subsets `measure.over` of the parameters, at each model.
        top: The `measure.top` largest eigenvalues at each model.
        also: Of the measures of `measure.also`.
        barriers: Those lowered, of models as they are, then those to aligned models.
    """

    strings: list[StringMeasure]
    models: list[ModelMeasure]
    parts: list[PartMeasure]
    top: list[TopMeasure]
    also: list[OtherMeasureRecord]
    barriers: list[BarrierRecord]


def measure(
    run: Run,
    overrides: Sequence[str] = (),
    levels: Sequence[float] | None = None,
    progress: Progress = silent,
) -> Measured:
    """Measure every CONNECTED path and every model of a run, and lower its barriers.

    Barriers are between the deepest snapshots, at no one level. If only some of the run's levels
    are asked for, they are left alone, as with `measure.barriers=false`, and none is returned. What
    is measured already is not measured again; an interrupted run resumes with the same result.

    Args:
        run: A run with paths.
        overrides: `measure.key=value` over the run's config. Other settings make other measures
            beside the first.
        levels: Some of the run's levels; None: all.
        progress: Is told how far this is.

    Returns:
        What was measured at these levels.

    Raises:
        ConfigError: The settings cannot be used.
        RunError: Nothing is connected yet, files are damaged, or another process holds the run.
        OSError: The disk is full, or the like.
    """
    for override in overrides:
        if not override.startswith(("measure.", "compute.")):
            raise ConfigError(f"--set {override}: only keys of `measure` can be changed here")
    own = config_of(run)
    config = revised(own, overrides)
    name = measures_name(config.measure)
    chosen = config.chosen_levels(levels)
    if run.stage_status("train") != "done":
        raise RunError(f"{run.directory}: training is not finished; `lscape train` resumes it")
    check_recomputed(config, "a measure")
    rows = run.rows()
    if not rows:
        raise RunError(f"{run.directory}: nothing to measure yet; `lscape connect` searches paths")
    connected = [r for r in rows if r.status == "CONNECTED" and r.level in chosen]
    if not connected:
        log.warning(f"{run.directory}: no CONNECTED strings; only the models are measured")
    unfinished = [s for s in run.sets() if run.stage_status(f"connect {s}") != "done"]
    if unfinished:
        log.warning(f"connecting is not finished ({', '.join(unfinished)}): what is there counts")
    context = MeasureContext(run, config, name, progress)
    if config.measure.also:
        _ = context.others  # a mistake is to be found before anything is measured
    if not any(part(context, connected, chosen) for part in PENDING):
        log.info(f"{run.directory}: {name} is already finished, nothing to do")
    with run.stage("measure"):
        run.update_meta(measures=name)
        run.keep_changes(name, changes(own, config, "measure"))
        settings = run.measures_directory(name) / "settings.yaml"
        run.write_settings(settings, dump_section(config.measure))
        _measure(context, connected, chosen, progress)
        measure_topology(context, connected, chosen, progress)
        strings, models = run.write_measures(name)
    return Measured(
        strings=[row for row in strings if row.level in chosen],
        models=[row for row in models if row.level in chosen],
        parts=[row for row in run.model_parts(name) if row.level in chosen],
        top=[row for row in run.top_eigenvalues(name) if row.level in chosen],
        also=[row for row in run.other_measures(name) if row.level in chosen],
        barriers=[*run.barriers(), *run.aligned_barriers()] if context.lowers(chosen) else [],
    )


def _measure(
    context: MeasureContext, connected: list[StringRecord], levels: list[float], progress: Progress
) -> None:
    """The strings and models that are not measured yet, by this process or by workers."""
    rows = pending_strings(context, connected, levels)
    models = pending_models(context, connected, levels)
    if models and context.hessian is None:
        log.warning(f"models are not measured: {context.no_hessian}")
        models = []
    if not rows and not models:
        return
    with workers_of(context.config.compute) as pool:
        if pool is not None:
            hand_out(context, pool, rows, connected, models, progress)
        else:
            first = first_of_each_level(connected, context.settings.spectrum)
            measure_strings(context, rows, first, progress)
            measure_models(context, models, progress)


# -- the topology of the whole run -----------------------------------------------------------------


def pending_topology(
    context: MeasureContext, connected: list[StringRecord], levels: list[float]
) -> bool:
    run = context.run
    return context.lowers(levels) and bool(
        any(missing(run, level) for level in levels) or pending_barriers(run)
    )


def measure_topology(
    context: MeasureContext, connected: list[StringRecord], levels: list[float], progress: Progress
) -> None:
    if pending_topology(context, connected, levels):
        config = context.config
        search = connect_context(
            context.run, config, set_name(config.connect), progress, context.landscape
        )
        measure_snapshots(search, progress)
        measure_barriers(search, progress)


# whether there is something to do: (context, connected rows, levels)
PENDING: tuple[Callable[[MeasureContext, list[StringRecord], list[float]], Any], ...] = (
    pending_strings,
    pending_models,
    pending_topology,
)
