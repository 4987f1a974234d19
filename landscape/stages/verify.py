"""Judge again, from the saved paths alone, on a finer grid."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from landscape.analysis.topology import edges, forest, upper_bound
from landscape.core.certificate import MOVED, SegmentEvaluator, certify, memoized, segment_evaluator
from landscape.core.status import Status
from landscape.core.task import Landscape
from landscape.stages.build import (
    Progress,
    build_landscape,
    check_and_cast_params,
    config_of,
    log,
    silent,
)
from landscape.stages.tree import refresh_trees
from landscape.store.files import Arrays, Row, RunError, load_arrays, save_arrays
from landscape.store.records import DOWNGRADED, RAISED
from landscape.store.run import Run

FINER = 4


class Kept(NamedTuple):
    """A path on disk: its record, in which its certificate is, and the files of its two ends.

    basis: the grid of the search that found it, or what it was made of; section: the record's name
    in the file; prefix: of the names of the path's arrays; status: the record's key of the word for
    what is known of the path, and `lost`, that word where it does not hold (None: it is left).
    """

    kind: str
    name: str
    file: Path
    ends: tuple[Path, Path]
    record: Row
    basis: int
    section: str
    prefix: str = ""
    status: str = "status"
    lost: str | None = None

    @property
    def limit(self) -> float | None:
        """What the path is said to stay below; None where only its bound is known."""
        below = self.record[self.status] == Status.CONNECTED or self.kind == "shortened"
        return self.record["limit"] if below else None


def verify(run: Run, grid: int | None = None, progress: Progress = silent) -> list[dict[str, Any]]:
    """Certify again every path that a run's results rest on, on a finer grid.

    The ends are compared with the models' files, bit for bit. What was below a limit must be so
    again. Of the other paths, the bound on their loss must not rise by more than a certificate's
    accuracy. Where that does not hold, the path's file says so, with the reason: a string or a
    model's own path becomes NOT_FOUND, a barrier RAISED, and a shortened string DOWNGRADED, which
    leaves its measures out of every result. A bound that rises inside its limit is kept as it rose.
    `verified` is then the grid that found it; the search's own grid stays what later work goes by.
    The sets' trees say what is left.

    Args:
        run: A run with paths.
        grid: Points a segment; None: four times the search's.
        progress: Is told how far this is.

    Returns:
        A record for each path: {kind, name, grid, max_loss, limit (or the bound that was known),
        agreed, reason}; for strings also {set, method, level, a, b}. The kinds are `strings`, those
        CONNECTED; `snapshots`, the models' own paths; `barriers`, lowered; `shortened`, the
        measured strings; and `failed`, strings that are not CONNECTED but hold the disconnectivity
        graph together.

    Raises:
        RunError: Files are damaged or altered, or the grid is coarser than a path was certified on.
    """
    config = config_of(run)
    first = [*_strings(run), *_snapshots(run), *_barriers(run)]
    others = [*_shortened(run), *_holding(run)]
    coarsest = max((kept.record["grid"] for kept in (*first, *others)), default=0)
    if grid is not None and grid < coarsest:
        raise RunError(f"{run.directory}: certified at grid {coarsest}; {grid} is coarser")
    if not first and not others:
        return []
    landscape = build_landscape(config, progress)

    @functools.cache
    def evaluate(finer: int) -> SegmentEvaluator:
        return memoized(segment_evaluator(landscape, finer))

    records = []
    with run.stage("verify"):
        total = len(first) + len(others)
        for kept in _in_turn(run, first):
            finer = grid or max(FINER * kept.basis, kept.record["grid"])
            records.append(_judged_again(kept, landscape, evaluate(finer), finer))
            total = max(total, len(records))
            agreed = sum(record["agreed"] for record in records)
            progress("verifying", len(records), total, agreed=agreed)
        progress("verifying", total, total)
        run.write_results()
        refresh_trees(run)
        for measures in run.measures():
            run.write_measures(measures)
    return records


def _in_turn(run: Run, first: list[Kept]) -> Iterator[Kept]:
    """Then what is measured of strings that still hold, then what the graph has come to rest on."""
    yield from first
    yield from _shortened(run)
    known = {kept.file for kept in first}
    while failed := [kept for kept in _holding(run) if kept.file not in known]:
        for kept in failed:
            known.add(kept.file)
            yield kept


def _judged_again(
    kept: Kept, landscape: Landscape, evaluate: SegmentEvaluator, grid: int
) -> dict[str, Any]:
    arrays, header = load_arrays(kept.file)
    points = _path(kept, arrays, landscape)
    bound = upper_bound(kept.record)
    known = bound + MOVED * abs(bound)
    limit = known if kept.limit is None else kept.limit
    found = certify(points, evaluate, limit)
    agreed, finite, reason = found.holds(limit), bool(np.isfinite(found.maximum)), ""
    certificate = {
        "max_loss": found.maximum if finite else None,
        "barrier": found.barrier if finite else None,
        "max_at": found.max_at,
        "last_change": found.last_change,
        "resolution": found.resolution,
    }
    changes: Row = {key: value for key, value in certificate.items() if key in kept.record}
    changes["verified"] = grid
    if not agreed:
        above = f"{limit:.6g}" if kept.limit is not None else f"the {bound:.6g} known"
        reason = (
            f"verify at grid {grid} found {found.maximum:.6g} at {found.max_at:.4f} "
            f"of the path, above {above}"
        )
        before = kept.record["reason"] if kept.limit is None else ""
        changes["reason"] = "; ".join(filter(None, [before, reason]))
        if kept.limit is not None and kept.status == "status":
            changes["status"] = Status.NOT_FOUND if finite else Status.NON_FINITE
        elif kept.lost:
            changes[kept.status] = kept.lost
        log.warning(f"DOWNGRADED {kept.name}: {reason}")
    if not agreed or not found.holds(known):
        save_arrays(kept.file, arrays, {**header, kept.section: kept.record | changes})
    keys = ("set", "method", "level", "a", "b") if "set" in kept.record else ()
    return {
        "kind": kept.kind,
        "name": kept.name,
        **{key: kept.record[key] for key in keys},
        "grid": grid,
        "max_loss": found.maximum,
        "limit": bound if kept.limit is None else limit,
        "agreed": agreed,
        "reason": reason,
    }


def _path(kept: Kept, arrays: Arrays, landscape: Landscape) -> Arrays:
    """The path's arrays, if its ends are the run's own models bit for bit. Raises RunError."""
    points = {}
    for end, model in zip((0, -1), kept.ends, strict=True):
        for name, leaf in check_and_cast_params(load_arrays(model)[0], landscape, model).items():
            points[name] = arrays.get(kept.prefix + name)
            kind = leaf.dtype if points[name] is None else points[name].dtype
            if points[name] is None or not np.array_equal(points[name][end], leaf.astype(kind)):
                raise RunError(f"{kept.file}: its end {name} is not that of {model}")
    return {name: points[name].astype(leaf.dtype) for name, leaf in landscape.shapes.items()}


# -- what is judged --------------------------------------------------------------------------------


def _string(run: Run, row: Row, kind: str = "strings") -> Kept:
    a, b, level, name = row["a"], row["b"], row["level"], row["set"]
    said = f"{name} at {level:g}, pair {a}-{b}"
    ends = run.model_file(a, level), run.model_file(b, level)
    file = run.connection_file(name, level, a, b)
    return Kept(kind, said, file, ends, row, row["grid"], "row")


def _strings(run: Run) -> Iterator[Kept]:
    yield from (_string(run, row) for row in run.rows() if row["status"] == Status.CONNECTED)


def _holding(run: Run) -> list[Kept]:
    """The strings that failed but are the lowest known way between what they join: in the
    disconnectivity graph, or in a set's tree."""
    rows, snapshots = run.rows(), run.snapshots()
    held = set(forest(edges(rows, snapshots, run.barriers())))
    for name in run.sets():
        for tree in run.tree(name):
            own = [row for row in rows if row["set"] == name and row["level"] <= tree["level"]]
            below = [record for record in snapshots if record["level"] <= tree["level"]]
            held |= set(forest(edges(own, below), tree["limit"]))
    return [
        _string(run, row, "failed")
        for row in rows
        if row["limit"] is not None
        and row["status"] != Status.CONNECTED
        and held.intersection(edges([row]))
    ]


def _snapshots(run: Run) -> Iterator[Kept]:
    for record in run.snapshots():
        model, level, lower = record["model"], record["level"], record["lower"]
        said = f"model {model} itself from {level:g} to {lower:g}"
        ends = run.model_file(model, level), run.model_file(model, lower)
        if np.isfinite(upper_bound(record)):
            file = run.snapshot_file(model, level)
            yield Kept("snapshots", said, file, ends, record, record["grid"], "path")


def _barriers(run: Run) -> Iterator[Kept]:
    for record in run.barriers():
        a, b = record["a"], record["b"]
        ends = run.model_file(a, record["level_a"]), run.model_file(b, record["level_b"])
        if np.isfinite(upper_bound(record)):
            said, file = f"the barrier of pair {a}-{b}", run.barrier_file(a, b)
            yield Kept("barriers", said, file, ends, record, record["grid"], "path", lost=RAISED)


def _shortened(run: Run) -> Iterator[Kept]:
    found = {kept.file: kept for kept in _strings(run)}
    for measures in run.measures():
        for record in run.string_measures(measures):
            string = found[_string(run, record).file]
            yield string._replace(
                record=record,
                kind="shortened",
                name=f"{string.name}, shortened ({measures})",
                file=run.string_measure_file(measures, record),
                section="measured",
                prefix="shortened.",
                status="shortening",
                lost=DOWNGRADED,
            )
