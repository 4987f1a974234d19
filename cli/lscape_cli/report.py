"""lscape report"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lscape_cli import console, options

DRAWING = "writing the page"


@click.command(cls=options.Command)
@click.argument("runs", nargs=-1, required=True, type=click.Path(), metavar="RUN...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "rows"]),
    default="table",
    show_default=True,
    help="What to print; rows: the pairs of one RUN as results.csv has them, as far as they are.",
)
@click.option(
    "--against",
    type=click.Path(),
    metavar="FILE.csv",
    help="Compare with published figures, such as configs/paper/published.csv.",
)
@click.option(
    "--pairs",
    metavar="PAIRS",
    help="Whose strings to draw, a list such as 0-1,0-2; the longest are if it is left out.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Write the page again each minute until no process works on a RUN; then print.",
)
@options.common
def report(
    runs: tuple[str, ...],
    form: str,
    against: str | None,
    pairs: str | None,
    follow: bool,
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Print what was found in each RUN, per level.

    Pairs connected, lengths, beads, losses and costs, per level and method. Only reads what was
    found, also while the run goes on: then the page loads itself again each minute. The page opens
    offline: report.html in the run directory or, for several runs, report-N-runs.html in the first
    one's; the drawings of strings are under pictures/. A RUN may be the directory of a sweep,
    alone: then its combinations are set beside one another.

    \b
    Example:
      lscape report runs/quickstart-* --format csv
    """
    from landscape.report.data.against import read_published
    from landscape.store.files import RunError
    from landscape.store.run import open_run
    from landscape.store.sweeps import open_sweep

    sweeps = [run for run in runs if open_sweep(run, runs_dir)]
    if sweeps:
        if len(runs) > 1 or against or pairs or follow or form == "rows":
            raise RunError(
                f"{sweeps[0]}: a sweep is reported alone, without --against, --pairs, --follow "
                "and rows"
            )
        return write_sweep(sweeps[0], "json" if as_json else form, quiet, runs_dir)
    published = read_published(against) if against else []
    opened = [open_run(run, runs_dir) for run in runs]
    opened = list({run.directory.resolve(): run for run in opened}.values())
    if form == "rows":
        return _show_rows(opened)
    drawn = _pairs(pairs, opened) if pairs else []
    if follow:
        _follow(opened, published, drawn)
    write(opened, "json" if as_json else form, quiet, published, drawn)


def _show_rows(runs: Sequence[Any]) -> None:
    from landscape.store.files import RunError

    if len(runs) > 1:
        raise RunError(f"{runs[1]}: --format rows is of one run")
    console.show(runs[0].results_text().rstrip("\n"))


def _pairs(given: str, runs: Sequence[Any]) -> list[tuple[int, int]]:
    from landscape.config.load import ConfigError
    from landscape.config.sections import pair_list

    tried = {(row.a, row.b) for run in runs for row in run.rows()}
    try:
        pairs = pair_list(given, 1 + max((b for _, b in tried), default=1))
    except ValueError as error:
        raise ConfigError(f"--pairs: {error}") from None
    return [pair for pair in pairs if pair in tried]


def write(
    runs: Sequence[Any],
    form: str,
    quiet: bool,
    published: Sequence[Any] = (),
    pairs: Sequence[tuple[int, int]] = (),
) -> None:
    """Print the report of the runs, and write its page."""
    from landscape.report import known_of, levels_csv, report, write_html

    with console.working(quiet):
        known = [known_of(run) for run in runs]
        found = report(runs, published, known)
    page = _page_of(runs)
    try:
        with console.working(quiet) as progress:
            progress(DRAWING, 0, 1)
            write_html(runs, found, page, pairs, known)
            progress(DRAWING, 1, 1)
    finally:  # a disk that cannot take the page does not take the answer
        if form == "json":
            console.show_json(found)
        elif form == "csv":
            console.show(levels_csv(found).rstrip("\n"))
        else:
            _show_table(found)
    if form == "table":
        console.show(f"report: {page}")
    else:
        console.note(f"report: {page}", quiet)


def _page_of(runs: Sequence[Any]) -> Path:
    first: Path = runs[0].report_file
    return first if len(runs) == 1 else first.with_name(f"report-{len(runs)}-runs.html")


def _follow(
    runs: Sequence[Any], published: Sequence[Any], pairs: Sequence[tuple[int, int]]
) -> None:
    """Write the page of runs that others work on, until nobody does."""
    from landscape.report import known_of, report, write_html
    from landscape.report.page.html import REFRESH_SECONDS

    while any(run.in_use() for run in runs):
        known = [known_of(run) for run in runs]
        write_html(runs, report(runs, published, known), _page_of(runs), pairs, known)
        time.sleep(REFRESH_SECONDS)


def write_sweep(directory: str | Path, form: str, quiet: bool, runs_dir: str = "runs") -> None:
    """Print the report of a sweep, and write its page."""
    from landscape.report.data.sweep import sweep_report
    from landscape.report.page.sweep_page import (
        rates_said,
        sweep_csv,
        sweep_table,
        write_sweep_html,
    )
    from landscape.store.sweeps import open_sweep

    found = open_sweep(directory, runs_dir)
    assert found is not None
    with console.working(quiet) as progress:
        report = sweep_report(*found)
        progress(DRAWING, 0, 1)
        page = write_sweep_html(found[0], report)
        progress(DRAWING, 1, 1)
    if form == "json":
        console.show_json(report)
    elif form == "csv":
        console.show(sweep_csv(report).rstrip("\n"))
    else:
        console.show_table(*sweep_table(report), texts=len(report["over"]))
        console.show("\n".join([*rates_said(report), *report["notes"]]))
    if form == "table":
        console.show(f"report: {page}")
    else:
        console.note(f"report: {page}", quiet)


def _show_table(report: dict[str, Any]) -> None:
    from landscape.report.data.wording import (
        COMPARED,
        DIFFERENCE,
        compared,
        footnotes,
        method_error,
        not_connected,
        number,
        series,
    )

    levels = report["levels"]
    failures = any(level["connected"] < level["pairs"] for level in levels)
    head = ["search", "level", "connected", "length\nas found", "method error", "beads"]
    head += ["max loss", "barrier", "gradients", "seconds"] + ["no path found"] * failures
    rows = [
        [series(level, levels), f"{level['level']:g}", f"{level['connected']}/{level['pairs']}"]
        + [number(level["normalized_length"])]
        + [method_error(level["normalized_length"]["method_error"])]
        + [number(level[key]) for key in ("beads", "max_loss", "barrier")]
        + [number(level["grad_evals"], 0), number(level["seconds"], 1)]
        + [not_connected(level)] * failures
        for level in levels
    ]
    if rows:
        console.show_table(head, rows)
    _show_alignments(report["alignments"])
    _show_modulo(report["topology"])
    _show_best_known(report["best_known"])
    if report["against"]:
        console.show_table(COMPARED, [compared(r, report["against"]) for r in report["against"]])
        console.show(DIFFERENCE)
    said = [sentence for claim in report["claims"] for sentence in _sentences(claim, report)]
    console.show("\n".join([*footnotes(levels), *report["notes"], *said]))


def _show_alignments(records: Sequence[dict[str, Any]]) -> None:
    from landscape.report.data.alignments import TABLES

    several = len({one["run"] for one in records}) > 1
    for head, row_of, said in TABLES if records else ():
        rows = [[one["run"]] * several + row_of(one) for one in records]
        console.show_table(["run"] * several + list(head), rows, texts=1 + several)
        console.show(said)


def _show_modulo(topologies: Sequence[dict[str, Any]]) -> None:
    from landscape.report.data.modulo import COLUMNS, rows_of, said_of

    for topology in topologies:
        if rows := rows_of(topology):
            console.show_table(COLUMNS, rows)
            console.show(f"{topology['run']}: " * (len(topologies) > 1) + said_of(topology))


def _show_best_known(records: Sequence[dict[str, Any]]) -> None:
    from landscape.report.data.known_said import COLUMNS, findings_of, row_of
    from landscape.report.data.wording import series

    some = [record for record in records if record["known"]]
    if not some:
        return
    named = dict.fromkeys(series(record, some) for record in some)
    several = len(named) > 1
    rows = [[series(record, some)] * several + row_of(record) for record in some]
    console.show_table(["search"] * several + list(COLUMNS), rows, texts=1)
    for name in named:
        own = [record for record in some if series(record, some) == name]
        console.show("\n".join(f"{name}: " * several + said for said in findings_of(own)))


def _sentences(claim: dict[str, Any], report: dict[str, Any]) -> list[str]:
    from landscape.report.data.wording import series

    several = len(report["claims"]) > 1
    name = f"{series(claim, report['claims'])}: " if several else ""
    return [name + sentence for sentence in claim["sentences"]]
