"""lscape watch"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lscape_cli import console, options

if TYPE_CHECKING:
    from landscape.live.following import Follower, News, Round
    from landscape.store.records.strings import StringRecord

BETWEEN_STAGES = 15.0  # seconds for which no process may hold a run that goes on
SHOWN = 6  # searches under way


@click.command(cls=options.QuickCommand)
@options.run_argument
@click.option(
    "--every", default=2.0, show_default=True, type=click.FloatRange(0.1), metavar="SECONDS",
    help="How often to look.",
)  # fmt: skip
@options.runs_dir
def watch(run: str, every: float, runs_dir: str) -> None:
    """Follow RUN while another process works on it.

    Shows how far training and searches are, until no process holds the run any more. It only
    reads. Where the output is no terminal, it prints a line a pair and level.

    \b
    Example:
      lscape watch runs/quickstart-*
    """
    from landscape.live.following import Follower
    from landscape.store.run import open_run

    follower = Follower(open_run(run, runs_dir))
    with console.live() as screen:
        free_since = time.monotonic()
        seen = False  # a process that holds the run
        while True:
            going = follower.run.in_use()
            news = follower.look()
            if screen is not None:
                screen(*_overview(follower))
            else:
                _print(news)
            if going:
                seen, free_since = True, time.monotonic()
            elif _is_over(follower, seen) or time.monotonic() - free_since > BETWEEN_STAGES:
                break
            time.sleep(every)
    console.note(_standing(follower))


def _is_over(follower: Follower, seen: bool) -> bool:
    """Whether no stage is to be waited for, of a run that no process holds: the latest ended before
    it was done, or nobody was seen to work. Between two stages a run is free for a moment."""
    meta = follower.run.meta()
    return meta.stage is not None and (meta.status != "done" or not seen)


def _print(news: News) -> None:
    for row in news.rows:
        console.show(_row(row))


def _row(row: StringRecord) -> str:
    length = "" if row.normalized_length is None else f", length {row.normalized_length:.4g}"
    why = f" ({row.reason})" if row.reason else ""
    return (
        f"{row.set}, level {row.level:g}, {row.a}-{row.b}: {row.status}{why}{length}, "
        f"{row.grad_evals:,} gradients, {row.loss_evals:,} losses"
    )


def _standing(follower: Follower) -> str:
    run = follower.run
    meta = run.meta()
    status = str(meta.status)
    if meta.stage is None:
        status = "not started"
    elif status == "running" and not run.in_use():
        status = "killed: no process holds it; the command that made it resumes it"
    return f"{run.directory.resolve().name}: {f'{meta.stage} ' * bool(meta.stage)}{status}"


def _overview(follower: Follower) -> tuple[str, list[str], list[list[str]], list[str]]:
    """The head's lines, the table's columns and rows, and the lines below."""
    head = "\n".join([_standing(follower), *_training(follower)])
    below = [_round(one) for one in list(follower.under_way.values())[-SHOWN:]]
    more = len(follower.under_way) - len(below)
    if more > 0:
        below.append(f"and {more:,} more under way")
    return head, COLUMNS, _levels(list(follower.rows.values())), below


def _round(one: Round) -> str:
    highest = "not finite" if one.highest is None else f"{one.highest:.4g}"
    return (
        f"{one.place.a}-{one.place.b} at {one.place.level:g}: round {one.number:g}, "
        f"{one.beads} beads, highest {highest}, {one.grad_evals:,} gradients"
    )


COLUMNS = ["search", "level", "connected", "length as found", "beads", "gradients", "losses"]


def _levels(rows: Sequence[StringRecord]) -> list[list[str]]:
    from landscape.analysis.summary import summarise
    from landscape.report.data.wording import number

    lines = []
    for level in summarise(rows):
        own = [row for row in rows if (row.set, row.level) == (level["set"], level["level"])]
        gradients, losses = level["grad_evals"], sum(row.loss_evals for row in own)
        shown = [number(level["normalized_length"]), number(level["beads"])]
        shown += [f"{gradients:,}", f"{losses:,}"]
        found = f"{level['connected']}/{level['tried']}"
        lines.append([level["set"], f"{level['level']:g}", found, *shown])
    return lines


def _training(follower: Follower) -> list[str]:
    lines = list(follower.lines.values())
    if not lines:
        return []
    config = follower.run.config()
    models, levels = config["train"]["models"], len(config["levels"]["values"])
    steps, values = [line.step for line in lines], [line.value for line in lines]
    ends = len(list((follower.run.directory / "models").glob("*/[!l]*.safetensors")))
    return [
        f"training: curves of {len(lines)} of {models} models, {min(steps):,} to {max(steps):,} "
        f"steps, {min(values):.4g} to {max(values):.4g}; {ends} of {models * levels} end points"
    ]
