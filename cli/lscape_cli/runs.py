"""lscape runs"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lscape_cli import console, options
from lscape_cli.check import size

if TYPE_CHECKING:
    from landscape.store.listing import Listing, RunSummary, SearchCount

MANY = 2  # levels that are listed


@click.command(cls=options.QuickCommand)
@options.runs_dir
@options.as_json
def runs(runs_dir: str, as_json: bool) -> None:
    """List the runs and sweeps, the latest first.

    What each has reached and how large it is. Pairs are counted at every level; of a sweep, in
    all its runs. A pair of which a network did not reach the level is not tried there. Give
    the folder of a sweep to list its own runs.

    \b
    Example:
      lscape runs --runs-dir runs
    """
    from landscape.store.listing import list_runs

    found = list_runs(Path(runs_dir))
    if as_json:
        console.show_json(_as_data(found))
        return
    if found.runs:
        missed = any(one.not_reached for run in found.runs for one in run.searches)
        head = ["run", "status", "levels", "search", "connected", "size", "changed"]
        if missed:
            head.insert(5, "level not\nreached")
        lines = [line for run in found.runs for line in _lines(run, missed)]
        console.show_table(head, lines, texts=4)
    else:
        there = "no runs in it" if Path(runs_dir).is_dir() else "there is no such folder yet"
        console.show(f"{runs_dir}: {there}")
        console.show("lscape init writes a config to begin from; lscape run CONFIG makes a run")
    for directory, why in found.left_out:
        console.note(f"left out: {directory}: {why}")


def _as_data(found: Listing) -> dict[str, Any]:
    return {
        "runs": [_run_as_data(run) for run in found.runs],
        "left_out": [{"directory": str(path), "reason": why} for path, why in found.left_out],
    }


def _run_as_data(run: RunSummary) -> dict[str, Any]:
    searches = [
        {
            "search": one.search, "connected": one.connected, "tried": one.tried,
            "share": one.share, "level_not_reached": one.not_reached,
        }
        for one in run.searches
    ]  # fmt: skip
    return {
        "name": run.name,
        "directory": str(run.directory),
        "kind": run.kind,
        "status": run.status,
        "stage": run.stage,
        "runs": run.runs,
        "runs_done": run.runs_done,
        "levels": run.levels,
        "searches": searches,
        "bytes": run.size,
        "changed": datetime.fromtimestamp(run.changed, UTC).isoformat(timespec="seconds"),
    }


def _lines(run: RunSummary, missed: bool) -> list[list[str]]:
    """A line a search; what is the run's stands in the first. missed: with a column for that."""
    first = [run.name, _status(run), _levels(run.levels)]
    last = [size(run.size), _when(datetime.fromtimestamp(run.changed))]
    searches = [_search(one, missed) for one in run.searches] or [
        ["", "none tried", *missed * [""]]
    ]
    return [
        [*(first if number == 0 else [""] * 3), *search, *(last if number == 0 else [""] * 2)]
        for number, search in enumerate(searches)
    ]


def _when(time: datetime) -> str:
    now = datetime.now()
    if time.date() == now.date():
        return f"{time:%H:%M}"
    return f"{time:%d %b}" if time.year == now.year else f"{time:%b %Y}"


def _status(run: RunSummary) -> str:
    stage = (run.stage or "").partition(" ")[0]  # without the set's name
    how = f"{stage} {run.status}".strip()
    if run.kind == "run":
        return "done" if run.status == "done" and run.searches else how
    parts = f"{run.runs_done}/{run.runs} runs done"
    return parts if run.status in ("done", "unfinished") else f"{parts}, {how}"


def _levels(levels: Sequence[float]) -> str:
    if len(levels) <= MANY:
        return ", ".join(f"{level:g}" for level in levels)
    return f"{len(levels)}, {levels[0]:g} to {levels[-1]:g}"


def _search(one: SearchCount, missed: bool) -> list[str]:
    share = "none tried" if one.share is None else f"{one.connected}/{one.tried} {one.share:.0%}"
    return [one.search, share, *missed * [f"{one.not_reached:,}" if one.not_reached else ""]]
