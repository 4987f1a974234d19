"""A model's own path from where it met a level to where it met the next lower one.

What is proved between snapshots at a lower level holds at a higher one only through these: training
may have risen above the level in between.
"""

from __future__ import annotations

from typing import Any

from landscape.core import trees
from landscape.search.driver import Connection, judge, start, steps
from landscape.search.state import Search
from landscape.search.strings import evaluate_new_segments
from landscape.stages.build import Progress
from landscape.stages.context import ConnectContext
from landscape.store.records.base import names
from landscape.store.records.strings import SnapshotRecord
from landscape.store.run import Run

SHORT = 4  # rounds of the search where the straight segment rises above the limit


def missing(run: Run, level: float) -> list[tuple[int, float]]:
    """(model, the next lower level that it met) of the models' own paths from a level that are not
    there yet."""
    found = []
    for record in run.models():
        met = [entry.level for entry in record.levels if entry.status == "REACHED"]
        lower = [below for below in met if below < level]
        if level in met and lower and not run.snapshot_file(record.model, level).exists():
            found.append((record.model, max(lower)))
    return found


def carry(context: ConnectContext, level: float, progress: Progress) -> None:
    """Certify every model's path from its snapshot at a level to the next lower one, below the
    level's limit; where the straight segment is not, search for a short while as connections are.

    Kept in snapshots/, whether connected or not, once and for all.
    """
    run, at, wanted = context.run, context.level_spec(level), missing(context.run, level)
    stage = f"models' own paths at {level:g}"
    for first in range(0, len(wanted), context.group):
        group = wanted[first : first + context.group]
        strings = [
            start(
                f"{model} itself",
                context.end_points.params(model, level),
                context.end_points.params(model, low),
            )
            for model, low in group
        ]
        # of all at once; the verdicts look them up
        evaluate_new_segments(strings, context.problem.evaluate, at.limit)
        found = [judge(string, context.problem.evaluate, at) for string in strings]
        above = [n for n, one in enumerate(found) if not one.certificate.holds(at.limit)]
        search = Search([start(strings[n].name, *_ends(found[n])) for n in above])
        for _ in steps(context.stepper(at, SHORT), search):
            progress(stage, first, len(wanted), bent=len(above))
        for number, string in zip(above, search.strings, strict=True):
            bent = judge(string, context.problem.evaluate, at)
            found[number] = min(found[number], bent, key=lambda one: one.upper)
        for (model, low), one in zip(group, found, strict=True):
            record = _record(one, model, level, low, at.limit)
            profile = one.certificate.profile
            run.save_path(run.snapshot_file(model, level), record, one.string.points, profile)
        progress(stage, first + len(group), len(wanted), bent=len(above))


def _ends(connection: Connection) -> tuple[Any, Any]:
    points = connection.string.points
    return trees.take(points, 0), trees.take(points, -1)


def _record(
    one: Connection, model: int, level: float, lower: float, limit: float
) -> SnapshotRecord:
    known = {"model": model, "level": level, "lower": lower, "limit": limit, **one.record()}
    return SnapshotRecord(**{key: known[key] for key in names(SnapshotRecord)})
