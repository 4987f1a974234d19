"""Judge again, from the saved paths alone, on a finer grid."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from landscape.analysis.topology import Certified, edges, forest, upper_bound
from landscape.core.certificate import certify, segment_evaluator
from landscape.core.grid import SETTLED_CHANGE
from landscape.core.segments import Memoized, SegmentEvaluator
from landscape.core.task import Landscape
from landscape.stages.alignments import aligned_model
from landscape.stages.build import (
    Progress,
    build_landscape,
    check_and_cast_params,
    config_of,
    log,
    silent,
)
from landscape.stages.tree import refresh_trees
from landscape.store.files import Arrays, RunError, load_arrays, save_arrays
from landscape.store.records.alignments import Align
from landscape.store.records.base import OPTIONAL, Record, columns
from landscape.store.records.measures import DOWNGRADED, StringMeasure
from landscape.store.records.strings import (
    RAISED,
    BarrierRecord,
    StringRecord,
    between_models,
)
from landscape.store.run import Run

FINER = 4
BASIS = 50  # the grid that certificates are taken for which chose their points


class Kept(NamedTuple):
    """A path on disk: its record, in which its certificate is, and the files of its two ends.

    basis: the grid of the search that found it, or what it was made of; section: the record's name
    in the file (a row is in no file); prefix: of the names of the path's arrays; align: by what the
    second end is permuted.
    """

    kind: str
    name: str
    file: Path
    ends: tuple[Path, Path]
    record: Certified
    basis: int
    section: str = ""
    prefix: str = ""
    align: Align | None = None

    @property
    def grid(self) -> int:
        """What the path is certified on."""
        return self.record.grid or BASIS

    @property
    def limit(self) -> float | None:
        """What the path is said to stay below; None where only its bound is known."""
        record = self.record
        if isinstance(record, StringMeasure):
            return record.limit
        if isinstance(record, BarrierRecord) or record.status != "CONNECTED":
            return None
        return record.limit

    def lost(self, is_finite: bool) -> dict[str, str]:
        """The record's word for what is known of the path, where that does not hold; a bound alone
        has none."""
        if isinstance(self.record, StringMeasure):
            return {"shortening": DOWNGRADED}
        if isinstance(self.record, BarrierRecord):
            return {"status": RAISED}
        status = "NOT_FOUND" if is_finite else "NON_FINITE"
        return {} if self.limit is None else {"status": status}


@dataclass(frozen=True, kw_only=True)
class Verdict(Record):
    """On a path that was judged again.

    Attributes:
        kind: `strings`, those CONNECTED; `snapshots`, the models' own paths; `barriers`, lowered;
            `shortened`, the measured strings; and `failed`, strings that are not CONNECTED but hold
            the disconnectivity graph together.
        name: Of the path.
        set: Of a string; None of other paths, as method, level, a and b.
        method: Of the string's search.
        level: The string's.
        a: The model that the string begins at.
        b: The model that it ends at.
        grid: Points a segment.
        max_loss: The highest loss found.
        limit: What the path must stay below, or the bound that was known.
        agreed: Whether it does.
        reason: Why not.
    """

    kind: str
    name: str
    set: str | None = field(default=None, metadata=OPTIONAL)
    method: str | None = field(default=None, metadata=OPTIONAL)
    level: float | None = field(default=None, metadata=OPTIONAL)
    a: int | None = field(default=None, metadata=OPTIONAL)
    b: int | None = field(default=None, metadata=OPTIONAL)
    grid: int
    max_loss: float
    limit: float
    agreed: bool
    reason: str


def verify(run: Run, grid: int | None = None, progress: Progress = silent) -> list[Verdict]:
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
        grid: Points a segment, a fixed grid; None: four times the search's, 200 where its
            certificates chose their points.
        progress: Is told how far this is.

    Returns:
        A verdict for each path.

    Raises:
        RunError: Files are damaged or altered, or the grid is coarser than a path was certified on.
    """
    config = config_of(run)
    first = [*_strings(run), *_snapshots(run), *_barriers(run)]
    others = [*_shortened(run), *_holding(run)]
    coarsest = max((kept.grid for kept in (*first, *others)), default=0)
    if grid is not None and grid < coarsest:
        raise RunError(
            f"{run.directory}: certified on a grid of {coarsest} or as good; {grid} is coarser"
        )
    if not first and not others:
        return []
    landscape = build_landscape(config, progress)

    @functools.cache
    def evaluate(finer: int) -> SegmentEvaluator:
        return Memoized(segment_evaluator(landscape, finer))

    verdicts: list[Verdict] = []
    with run.stage("verify"):
        total = len(first) + len(others)
        for kept in _in_turn(run, first):
            finer = grid or max(FINER * kept.basis, kept.grid)
            verdicts.append(_judged_again(run, kept, landscape, evaluate(finer), finer))
            total = max(total, len(verdicts))
            agreed = sum(verdict.agreed for verdict in verdicts)
            progress("verifying", len(verdicts), total, agreed=agreed)
        progress("verifying", total, total)
        run.write_results()
        refresh_trees(run)
        for measures in run.measures():
            run.write_measures(measures)
    return verdicts


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
    run: Run, kept: Kept, landscape: Landscape, evaluate: SegmentEvaluator, grid: int
) -> Verdict:
    arrays, header = load_arrays(kept.file)
    points = _path(run, kept, arrays, landscape)
    bound = upper_bound(kept.record)
    known = bound + SETTLED_CHANGE * abs(bound)
    limit = known if kept.limit is None else kept.limit
    found = certify(points, evaluate, limit)
    agreed, finite, reason = found.holds(limit), bool(np.isfinite(found.maximum)), ""
    certificate: dict[str, float | str | None] = {
        "max_loss": found.maximum if finite else None,
        "barrier": found.barrier if finite else None,
        "max_at": found.max_at,
        "last_change": found.last_change,
        "resolution": found.resolution,
        "rounding": found.rounding,
        "verified": grid,
    }
    known_of = columns(type(kept.record))
    changes = {key: value for key, value in certificate.items() if key in known_of}
    if not agreed:
        above = f"{limit:.6g}" if kept.limit is not None else f"the {bound:.6g} known"
        reason = (
            f"verify at grid {grid} found {found.maximum:.6g} at {found.max_at:.4f} "
            f"of the path, above {above}"
        )
        before = kept.record.reason if kept.limit is None else ""
        changes["reason"] = "; ".join(filter(None, [before, reason]))
        changes |= kept.lost(finite)
        log.warning(f"DOWNGRADED {kept.name}: {reason}")
    if not agreed or not found.holds(known):
        again = replace(kept.record, **changes)
        if isinstance(again, StringRecord):
            run.append_rows([again])
        else:
            save_arrays(kept.file, arrays, {**header, kept.section: again})
    is_string = isinstance(kept.record, StringRecord | StringMeasure)
    keys = ("set", "method", "level", "a", "b") if is_string else ()
    return Verdict(
        kind=kept.kind,
        name=kept.name,
        **{key: getattr(kept.record, key) for key in keys},
        grid=grid,
        max_loss=found.maximum,
        limit=bound if kept.limit is None else limit,
        agreed=agreed,
        reason=reason,
    )


def _path(run: Run, kept: Kept, arrays: Arrays, landscape: Landscape) -> Arrays:
    """The path's arrays, if its ends are the run's own models bit for bit, the second permuted
    where it was aligned. Raises RunError."""
    points = {}
    for end, model in zip((0, -1), kept.ends, strict=True):
        own = check_and_cast_params(load_arrays(model)[0], landscape, model)
        if end and kept.align is not None and isinstance(kept.record, StringRecord | StringMeasure):
            of = kept.record
            own = aligned_model(run, landscape, kept.align, of.level, (of.a, of.b))
        for name, leaf in own.items():
            points[name] = arrays.get(kept.prefix + name)
            kind = leaf.dtype if points[name] is None else points[name].dtype
            if points[name] is None or not np.array_equal(points[name][end], leaf.astype(kind)):
                raise RunError(f"{kept.file}: its end {name} is not that of {model}")
    return {name: points[name].astype(leaf.dtype) for name, leaf in landscape.shapes.items()}


# -- what is judged --------------------------------------------------------------------------------


def _string(run: Run, row: StringRecord, kind: str = "strings") -> Kept:
    a, b, level, name = row.a, row.b, row.level, row.set
    said = f"{name} at {level:g}, pair {a}-{b}"
    ends = run.model_file(a, level), run.model_file(b, level)
    file = run.connection_file(name, level, a, b)
    return Kept(kind, said, file, ends, row, row.grid or BASIS, align=row.align)


def _strings(run: Run) -> Iterator[Kept]:
    yield from (_string(run, row) for row in run.rows() if row.status == "CONNECTED")


def _holding(run: Run) -> list[Kept]:
    """The strings that failed but are the lowest known way between what they join: in the
    disconnectivity graph, or in a set's tree."""
    rows, snapshots = run.rows(), run.snapshots()
    held = set(forest(edges(between_models(rows), snapshots, run.barriers())))
    for name in run.sets():
        for tree in run.tree(name):
            own = [row for row in rows if row.set == name and row.level <= tree.level]
            below = [record for record in snapshots if record.level <= tree.level]
            held |= set(forest(edges(own, below), tree.limit))
    return [
        _string(run, row, "failed")
        for row in rows
        if row.limit is not None and row.status != "CONNECTED" and held.intersection(edges([row]))
    ]


def _snapshots(run: Run) -> Iterator[Kept]:
    for record in run.snapshots():
        model, level, lower = record.model, record.level, record.lower
        said = f"model {model} itself from {level:g} to {lower:g}"
        ends = run.model_file(model, level), run.model_file(model, lower)
        if np.isfinite(upper_bound(record)):
            file = run.snapshot_file(model, level)
            yield Kept("snapshots", said, file, ends, record, record.grid or BASIS, "path")


def _barriers(run: Run) -> Iterator[Kept]:
    for record in run.barriers():
        a, b = record.a, record.b
        ends = run.model_file(a, record.level_a), run.model_file(b, record.level_b)
        if np.isfinite(upper_bound(record)):
            said, file = f"the barrier of pair {a}-{b}", run.barrier_file(a, b)
            yield Kept("barriers", said, file, ends, record, record.grid or BASIS, "path")


def _shortened(run: Run) -> Iterator[Kept]:
    found = {kept.file: kept for kept in _strings(run)}
    for measures in run.measures():
        for record in run.string_measures(measures):
            string = found[run.connection_file(record.set, record.level, record.a, record.b)]
            yield string._replace(
                record=record,
                kind="shortened",
                name=f"{string.name}, shortened ({measures})",
                file=run.string_measure_file(measures, record),
                section="measured",
                prefix="shortened.",
            )
