"""Judge again, from the saved paths alone, on a finer grid."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from landscape.analysis.topology import edges, forest, upper_bound
from landscape.cluster.clusters import workers_of
from landscape.config.load import ConfigError, revised
from landscape.stages.build import Progress, build_landscape, config_of, log, silent
from landscape.stages.judged import BASIS, Kept, Verdict, keep
from landscape.stages.judging import Judge, judge_by
from landscape.stages.tree import refresh_trees
from landscape.store.files import RunError
from landscape.store.records.strings import StringRecord, between_models
from landscape.store.run import Run

FINER = 4


def verify(
    run: Run,
    grid: int | None = None,
    overrides: Sequence[str] = (),
    progress: Progress = silent,
) -> list[Verdict]:
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
        overrides: `compute.key=value` over the run's config.
        progress: Is told how far this is.

    Returns:
        A verdict for each path.

    Raises:
        ConfigError: The settings cannot be used.
        RunError: Files are damaged or altered, or the grid is coarser than a path was certified on.
    """
    for override in overrides:
        if not override.startswith("compute."):
            raise ConfigError(f"--set {override}: only keys of `compute` can be changed here")
    config = revised(config_of(run), overrides)
    run = Run(run.directory.resolve())  # workers may be in other folders
    first = [*_strings(run), *_snapshots(run), *_barriers(run)]
    others = [*_shortened(run), *_holding(run)]
    coarsest = max((kept.grid for kept in (*first, *others)), default=0)
    if grid is not None and grid < coarsest:
        raise RunError(
            f"{run.directory}: certified on a grid of {coarsest} or as good; {grid} is coarser"
        )
    if not first and not others:
        return []
    verdicts: list[Verdict] = []
    with run.stage("verify"), workers_of(config.compute) as pool:
        if pool is None:
            judge = Judge(run, build_landscape(config, progress))
        else:
            judge = functools.partial(judge_by, pool, run, config)
        total = len(first) + len(others)
        for part in _in_turn(run, first):
            found: dict[int, Verdict] = {}
            for place, verdict, again in judge([(kept, _finer(kept, grid)) for kept in part]):
                if again is not None:
                    keep(run, part[place], again)
                if not verdict.agreed:
                    log.warning(f"DOWNGRADED {verdict.name}: {verdict.reason}")
                found[place] = verdict
                total = max(total, len(verdicts) + len(found))
                agreed = sum(one.agreed for one in (*verdicts, *found.values()))
                by = {} if pool is None else {"workers": pool.workers}
                progress("verifying", len(verdicts) + len(found), total, agreed=agreed, **by)
            verdicts += [found[place] for place in range(len(part))]
        progress("verifying", total, total)
        run.write_results()
        refresh_trees(run)
        for measures in run.measures():
            run.write_measures(measures)
    return verdicts


def _finer(kept: Kept, grid: int | None) -> int:
    return grid or max(FINER * kept.basis, kept.grid)


def _in_turn(run: Run, first: list[Kept]) -> Iterator[list[Kept]]:
    """Then what is measured of strings that still hold, then what the graph has come to rest on."""
    yield first
    yield list(_shortened(run))
    known = {kept.file for kept in first}
    while failed := [kept for kept in _holding(run) if kept.file not in known]:
        known |= {kept.file for kept in failed}
        yield failed


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
    barriers = run.barriers()
    held = set(forest(edges(between_models(rows), snapshots, barriers)))
    held |= set(forest(edges(rows, snapshots, [*barriers, *run.aligned_barriers()])))
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
    for record in [*run.barriers(), *run.aligned_barriers()]:
        a, b, how = record.a, record.b, record.align
        ends = run.model_file(a, record.level_a), run.model_file(b, record.level_b)
        if np.isfinite(upper_bound(record)):
            said, file = f"the barrier of pair {a}-{b}", run.barrier_file(a, b, how)
            said += f", aligned by {how}" if how else ""
            basis = record.grid or BASIS
            yield Kept("barriers", said, file, ends, record, basis, "path", align=how)


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
