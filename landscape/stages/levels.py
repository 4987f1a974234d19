"""Pairs through all levels: each level, and what was missed there from the path of another."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from landscape.config.load import Config
from landscape.stages.build import Progress
from landscape.stages.context import ConnectContext, Pair
from landscape.stages.pairs import Link, chain, connect_level
from landscape.store.records.strings import StringRecord


def search_levels(
    context: ConnectContext, levels: Sequence[float], pairs: Sequence[Pair], progress: Progress
) -> None:
    """Search what has no row yet, from the highest level down; what is missed, again. No pair
    depends on another."""

    def missed(level: float, below: bool) -> list[Link]:
        return links(context.config, context.rows.known(), [level], pairs, below)

    for level in levels:
        connect_level(context, level, pairs, progress)
        chain(context, missed(level, below=False), progress)
    for level in reversed(levels):
        chain(context, missed(level, below=True), progress)


def links(
    config: Config,
    rows: Sequence[StringRecord],
    levels: Sequence[float],
    pairs: Sequence[Pair],
    below: bool = True,
) -> list[Link]:
    """What `connect.chain` has still to do, by the rows of the set.

    Each pair missed starts again from its string at the nearest level above that has one; if that
    misses as well, or there is none, from below.
    """
    settings = config.connect
    if not settings.chain or not settings.finder.chains or settings.pairs == "tree":
        return []
    of: dict[Pair, dict[float, StringRecord]] = {}
    for r in rows:
        of.setdefault((r.a, r.b), {})[r.level] = r
    found = []
    for level, pair in itertools.product(levels, pairs):
        row = of.get(pair, {}).get(level)
        if row is None or row.status not in ("NOT_FOUND", "STUCK"):
            continue
        known = [r for r in of[pair].values() if r.status == "CONNECTED"]
        above = [r for r in known if r.level > level and row.chained_from is None]
        under = [r for r in known if r.level < level and (row.chained_from or level) >= level]
        if above:
            found.append(Link(row, min(above, key=lambda r: r.level)))
        elif under and below:
            found.append(Link(row, max(under, key=lambda r: r.level)))
    return found
