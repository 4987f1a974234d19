"""lscape measure"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from lscape_cli import console, options

if TYPE_CHECKING:
    from landscape.analysis.best_known import BestKnown
    from landscape.report.data.known import Place
    from landscape.stages.measure.run import Measured
    from landscape.store.records.base import Record
    from landscape.store.records.measures import (
        ModelMeasure,
        OtherMeasureRecord,
        PartMeasure,
        StringMeasure,
        TopMeasure,
    )
    from landscape.store.records.strings import BarrierRecord


@click.command(cls=options.Command)
@options.run_argument
@options.only_levels
@click.option(
    "--set", "overrides", multiple=True, metavar="measure.KEY=VALUE",
    help="Change a key of the config's measure section; may be repeated.",
)  # fmt: skip
@options.workers
@options.trust
@options.common
def measure(
    run: str,
    levels: tuple[float, ...],
    workers: int | None,
    scheduler: str | None,
    overrides: tuple[str, ...],
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Shorten the CONNECTED strings of RUN, measure them and the models, and lower the barriers.

    Lengths, turning angles, the curvature of the level sets, and the Hessian's eigenvalues. Other
    settings than the run's own make other measures beside the first. Barriers are at no one level:
    --level leaves them alone. The same command resumes.

    \b
    Example:
      lscape measure runs/quickstart-* --level 0.1 --set measure.hessian=false
    """
    with console.working(quiet) as progress:
        from landscape.stages.measure.run import measure as measure_run
        from landscape.store.run import open_run

        opened = open_run(run, runs_dir)
        asked = (*overrides, *options.by_workers(workers, scheduler))
        found = measure_run(opened, asked, levels or None, progress)
    if as_json:
        console.show_json({"run": str(opened.directory), **vars(found)})
        return
    if found.strings:
        from landscape.report.data.known import by_place, known_of

        columns = ["set", "level", "strings", "length found", "shortened", "method error", "ended"]
        lines = _strings(found, by_place(known_of(opened)))
        console.show_table([*columns, "total curvature", "level curvature"], lines, 1)
    if found.models:
        columns = ["models at", "models", "largest eigenvalue", "smallest", "trace"]
        console.show_table(columns, _models(found), 0)
    if found.parts:
        columns = ["models at", "over", "parameters", "models", "largest eigenvalue", "smallest"]
        console.show_table([*columns, "trace"], _parts(found), 1)
    if any(row.rank > 1 for row in found.top):
        console.show_table(["models at", "rank", "models", "eigenvalue"], _top(found), 0)
    if found.also:
        console.show_table(
            ["measure", "of", "level", "quantity", "measured", "mean"], _also(found), 1
        )
    for how, records in groupby(found.barriers, lambda record: record.align):
        console.show(_barriers(list(records), f", aligned by {how}" if how else ""))
    console.show(f"means, without sampling errors; each is in {opened.latest_measures_directory}")


def _strings(found: Measured, best: Mapping[Place, BestKnown]) -> list[list[str]]:
    """A line a set and level, from means over its strings; the method error is of the shortened."""
    from landscape.report.data.known import method_errors
    from landscape.report.data.wording import method_error

    groups: dict[tuple[str, float], list[StringMeasure]] = {}
    for row in found.strings:
        groups.setdefault((row.set, row.level), []).append(row)
    keys = "normalized_length_found", "normalized_length", "total_curvature", "level_curvature_mean"
    lines = []
    for (name, level), rows in groups.items():
        before, after, turned, bent = (_mean(rows, key) for key in keys)
        if all(row.products is None for row in rows):
            bent = "no measure.hessian"
        ended = _counts(rows, "shortening")
        known = [
            (best[row.set, row.level, row.a, row.b], row.length)
            for row in rows
            if row.length is not None and (row.set, row.level, row.a, row.b) in best
        ]
        error = method_error(method_errors(known))
        lines.append(
            [name, f"{level:g}", str(len(rows)), before, after, error, ended, turned, bent]
        )
    return lines


def _models(found: Measured) -> list[list[str]]:
    groups: dict[float, list[ModelMeasure]] = {}
    for row in found.models:
        groups.setdefault(row.level, []).append(row)
    return [[f"{level:g}", str(len(rows)), *_hessian(rows)] for level, rows in groups.items()]


def _parts(found: Measured) -> list[list[str]]:
    groups: dict[tuple[float, str, int], list[PartMeasure]] = {}
    for row in found.parts:
        groups.setdefault((row.level, row.over, row.parameters), []).append(row)
    return [
        [f"{level:g}", over, str(parameters), str(len(rows)), *_hessian(rows)]
        for (level, over, parameters), rows in groups.items()
    ]


def _top(found: Measured) -> list[list[str]]:
    groups: dict[tuple[float, int], list[TopMeasure]] = {}
    for row in found.top:
        groups.setdefault((row.level, row.rank), []).append(row)
    return [
        [f"{level:g}", str(rank), str(len(rows)), _resolved(rows, "value")]
        for (level, rank), rows in groups.items()
    ]


def _also(found: Measured) -> list[list[str]]:
    groups: dict[tuple[str, str, float, str], list[OtherMeasureRecord]] = {}
    for row in found.also:
        key = row.measure, row.set or "models", row.level, row.quantity
        groups.setdefault(key, []).append(row)
    return [
        [measure, of, f"{level:g}", quantity, str(len(rows)), _mean(rows, "value")]
        for (measure, of, level, quantity), rows in groups.items()
    ]


def _hessian(rows: Sequence[Record]) -> list[str]:
    return [_resolved(rows, "largest"), _resolved(rows, "smallest"), _mean(rows, "trace")]


def _resolved(rows: Sequence[Record], key: str) -> str:
    """The mean of eigenvalues that are resolved, with how many are not."""
    from landscape.report.data.wording import is_resolved

    known = [row for row in rows if getattr(row, key) is not None]
    some = [row for row in known if is_resolved(row, key)]
    text, open_ones = _mean(some, key), len(known) - len(some)
    counted = f"{open_ones} of {len(known)} not resolved" if open_ones else ""
    return f"{text} ({counted})" if text and counted else text or counted


def _barriers(records: Sequence[BarrierRecord], how: str) -> str:
    """barriers of 2 pairs (1 BUDGET, 1 TIGHT): the highest at most 0.31, its ends 0.1 and 0.09"""
    from landscape.analysis.topology import upper_bound

    highest = max(records, key=upper_bound)
    pairs = f"{len(records)} pair{'s' * (len(records) != 1)}{how} ({_counts(records, 'status')})"
    ends = f"{highest.loss_a:.5g} and {highest.loss_b:.5g}"
    return f"barriers of {pairs}: the highest at most {upper_bound(highest):.5g}, its ends {ends}"


def _counts(records: Sequence[Record], key: str) -> str:
    counts = Counter(str(getattr(record, key)) for record in records)
    return ", ".join(f"{number} {word}" for word, number in sorted(counts.items()))


def _mean(rows: Sequence[Record], key: str) -> str:
    """With how many it is of, where that is not all."""
    known = [value for value in (getattr(row, key) for row in rows) if value is not None]
    if not known:
        return ""
    text = f"{sum(known) / len(known):.5g}"
    return text if len(known) == len(rows) else f"{text} (of {len(known)})"
