"""Which models are joined below a level, and in what order their components merge as it rises.

All of it comes from one graph. Its points are snapshots, (model, level): where a model first met a
level. Its edges are certified paths between them, each with an upper bound on its highest loss:
strings, whether a search called them connected or not; the paths between a model's own snapshots;
lowered barriers. Two snapshots are joined below a limit if edges that stay below it lead from one
to the other. More paths can only join more: a number of components is an upper bound on the truth
among these models, a barrier an upper bound on the lowest.

A component at a level consists of snapshots at that level, and of no model that did not meet it.
What was proved between snapshots at a lower level counts through the models' own paths from the
one to the other, as far as these stay below the level's limit. No JAX here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import scipy  # its parts are loaded when they are used

from landscape.store.records.measures import StringMeasure
from landscape.store.records.models import ModelRecord
from landscape.store.records.strings import (
    BarrierRecord,
    Join,
    SnapshotRecord,
    StringRecord,
    TreeRecord,
)

Certified = StringRecord | SnapshotRecord | BarrierRecord | StringMeasure
Snapshot = tuple[int, float]
Pair = tuple[int, int]

CONNECTED = "CONNECTED"


class Edge(NamedTuple):
    """A certified path between two snapshots, on which the loss is at most `upper`."""

    a: Snapshot
    b: Snapshot
    upper: float


class Leaf(NamedTuple):
    """A model's deepest snapshot, and its loss."""

    level: float
    energy: float


class Merge(NamedTuple):
    """Two groups of models, joined by a path that is nowhere above `height`, by none known that is
    lower. The lowest loss of `older` is at most that of `younger`."""

    height: float
    older: tuple[int, ...]
    younger: tuple[int, ...]


def upper_bound(record: Certified) -> float:
    """The certificate's bound on the loss along a path: its maximum, its last change and its
    rounding; infinite where there is none."""
    if record.max_loss is None or record.last_change is None:
        return math.inf
    return record.max_loss + record.last_change + (record.rounding or 0.0)


def edges(
    rows: Iterable[StringRecord] = (),
    snapshots: Iterable[SnapshotRecord] = (),
    barriers: Iterable[BarrierRecord] = (),
) -> list[Edge]:
    """The edges of a run's paths; of those whose loss was finite."""
    ends = itertools.chain(
        (((r.a, r.level), (r.b, r.level), r) for r in rows),
        (((r.model, r.level), (r.model, r.lower), r) for r in snapshots),
        (((r.a, r.level_a), (r.b, r.level_b), r) for r in barriers),
    )
    found = (Edge(a, b, upper_bound(record)) for a, b, record in ends)
    return [edge for edge in found if math.isfinite(edge.upper)]


def leaves(models: Iterable[ModelRecord]) -> dict[int, Leaf]:
    """The deepest snapshot of every model that met a level, from the records of models.json."""
    found = {}
    for model in models:
        met = [Leaf(entry.level, entry.value) for entry in model.levels if entry.value is not None]
        if met:
            found[model.model] = min(met, key=lambda leaf: leaf.level)
    return found


def reached(models: Iterable[ModelRecord], level: float) -> list[int]:
    """The models that met a level."""
    return [
        model.model
        for model in models
        if any(e.level == level and e.status == "REACHED" for e in model.levels)
    ]


def forest(known: Iterable[Edge], limit: float = math.inf) -> list[Edge]:
    """The minimum spanning forest of the edges that stay below a limit, lowest first (Kruskal)."""
    kept = []
    joined: Any = scipy.cluster.hierarchy.DisjointSet()
    for edge in sorted(known, key=lambda edge: (edge.upper, edge.a, edge.b)):
        joined.add(edge.a)
        joined.add(edge.b)
        if edge.upper <= limit and joined.merge(edge.a, edge.b):
            kept.append(edge)
    return kept


def _joined(known: Iterable[Edge], points: Iterable[Snapshot]) -> Any:
    joined: Any = scipy.cluster.hierarchy.DisjointSet(points)
    for edge in known:
        joined.add(edge.a)
        joined.add(edge.b)
        joined.merge(edge.a, edge.b)
    return joined


def components(
    known: Iterable[Edge], models: Iterable[int], level: float, limit: float
) -> list[list[int]]:
    """The models whose snapshots at a level are joined below a limit, largest component first."""
    below = (edge for edge in known if edge.upper <= limit)
    joined = _joined(below, [(model, level) for model in models])
    parts = [sorted(m for m, at in part if at == level) for part in joined.subsets()]
    return sorted(filter(None, parts), key=lambda part: (-len(part), part))


def merges(minima: Mapping[int, Leaf], known: Iterable[Edge]) -> list[Merge]:
    """The disconnectivity graph (Becker & Karplus 1997) of the deepest snapshots, from the lowest
    merge to the highest: single linkage of the edges' bounds.

    A height is at least the losses of what it joins. What no edges join is not merged.
    """
    groups: dict[Any, tuple[int, ...]] = {
        (model, leaf.level): (model,) for model, leaf in minima.items()
    }
    joined: Any = scipy.cluster.hierarchy.DisjointSet(groups)

    def lowest(group: tuple[int, ...]) -> tuple[float, int]:
        return min((minima[model].energy, model) for model in group)

    found = []
    for edge in forest(known):
        joined.add(edge.a)
        joined.add(edge.b)
        mine = [groups.pop(joined[end], ()) for end in edge[:2]]
        joined.merge(edge.a, edge.b)
        both = tuple(sorted(mine[0] + mine[1]))
        if both:
            groups[joined[edge.a]] = both
        if all(mine):
            older, younger = sorted(mine, key=lowest)
            found.append(Merge(max(edge.upper, lowest(younger)[0]), older, younger))
    return found


def direct(
    minima: Mapping[int, Leaf],
    rows: Iterable[StringRecord],
    snapshots: Sequence[SnapshotRecord],
    barriers: Iterable[BarrierRecord] = (),
) -> dict[Pair, tuple[float, StringRecord | BarrierRecord]]:
    """For pairs of models, the lowest bound known on a path between their deepest snapshots that
    touches no third model's, and its record: a barrier, or a row with the models' own paths."""

    def down(model: int, level: float) -> float:
        steps = {r.level: r for r in snapshots if r.model == model}
        highest, at = -math.inf, level
        while at > minima[model].level:
            if at not in steps:
                return math.inf
            highest, at = max(highest, upper_bound(steps[at])), steps[at].lower
        return highest

    found: dict[Pair, tuple[float, StringRecord | BarrierRecord]] = {}
    both = itertools.chain(
        (((r.a, r.level), (r.b, r.level), r) for r in rows if r.limit is not None),
        (((r.a, r.level_a), (r.b, r.level_b), r) for r in barriers),
    )
    for a, b, record in both:
        bound = max(upper_bound(record), down(*a), down(*b))
        if math.isfinite(bound) and bound < found.get((a[0], b[0]), (math.inf,))[0]:
            found[a[0], b[0]] = bound, record
    return found


def persistence(minima: Mapping[int, Leaf], tree: Iterable[Merge]) -> list[dict[str, Any]]:
    """Zero-dimensional persistence of the sublevel sets among the models, longest first: {model,
    birth, death, into}.

    A component is born at its lowest loss, a model's; where two meet, the younger dies into the
    older (the elder rule). death is an upper bound; None, as `into`, where nothing older is known
    to be joined.
    """
    records = {
        model: {"model": model, "birth": leaf.energy, "death": None, "into": None}
        for model, leaf in minima.items()
    }

    def lowest(group: Iterable[int]) -> int:
        return min(group, key=lambda model: (minima[model].energy, model))

    for merge in tree:
        records[lowest(merge.younger)] |= {"death": merge.height, "into": lowest(merge.older)}

    def lasts(record: dict[str, Any]) -> float:
        return math.inf if record["death"] is None else record["death"] - record["birth"]

    return sorted(records.values(), key=lambda r: (-lasts(r), r["birth"], r["model"]))


# -- which pairs to search -------------------------------------------------------------------------


def next_pairs(
    parts: Sequence[Sequence[int]],
    distance: Mapping[Pair, float],
    failed: Iterable[Pair],
    tries: int,
) -> list[Pair]:
    """The pairs to search together next, that a spanning tree may grow by them; [] at the end.

    Each component takes its nearest pair across its cut that has not failed (Borůvka 1926), unless
    `tries` pairs have failed across it, as many again for each doubling of the cut's smaller side:
    then it is given up, though no search can show that none would be found. If all that is chosen
    is found, all of it joins something new. distance: of the pairs that may be searched.
    """
    failed, total = set(failed), sum(map(len, parts))
    chosen = set()
    for part in map(set, parts):
        across = [pair for pair in distance if (pair[0] in part) != (pair[1] in part)]
        spent = sum(pair in failed for pair in across)
        smaller = min(len(part), total - len(part))
        if smaller and spent < tries * (1 + math.log2(smaller)):
            left = [(distance[pair], pair) for pair in across if pair not in failed]
            if left:
                chosen.add(min(left))
    return [pair for _, pair in sorted(chosen)]


def tree_record(
    rows: Sequence[StringRecord],
    snapshots: Sequence[SnapshotRecord],
    models: Sequence[ModelRecord],
    level: float,
    limit: float,
    tries: int,
) -> TreeRecord:
    """What a tree grown at a level has found."""
    at = _searched(rows, level)
    known = edges(
        [row for row in rows if row.level <= level],
        [record for record in snapshots if record.level <= level],
    )
    who = reached(models, level)
    parts = components(known, who, level, limit)
    within = forest(known, limit)
    held = _joined(within, [(model, level) for model in who])
    several = {held[(part[0], level)] for part in parts if len(part) > 1}
    joins = [
        Join(a=a[0], b=b[0], level=a[1])
        for a, b, _ in within
        if a[0] != b[0] and held[a] in several
    ]
    return TreeRecord(
        level=level,
        limit=limit,
        tries=tries,
        models=len(who),
        pairs=math.comb(len(who), 2),
        searched=len(at),
        connected=sum(row.status == CONNECTED for row in at),
        components=parts,
        joins=sorted(joins, key=lambda join: (-join.level, join.a, join.b)),
    )


def _searched(rows: Iterable[StringRecord], level: float) -> list[StringRecord]:
    return [row for row in rows if row.level == level and row.limit is not None]


# -- a run -----------------------------------------------------------------------------------------


def describe(
    models: Sequence[ModelRecord],
    rows: Sequence[StringRecord],
    snapshots: Sequence[SnapshotRecord] = (),
    barriers: Sequence[BarrierRecord] = (),
) -> dict[str, Any]:
    """The topology of a run's trained models, as strict JSON data.

    {levels: [{level, limit, models, components, direct, searched, connected}], leaves: [{model,
    level, energy}], merges: [{height, older, younger}], persistence: `persistence`'s, bound: the
    highest merge or None, unjoined: how many groups of leaves no path is known between, notes}.
    levels: from high to low, one record a limit that paths were certified below; components: lists
    of models; direct: their number by the connections at the level alone; searched and connected:
    pairs at that level, of all sets.
    """
    known = edges(rows, snapshots, barriers)
    minima = leaves(models)
    tree = merges(minima, known)
    limits = {(r.level, r.limit) for r in (*rows, *snapshots) if r.limit is not None}
    found = []
    for level, limit in sorted(limits, reverse=True):
        at = _searched(rows, level)
        who = reached(models, level)
        tried = {(row.a, row.b) for row in at}
        held = {(row.a, row.b) for row in at if upper_bound(row) <= limit}
        found.append(
            {
                "level": level,
                "limit": limit,
                "models": len(who),
                "components": components(known, who, level, limit),
                "direct": len(components(edges(at), who, level, limit)),
                "searched": len(tried),
                "connected": len(held),
            }
        )
    record: dict[str, Any] = {
        "levels": found,
        "leaves": [{"model": m, **leaf._asdict()} for m, leaf in minima.items()],
        "merges": [
            {"height": height, "older": list(older), "younger": list(younger)}
            for height, older, younger in tree
        ],
        "persistence": persistence(minima, tree),
        "unjoined": len(minima) - len(tree),
    }
    return record | {"notes": _notes(models, rows, snapshots, barriers, record)}


def _notes(
    models: Sequence[ModelRecord],
    rows: Sequence[StringRecord],
    snapshots: Sequence[SnapshotRecord],
    barriers: Sequence[BarrierRecord],
    found: dict[str, Any],
) -> list[str]:
    """What is missing for components, barriers and the tree, of which `found` is all else."""
    if not rows and not barriers:
        return ["no components and no barriers: no pair has been tried; `lscape connect` does"]
    minima = leaves(models)
    if not minima:
        return ["no components and no barriers: no model met a level"]
    notes = []
    lost = ", ".join(str(m.model) for m in models if m.model not in minima)
    if lost:
        notes.append(f"not in the disconnectivity graph: models that met no level ({lost})")
    levels, unjoined = {at["level"] for at in found["levels"]}, found["unjoined"]
    if len(levels) == 1:
        notes.append("one level only: components cannot be set against the level")
    elif levels and not snapshots:
        notes.append(
            "what is connected at one level is not carried to another: the models' own paths "
            "between their snapshots have not been tried; `lscape measure` does"
        )
    if not barriers:
        notes.append("barriers are as the searches left them; `lscape measure` lowers them")
    if unjoined > 1:
        notes.append(f"no path of finite loss is known between {unjoined} groups of models")
    if not any(row.status == CONNECTED for row in rows):
        paths = "paths that were lowered" if barriers else "failed searches"
        notes.append(f"no pair was connected below its level: barriers are of {paths}")
    return notes
