"""The runs of a sweep beside one another, as data: a record a combination and level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landscape.analysis import topology
from landscape.analysis.summary import (
    CONNECTED,
    UNREACHED,
    mean_of,
    mean_over_pairs,
    share_connected,
    share_of,
    summarise,
)
from landscape.config.sections import combination_name
from landscape.report.data.series import Record, Values, rates_of
from landscape.store.files import RunError
from landscape.store.run import Run, open_run

MEANINGS = {
    "share": "of the pairs whose ends reached the level: the share connected, with its 95 % Wilson "
    "interval.",
    "normalized_length": "of the connected strings: length divided by the distance of the ends.",
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
    "reached": "the share of models that reached the level in training.",
}
SHARES = ("share", "poor", "minima", "reached")
LEASTS = ("lowest_max",)
POOR = 1e-4
STILL = 1e-2
CLOSE = 1e-4  # of the largest eigenvalue: what counts as zero; lanczos.CLOSE, without its imports
FACT = "a term that the construction says of its curve, over all pairs."


def sweep_report(directory: Path, sweep: Mapping[str, Any]) -> dict[str, Any]:
    """{name, over, measures, chart, rate, theory, records, rates, notes, unmeasured} of a sweep, as
    strict JSON data.

    records: one a combination and level, {values, run, set, level, pairs, tried, connected,
    statuses, apart, poor_ends, facts, measures}; a measure is {mean, se, n, clustered}, and a share
    has its interval besides; the mean of LEASTS is the least instead; apart: `_apart`'s, poor_ends:
    `_judged`'s; rates: one a line of the figure, {measure, key, line, points, rate, se},
    measure ∝ key^rate by least squares of the logarithms. Raises RunError for damaged files, and
    for a measure that no run has.
    """
    records, notes, unmeasured = [], [], set()
    for entry in sweep["runs"]:
        if not (directory / entry["directory"] / "meta.json").is_file():
            notes.append(
                f"{combination_name(entry['values'])}: not run yet; the same command goes on"
            )
            continue
        run = open_run(directory / entry["directory"])
        if run.stage_status(f"connect {entry['set']}") != "done":
            notes.append(
                f"{combination_name(entry['values'])}: unfinished; the same command goes on"
            )
        records += _records(run, entry, sweep["measures"])
        if not run.latest_measures():
            unmeasured.add(entry["directory"])
    for measure in sweep["measures"]:
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
    report = {**{key: sweep.get(key) for key in keys}, "records": records, "notes": notes}
    report["unmeasured"] = sorted(unmeasured)
    rated = sweep["measures"] if sweep["rate"] else []
    return {**report, "rates": [rate for measure in rated for rate in rates_of(report, measure)]}


def _records(run: Run, entry: Values, measures: Sequence[str]) -> list[Record]:
    rows = [row for row in run.rows() if row["set"] == entry["set"]]
    for row in rows:
        if row["loss_a"] is not None:
            higher = max(row["loss_a"], row["loss_b"])
            for key, highest in (("excess", "max_loss"), ("curve_excess", "curve_max")):
                row[key] = None if row.get(highest) is None else row[highest] - higher
    walls, barriers, known = run.lower_bounds(), run.barriers(), {}
    if {"gap", "lowered_gap"} & {*measures}:
        known |= _gaps(run, rows)
    known |= _models(run)
    records = []
    for level in summarise(rows):
        own = [row for row in rows if row["level"] == level["level"]]
        facts = sorted({key for row in own for key in row.get("facts", ())})
        found = {**known, **_of_level(level, own, facts), "reached": _reached(run, level)}
        keys = ("set", "level", "pairs", "tried", "connected", "statuses")
        records.append(
            {
                "values": entry["values"],
                "run": entry["directory"],
                **{key: level[key] for key in keys},
                "apart": _apart(walls, own, barriers),
                "poor_ends": known.get("poor_ends", []),
                "facts": facts,
                "measures": {name: found.get(name) for name in measures},
            }
        )
    return records


def _of_level(level: Record, rows: Sequence[Values], facts: Sequence[str]) -> Values:
    """The measures of a level's pairs; the share is of those that were tried, None of none."""
    reached = [row for row in rows if row["loss_a"] is not None]
    maxima = [row["max_loss"] for row in reached if row["max_loss"] is not None]
    lowest = {"mean": min(maxima, default=None), "se": None, "n": len(maxima), "clustered": None}
    built = [{**row, **row["facts"]} for row in reached if "facts" in row]
    columns = ("excess", "curve_excess", "curve_max", "bound")
    return {
        "share": share_connected(rows),
        **{key: level[key] for key in ("normalized_length", "beads")},
        "lowest_max": lowest,
        **{key: _over_pairs(reached, key) for key in columns},
        **{key: _over_pairs(built, key) for key in facts},
    }


def _over_pairs(rows: Sequence[Values], key: str) -> Record | None:
    known = [row for row in rows if row.get(key) is not None]
    return mean_over_pairs(known, key) if known else None


def _gaps(run: Run, rows: Sequence[Values]) -> Values:
    """How far the lowest known paths between deepest snapshots rise above the higher one."""
    minima, snapshots = topology.leaves(run.models()), run.snapshots()
    pairs = {(row["a"], row["b"]) for row in rows}
    found: Values = {}
    for name, barriers in (("gap", []), ("lowered_gap", run.barriers())):
        direct = topology.direct(minima, rows, snapshots, barriers)
        gaps = [
            {"a": a, "b": b, "gap": max(0.0, bound - max(minima[a].energy, minima[b].energy))}
            for (a, b), (bound, _) in direct.items()
            if (a, b) in pairs
        ]
        found[name] = _over_pairs(gaps, "gap")
    return found


def _models(run: Run) -> Values:
    """The measures of the models where training ended."""
    models = run.models()
    ends = {model["model"]: model["value"] for model in models if model["value"] is not None}
    found: Values = {"final_loss": mean_of(list(ends.values()))}
    begun = {line["model"]: line["value"] for line in reversed(run.history())}
    if not begun or not ends:
        return found
    best, first = min(ends.values()), float(np.mean([*begun.values()]))
    poor = [model for model, value in ends.items() if value - best > POOR * first]
    found["poor"] = share_of([model in poor for model in ends])
    found["poor_ends"] = [_judged(end, best) for end in run.final_states() if end["model"] in poor]
    if found["poor_ends"]:
        found["minima"] = share_of([end["minimum"] for end in found["poor_ends"]])
    return found


def _judged(end: Values, best: float) -> Values:
    """Whether a model that ended above the best is at a second-order minimum, as MEANINGS says:
    {model, still (what the loss would fall by, of what the best is lower), bent (the smallest
    eigenvalue and its error, of the largest: below 0 it is negative beyond its error), minimum}."""
    still = end["gain"] / (end["value"] - best)
    bent = (end["smallest"] + end["smallest_error"]) / abs(end["largest"])
    resolved = end["smallest_error"] <= CLOSE * abs(end["largest"])
    minimum = bent >= -CLOSE and resolved and still < STILL
    return {"model": end["model"], "still": still, "bent": bent, "minimum": minimum}


def _reached(run: Run, level: Record) -> Record:
    entries = [e for model in run.models() for e in model["levels"]]
    statuses = [entry["status"] for entry in entries if entry["level"] == level["level"]]
    return share_of([status == "REACHED" for status in statuses])


def _apart(
    walls: Sequence[Values], rows: Sequence[Values], barriers: Sequence[Values]
) -> Record | None:
    """What the theory proves of a level's pairs, where it knows a wall: {name, height, facts, pairs
    (on its two sides), below (of their strings, connected or not, those whose maximum as sampled is
    below the height: no path is), connected (of these), lowest_max (of any path across, lowered
    barriers between deepest snapshots among them), shortfall (of that, below the height; or 0) and
    resolution (the widest step of t at which that was sampled)}."""
    if not walls or not rows:
        return None
    wall = max(walls, key=lambda one: one["height"])
    sides = {(one["model"], one["level"]): one["side"] for one in wall["sides"]}

    def is_across(a: tuple[int, float], b: tuple[int, float]) -> bool:
        return sides.get(a, 0) * sides.get(b, 0) < 0

    level = rows[0]["level"]
    across = [row for row in rows if is_across((row["a"], level), (row["b"], level))]
    known = [row for row in across if row["max_loss"] is not None]
    below = [row for row in known if row["max_loss"] < wall["height"]]
    lowered = [r for r in barriers if is_across((r["a"], r["level_a"]), (r["b"], r["level_b"]))]
    known += [barrier for barrier in lowered if barrier["max_loss"] is not None]
    lowest = min(known, key=lambda row: row["max_loss"], default={"max_loss": None})
    highest = lowest["max_loss"]
    return {
        **{key: wall[key] for key in ("name", "height", "facts")},
        "pairs": len(across),
        "below": len(below),
        "connected": sum(row["status"] == CONNECTED for row in below),
        "lowest_max": highest,
        "shortfall": 0.0 if highest is None else max(0.0, wall["height"] - highest),
        "resolution": lowest.get("resolution"),
    }
