"""The second stage: a path below the level for every pair and level, and its verdict."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from landscape.config.load import Config, changes, dump_section, revised
from landscape.config.naming import set_name
from landscape.config.optax_section import BeadOptimizer
from landscape.config.sections import pair_list
from landscape.stages.build import Progress, config_of, log, silent
from landscape.stages.context import Pair, connect_context
from landscape.stages.pairs import Link, chain, connect_level
from landscape.stages.start_path import given_paths
from landscape.stages.state import check_paths
from landscape.stages.tree import connect_tree, tree_is_complete
from landscape.store.files import RunError, write_bytes
from landscape.store.records.strings import StringRecord, TreeRecord
from landscape.store.run import Run


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
        complete = len(wanted(run.rows())) == len(asked) and not _links(run, config, chosen, pairs)
    if complete and not _unfinished(run, name, chosen):
        log.info(f"{run.directory}: {name} is already finished for these pairs, nothing to do")
        return wanted(run.write_results())
    check_paths(config)
    with run.stage(f"connect {name}"):
        run.keep_changes(name, changes(own, config, "connect"))
        context = connect_context(run, config, name, progress)
        used = settings.model_copy(update={"optimizer": _descends(config, context.optimizer)})
        write_bytes(run.settings_file(name), dump_section(used).encode())
        paths = given_paths(config, context.landscape, context.end_points, chosen, pairs)
        context = context.with_start_paths(paths)
        if settings.pairs == "tree":
            connect_tree(context, chosen, progress)
        else:
            for level in chosen:
                connect_level(context, level, pairs, progress)
                chain(context, _links(run, config, [level], pairs, below=False), progress)
            for level in reversed(chosen):
                chain(context, _links(run, config, [level], pairs), progress)
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
    return any(run.search_file(name, level).exists() for level in levels)


def _links(
    run: Run, config: Config, levels: Sequence[float], pairs: Sequence[Pair], below: bool = True
) -> list[Link]:
    """What `connect.chain` has still to do: each pair missed starts again from its string at the
    nearest level above that has one; if that misses as well, or there is none, from below."""
    settings = config.connect
    if not settings.chain or not settings.finder.chains:
        return []
    name = set_name(settings)
    rows: dict[Pair, dict[float, StringRecord]] = {}
    for r in run.rows():
        if r.set == name:
            rows.setdefault((r.a, r.b), {})[r.level] = r
    links = []
    for level, pair in itertools.product(levels, pairs):
        row = rows.get(pair, {}).get(level)
        if row is None or row.status not in ("NOT_FOUND", "STUCK"):
            continue
        found = [r for r in rows[pair].values() if r.status == "CONNECTED"]
        above = [r for r in found if r.level > level and row.chained_from is None]
        under = [r for r in found if r.level < level and (row.chained_from or level) >= level]
        if above:
            links.append(Link(row, min(above, key=lambda r: r.level)))
        elif under and below:
            links.append(Link(row, max(under, key=lambda r: r.level)))
    return links
