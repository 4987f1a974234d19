"""lscape report"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lscape_cli import console, options

CLUSTERED = "± is a jackknife over models (clustered): pairs that share a model are not independent"
INDEPENDENT = "± is the standard error over connected pairs"
NOT_FOUND = "a search that fails shows nothing about disconnection: a longer one may find a path"


@click.command(cls=options.Command)
@click.argument("runs", nargs=-1, required=True, type=click.Path(), metavar="RUN...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="What to print.",
)
@options.common
def report(runs: tuple[str, ...], form: str, runs_dir: str, quiet: bool, as_json: bool) -> None:
    """Print what was found in each RUN, per level.

    Pairs connected, lengths, beads, losses and costs, per level and method. Only reads the run.
    Also writes a page that opens offline: report.html in the run directory or, for several runs,
    report-N-runs.html in the first one's.

    \b
    Example:
      lscape report runs/quickstart-* --format csv
    """
    from landscape.runs import open_run

    opened = [open_run(run, runs_dir) for run in runs]
    write(opened, "json" if as_json else form, quiet)


def write(runs: Sequence[Any], form: str, quiet: bool) -> None:
    """Print the report of the runs, and write its page."""
    from landscape.report import levels_csv, report, write_html

    with console.working(quiet):
        found = report(runs)
    first: Path = runs[0].report_file
    page = first if len(runs) == 1 else first.with_name(f"report-{len(runs)}-runs.html")
    try:
        write_html(runs, found, page)
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


def _show_table(report: dict[str, Any]) -> None:
    levels = report["levels"]
    several = len({level["run"] for level in levels}) > 1
    failures = any(level["connected"] < level["pairs"] for level in levels)
    texts = ["run"] * several + ["method"]
    numbers = ["level", "connected", "normalised\nlength", "beads", "max loss", "barrier"]
    numbers += ["gradients", "seconds"] + ["not connected"] * failures
    rows = [
        [str(level["run"])] * several
        + [_method(level, levels), f"{level['level']:g}"]
        + [f"{level['connected']}/{level['pairs']}"]
        + [_number(level[key]) for key in ("normalized_length", "beads", "max_loss", "barrier")]
        + [_number(level["grad_evals"], 0), _number(level["seconds"], 1)]
        + [_others(level)] * failures
        for level in levels
    ]
    console.show_table(texts + numbers, rows, len(texts))
    clustered = {level["normalized_length"]["clustered"] for level in levels}
    feet = [CLUSTERED] * ("model" in clustered) + [INDEPENDENT] * (None in clustered)
    console.show("\n".join([*feet, *[NOT_FOUND] * failures, *report["notes"]]))


def _method(level: dict[str, Any], levels: list[dict[str, Any]]) -> str:
    """The method, or the set where the run has two of that method."""
    key = level["run"], level["method"]
    sets = {other["set"] for other in levels if (other["run"], other["method"]) == key}
    return str(level["method"] if len(sets) == 1 else level["set"])


def _others(level: dict[str, Any]) -> str:
    counts = level["statuses"].items()
    return ", ".join(f"{n} {status}" for status, n in counts if status != "CONNECTED" and n)


def _number(value: Any, decimals: int | None = None) -> str:
    """A number, or 1.312 ± .041 for a mean with its standard error; – for none."""
    mean, error = (value["mean"], value["se"]) if isinstance(value, dict) else (value, None)
    if mean is None:
        return "–"
    if error is None or not math.isfinite(error):
        return f"{mean:,.{decimals}f}" if decimals is not None else f"{mean:.4g}"
    places = min(4, max(0, 1 - math.floor(math.log10(error)))) if error > 0 else 3
    return f"{mean:.{places}f} ± " + f"{error:.{places}f}".removeprefix("0" if places else "")
