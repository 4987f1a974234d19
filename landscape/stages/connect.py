"""The second stage: a path below the level for every pair and level, and its verdict."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from landscape.cluster.clusters import shared_workers, workers_of
from landscape.config.load import Config, changes, dump_section, revised
from landscape.config.naming import set_name
from landscape.config.optax_section import BeadOptimizer
from landscape.config.sections import Compute, pair_list
from landscape.stages.build import Progress, config_of, log, silent
from landscape.stages.context import connect_context
from landscape.stages.levels import links, search_levels
from landscape.stages.pair_tasks import hand_out
from landscape.stages.rows import RunRows
from landscape.stages.start_path import given_paths
from landscape.stages.state import check_paths
from landscape.stages.tree import connect_tree, tree_is_complete
from landscape.store.files import RunError
from landscape.store.records.strings import StringRecord, TreeRecord
from landscape.store.run import Run
from landscape.store.temporary import remove_leftovers


def connect(
    run: Run,
    overrides: Sequence[str] = (),
    levels: Sequence[float] | None = None,
    progress: Progress = silent,
) -> list[StringRecord]:
    """Search a path for every pair and level of a trained run, by its method and by each of
    `connect.also`; with `connect.align`, both to the second model permuted and as it is.

    Rows that are there already are not searched again. An unfinished search is resumed with the
    same result.

    Args:
        run: A run that has been trained.
        overrides: `connect.key=value` over the run's config. Other settings are another set of rows
            beside the first (those of `compute` are not).
        levels: Some of the run's levels; None: all.
        progress: Is told how far this is.

    Returns:
        The rows asked for, those of the config's method first; with `pairs: tree`, those there are
        (`Run.tree` has why there are no more).

    Raises:
        ConfigError: The settings cannot be used.
        RunError: Training is not finished, files are damaged, the task no longer gives the recorded
            losses, or another process holds the run.
        OSError: The disk is full, or the like.
    """
    config = revised(config_of(run), overrides)
    searches = config.connect.searches
    with shared_workers():
        return [
            row
            for search in searches
            for row in _connect_set(run, replace(config, connect=search), levels, progress)
        ]


def _connect_set(
    run: Run, config: Config, levels: Sequence[float] | None, progress: Progress
) -> list[StringRecord]:
    """The rows of one set, searched where they are not there."""
    own, settings, name = config_of(run), config.connect, set_name(config.connect)
    pairs = pair_list(settings.pairs, config.train.models)
    chosen = config.chosen_levels(levels)
    if run.stage_status("train") != "done":
        raise RunError(f"{run.directory}: training is not finished; `lscape train` resumes it")
    asked = {(level, *pair) for level in chosen for pair in pairs}

    def wanted(rows: list[StringRecord]) -> list[StringRecord]:
        return [row for row in rows if row.set == name and (row.level, row.a, row.b) in asked]

    if settings.pairs == "tree":
        complete = tree_is_complete(run, config, chosen)
    else:
        complete = len(wanted(run.rows())) == len(asked) and not links(
            config, RunRows(run, name).known(), chosen, pairs
        )
    ended = run.stage_status(f"connect {name}") == "done"  # its last word may be missing
    if complete and ended and not _unfinished(run, name, chosen):
        log.info(f"{run.directory}: {name} is already finished for these pairs, nothing to do")
        remove_leftovers(run.directory)  # of this write, which is in no stage
        return wanted(run.write_results())
    check_paths(config)
    with run.stage(f"connect {name}"):
        run.keep_changes(name, changes(own, config, "connect"))
        run.take_task_rows(name)
        context = connect_context(run, config, name, progress)
        used = settings.model_copy(update={"optimizer": _descends(config, context.optimizer)})
        run.write_settings(run.settings_file(name), dump_section(used))
        paths = given_paths(config, context.landscape, context.end_points, chosen, pairs)
        context = context.with_start_paths(paths)
        with workers_of(Compute() if paths else config.compute) as pool:
            search = search_levels if pool is None else functools.partial(hand_out, pool=pool)
            if settings.pairs == "tree":
                connect_tree(context, chosen, search, progress)
            else:
                search(context, levels=chosen, pairs=pairs, progress=progress)
        rows = run.write_results()
    return wanted(rows)


def _descends(config: Config, name: str) -> BeadOptimizer:
    """What beads descend by, as a config says it."""
    train = config.train.optimizer
    given = train.arguments if name == train.name else {}
    return config.connect.optimizer or BeadOptimizer.model_validate({"name": name, **given})


def tree_of(
    run: Run, overrides: Sequence[str] = (), levels: Sequence[float] | None = None
) -> list[TreeRecord]:
    """With `pairs: tree`, the records of the levels asked for of the set that `connect` made: what
    was searched and connected (`topology.tree_record`). Otherwise [].

    Raises:
        ConfigError: The settings cannot be used.
        RunError: Files of the run are damaged.
    """
    config = revised(config_of(run), overrides)
    chosen = config.chosen_levels(levels)
    records = run.tree(set_name(config.connect)) if config.connect.pairs == "tree" else []
    return [record for record in records if record.level in chosen]


def _unfinished(run: Run, name: str, levels: Sequence[float]) -> bool:
    return bool(run.task_files(name)) or any(run.search_files(name, level) for level in levels)
