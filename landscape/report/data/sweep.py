"""The runs of a sweep beside one another, as data: a record a combination and level."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landscape.analysis import topology
from landscape.analysis.summary import (
    CONNECTED,
    UNREACHED,
    PairValue,
    mean_of,
    mean_over_pairs,
    share_connected,
    share_of,
    summarise,
)
from landscape.config.sections import combination_name
from landscape.report.data.known import best_known_of, known_of
from landscape.report.data.series import Record, Values, rates_of
from landscape.store.files import RunError
from landscape.store.records.models import FinalStateRecord, LowerBoundRecord
from landscape.store.records.runs import Combination, SweepRecord
from landscape.store.records.strings import BarrierRecord, StringRecord
from landscape.store.run import Run, open_run

MEANINGS = {
    "share": "of the pairs whose ends reached the level: the share connected, with its 95 % Wilson "
    "interval.",
    "normalized_length": "of the shortest path known of each pair that has one, found or shortened "
    "by any search of its run: length divided by the distance of the ends.",
    "beads": "of the connected strings, both ends counted.",
    "excess": "how far the string that was found rises above its higher end, over all pairs whose "
    "ends reached the level, connected or not: an upper bound on the lowest barrier.",
    "lowest_max": "the lowest maximum of any string that was found, over all pairs whose ends "
    "reached the level, connected or not.",
    "gap": "between the deepest snapshots of a pair: how far the lowest path that is known rises "
    "above the higher of them, by the search's strings at all levels and the models' own paths.",
    "lowered_gap": "the same, with the barriers that were lowered by elastic bands.",
    "curve_excess": "how far the constructed curve rises above its higher end, over all pairs.",
    "curve_max": "the highest loss on the constructed curve, over all pairs.",
    "bound": "what the theorem says that the constructed curve stays below, over all pairs.",
    "final_loss": "the metric where training ended, over all models.",
    "poor": "the share of models whose training ended above the best of the same combination, by "
    "more than a ten-thousandth of the mean loss that training began with.",
    "minima": "of the poor models: the share at a second-order minimum, to a ten-thousandth of the "
    "largest eigenvalue. No eigenvalue of the Hessian, with its error, is below zero by more than "
    "that, nor is the error more, and what the loss would fall by, by gradient and Hessian, is "
    "less than a hundredth of what the best is lower: ½gᵀH⁻¹g where it bends upwards by more than "
    "that, and ‖g‖‖θ‖ of the gradient's other part.",
    "reached": "the share of models that reached the level.",
}
LENGTHS = ("normalized_length",)  # which have a method error
SHARES = ("share", "poor", "minima", "reached")
LEASTS = ("lowest_max",)
POOR = 1e-4
STILL = 1e-2
CLOSE = 1e-4  # of the largest eigenvalue: what counts as zero; lanczos.CLOSE, without its imports
FACT = "a term that the construction says of its curve, over all pairs."


def sweep_report(directory: Path, sweep: SweepRecord) -> dict[str, Any]:
    """{name, over, measures, chart, rate, theory, records, rates, notes, unmeasured} of a sweep, as
    strict JSON data.

    records: one a combination and level, {values, run, set, level, pairs, tried, connected,
    statuses, apart, poor_ends, facts, measures}; a measure is {mean, se, n, clustered}, and a share
    has its interval besides, a length its method error; the mean of LEASTS is the least instead;
    apart: `_apart`'s, poor_ends: `_judged`'s; rates: one a line of the figure, {measure, key, line,
    points, rate, se}, measure ∝ key^rate by least squares of the logarithms. Raises RunError for
    damaged files, and for a measure that no run has.
    """
    records, notes, unmeasured = [], [], set()
    for entry in sweep.runs:
        if not (directory / entry.directory / "meta.json").is_file():
            notes.append(f"{combination_name(entry.values)}: not run yet; the same command goes on")
            continue
        run = open_run(directory / entry.directory)
        if run.stage_status(f"connect {entry.set}") != "done":
            notes.append(f"{combination_name(entry.values)}: unfinished; the same command goes on")
        records += _records(run, entry, sweep.measures)
        if not run.latest_measures():
            unmeasured.add(entry.directory)
    for measure in sweep.measures:
        unknown = measure not in MEANINGS
        if unknown and records and all(r["measures"][measure] is None for r in records):
            allowed = sorted({*MEANINGS, *(k for r in records for k in r["facts"])})
            raise RunError(
                f"{directory}: no run has the measure '{measure}' (allowed: {', '.join(allowed)})"
            )
    missed = sum(record["statuses"].get(UNREACHED, 0) for record in records)
    if missed:
        notes.append(
            f"{missed} pairs have a model that did not reach the level: no path was sought"
        )
    keys = ("name", "over", "measures", "chart", "rate", "theory")
    report = {**{key: getattr(sweep, key) for key in keys}, "records": records, "notes": notes}
    report["unmeasured"] = sorted(unmeasured)
    rated = sweep.measures if sweep.rate else []
    return {**report, "rates": [rate for measure in rated for rate in rates_of(report, measure)]}


def _records(run: Run, entry: Combination, measures: Sequence[str]) -> list[Record]:
    rows = [row for row in run.rows() if row.set == entry.set]
    walls, barriers, known = run.lower_bounds(), run.barriers(), {}
    if {"gap", "lowered_gap"} & {*measures}:
        known |= _gaps(run, rows)
    known |= _models(run)
    lengths = _lengths(run, entry) if {*LENGTHS} & {*measures} else {}
    records = []
    for level in summarise(rows):
        own = [row for row in rows if row.level == level["level"]]
        facts = sorted({key for row in own for key in row.facts or ()})
        found = {**known, **_of_level(level, own, facts), "reached": _reached(run, level)}
        found["normalized_length"] = lengths.get(level["level"])
        keys = ("set", "level", "pairs", "tried", "connected", "statuses")
        records.append(
            {
                "values": entry.values,
                "run": entry.directory,
                **{key: level[key] for key in keys},
                "apart": _apart(walls, own, barriers),
                "poor_ends": known.get("poor_ends", []),
                "facts": facts,
                "measures": {name: found.get(name) for name in measures},
            }
        )
    return records


def _lengths(run: Run, entry: Combination) -> Values:
    """The best known lengths of a combination's pairs, by level."""
    paths = [one for one in known_of(run) if entry.set in one.question.sets]
    return {record["level"]: record["length"] for record in best_known_of(paths)}


def _of_level(level: Record, rows: Sequence[StringRecord], facts: Sequence[str]) -> Values:
    """The measures of a level's pairs; the share is of those that were tried, None of none."""
    reached = [row for row in rows if row.loss_a is not None]
    maxima = [row.max_loss for row in reached if row.max_loss is not None]
    lowest = {"mean": min(maxima, default=None), "se": None, "n": len(maxima), "clustered": None}
    columns = ("excess", "curve_excess", "curve_max", "bound")
    return {
        "share": share_connected(rows),
        "beads": level["beads"],
        "lowest_max": lowest,
        **{key: _over_pairs([_number(row, key) for row in reached]) for key in columns},
        **{
            key: _over_pairs([PairValue(r.a, r.b, (r.facts or {}).get(key)) for r in reached])
            for key in facts
        },
    }


def _number(row: StringRecord, key: str) -> PairValue:
    """A column of a row, or how far the highest loss on its string, or on the constructed curve,
    is above that of its ends."""
    highest = {"excess": row.max_loss, "curve_excess": row.curve_max}
    if key not in highest:
        return PairValue(row.a, row.b, getattr(row, key))
    top, a, b = highest[key], row.loss_a, row.loss_b
    excess = None if top is None or a is None or b is None else top - max(a, b)
    return PairValue(row.a, row.b, excess)


def _over_pairs(values: Sequence[PairValue]) -> Record | None:
    return mean_over_pairs(values) if any(one.value is not None for one in values) else None


def _gaps(run: Run, rows: Sequence[StringRecord]) -> Values:
    """How far the lowest known paths between deepest snapshots rise above the higher one."""
    minima, snapshots = topology.leaves(run.models()), run.snapshots()
    pairs = {(row.a, row.b) for row in rows}
    found: Values = {}
    for name, barriers in (("gap", []), ("lowered_gap", run.barriers())):
        direct = topology.direct(minima, rows, snapshots, barriers)
        gaps = [
            PairValue(a, b, max(0.0, bound - max(minima[a].energy, minima[b].energy)))
            for (a, b), (bound, _) in direct.items()
            if (a, b) in pairs
        ]
        found[name] = _over_pairs(gaps)
    return found


def _models(run: Run) -> Values:
    """The measures of the models where training ended."""
    models = run.models()
    ends = {model.model: model.value for model in models if model.value is not None}
    found: Values = {"final_loss": mean_of(list(ends.values()))}
    first_values = {line.model: line.value for line in reversed(run.history())}
    if not first_values or not ends:
        return found
    best, first = min(ends.values()), float(np.mean([*first_values.values()]))
    poor = [model for model, value in ends.items() if value - best > POOR * first]
    found["poor"] = share_of([model in poor for model in ends])
    found["poor_ends"] = [_judged(end, best) for end in run.final_states() if end.model in poor]
    if found["poor_ends"]:
        found["minima"] = share_of([end["minimum"] for end in found["poor_ends"]])
    return found


def _judged(end: FinalStateRecord, best: float) -> Values:
    """Whether a model that ended above the best is at a second-order minimum, as MEANINGS says:
    {model, still (what the loss would fall by, of what the best is lower), bent (the smallest
    eigenvalue and its error, of the largest: below 0 it is negative beyond its error), minimum}."""
    still = end.gain / (end.value - best)
    bent = (end.smallest + end.smallest_error) / abs(end.largest)
    resolved = end.smallest_error <= CLOSE * abs(end.largest)
    minimum = bent >= -CLOSE and resolved and still < STILL
    return {"model": end.model, "still": still, "bent": bent, "minimum": minimum}


def _reached(run: Run, level: Record) -> Record:
    entries = [entry for model in run.models() for entry in model.levels]
    statuses = [entry.status for entry in entries if entry.level == level["level"]]
    return share_of([status == "REACHED" for status in statuses])


def _apart(
    walls: Sequence[LowerBoundRecord],
    rows: Sequence[StringRecord],
    barriers: Sequence[BarrierRecord],
) -> Record | None:
    """What the theory proves of a level's pairs, where it knows a wall: {name, height, facts, pairs
    (on its two sides), below (of their strings, connected or not, those whose maximum as sampled is
    below the height: no path is), connected (of these), lowest_max (of any path across, lowered
    barriers between deepest snapshots among them), shortfall (of that, below the height; or 0) and
    resolution (the widest step of t at which that was sampled)}."""
    if not walls or not rows:
        return None
    wall = max(walls, key=lambda one: one.height)
    sides = {(one.model, one.level): one.side for one in wall.sides}

    def is_across(a: tuple[int, float], b: tuple[int, float]) -> bool:
        return sides.get(a, 0) * sides.get(b, 0) < 0

    level = rows[0].level
    across = [row for row in rows if is_across((row.a, level), (row.b, level))]
    below = [row for row in across if row.max_loss is not None and row.max_loss < wall.height]
    lowered = [one for one in barriers if is_across((one.a, one.level_a), (one.b, one.level_b))]
    maxima = [
        (one.max_loss, one.resolution) for one in (*across, *lowered) if one.max_loss is not None
    ]
    highest, resolution = min(maxima, key=lambda one: one[0], default=(None, None))
    return {
        "name": wall.name,
        "height": wall.height,
        "facts": wall.facts,
        "pairs": len(across),
        "below": len(below),
        "connected": sum(row.status == CONNECTED for row in below),
        "lowest_max": highest,
        "shortfall": 0.0 if highest is None else max(0.0, wall.height - highest),
        "resolution": resolution,
    }
