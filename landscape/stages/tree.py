"""`pairs: tree`: search only what can still connect components, from the lowest level up.

A connection at a low level holds at every higher one through the models' own paths, so that N
models connected at the lowest level cost N − 1 connections in all; what fails there is searched
again higher up, where it is easier.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Protocol

import numpy as np

from landscape.analysis.topology import Pair, next_pairs, reached, tree_record
from landscape.config.load import Config
from landscape.config.naming import set_name
from landscape.core.level import LevelSpec
from landscape.stages.build import Progress, renamed
from landscape.stages.context import ConnectContext
from landscape.stages.snapshots import carry
from landscape.store.files import write_records
from landscape.store.records.strings import TreeRecord
from landscape.store.run import Run

HELD_BYTES = 2**28  # of models, while distances are measured


class SearchLevels(Protocol):
    """What searches pairs at levels, as `levels.search_levels` does."""

    def __call__(
        self,
        context: ConnectContext,
        *,
        levels: Sequence[float],
        pairs: Sequence[Pair],
        progress: Progress,
    ) -> None: ...


def connect_tree(
    context: ConnectContext, levels: Sequence[float], search: SearchLevels, progress: Progress
) -> None:
    """Connect what can be connected at each level, round by round; a record a level in its tree.

    The pairs of a round depend on the rows alone that are there at
    this level and below, so that an interrupted tree grows on as it would have.
    """
    run, tries = context.run, context.config.connect.tries
    for level in sorted(levels):
        carry(context, level, progress)
        search(context, levels=[level], pairs=[], progress=progress)  # what was interrupted
        who = reached(run.models(), level)
        distance = _distances(context, who, level)
        number = 0
        while True:
            record = _tree_record(run, context.name, level, context.level_spec(level).limit, tries)
            pairs = _next(run, context.name, record, distance)[: context.group]
            if not pairs:
                break
            number += 1

            told = renamed(progress, after=f", round {number}")

            search(context, levels=[level], pairs=pairs, progress=told)
        _keep(run, context.name, record)


def tree_is_complete(run: Run, config: Config, levels: Sequence[float]) -> bool:
    """Whether the set's tree is complete at these levels, and still what its rows say."""
    name, settings = set_name(config.connect), config.connect
    kept = {record.level: record for record in run.tree(name)}
    for level in levels:
        limit = LevelSpec(level, settings.target, settings.tolerance).limit
        record = _tree_record(run, name, level, limit, settings.tries)
        anywhere = dict.fromkeys(combinations(reached(run.models(), level), 2), 0.0)
        if kept.get(level) != record or _next(run, name, record, anywhere):
            return False
    return True


def refresh_trees(run: Run) -> None:
    """Let the tree of every set say what its rows and the models' own paths say now."""
    for name in run.sets():
        if kept := run.tree(name):
            again = [_tree_record(run, name, one.level, one.limit, one.tries) for one in kept]
            write_records(run.tree_file(name), again)


def _tree_record(run: Run, name: str, level: float, limit: float, tries: int) -> TreeRecord:
    return tree_record(run.rows(name), run.snapshots(), run.models(), level, limit, tries)


def _next(run: Run, name: str, record: TreeRecord, distance: dict[Pair, float]) -> list[Pair]:
    """The pairs to search next where the tree is as its record says."""
    failed = [(r.a, r.b) for r in run.rows(name) if r.level == record.level]
    return next_pairs(record.components, distance, failed, record.tries)


def _keep(run: Run, name: str, record: TreeRecord) -> None:
    others = [other for other in run.tree(name) if other.level != record.level]
    records = sorted([*others, record], key=lambda one: -one.level)
    write_records(run.tree_file(name), records)


def _distances(context: ConnectContext, who: Sequence[int], level: float) -> dict[Pair, float]:
    """Euclidean distances between snapshots at a level, reading some models at a time."""

    def flat(model: int) -> np.ndarray:
        params = context.end_points.params(model, level)
        return np.concatenate([np.ravel(leaf) for _, leaf in sorted(params.items())])

    found = {}
    start = 0
    while start < len(who):
        held = [flat(who[start])]
        many = max(1, HELD_BYTES // held[0].nbytes)
        held += [flat(model) for model in who[start + 1 : start + many]]
        for place, b in enumerate(who[start:], start):
            other = held[place - start] if place < start + len(held) else flat(b)
            for a, mine in zip(who[start:place], held, strict=False):
                found[a, b] = float(np.linalg.norm(mine - other))
        start += len(held)
    return found
