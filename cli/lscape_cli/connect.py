"""lscape connect"""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from lscape_cli import console, options

METHODS = ["dss", "constrained", "straight", "linear-network", "relu-construction"]


@click.command(cls=options.Command)
@options.run_argument
@click.option("--pairs", metavar="WHICH", help="all, disjoint (0-1, 2-3, ...) or a list: 0-1,0-2.")
@click.option(
    "--level",
    "levels",
    type=float,
    multiple=True,
    metavar="LEVEL",
    help="Only this level of the run; may be repeated.",
)
@click.option("--method", type=click.Choice(METHODS), help="How to search.")
@options.require_connected
@options.changes
@options.common
def connect(
    run: str,
    pairs: str | None,
    levels: tuple[float, ...],
    method: str | None,
    require_connected: bool,
    overrides: tuple[str, ...],
    seed: int | None,
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Search paths below each level between the models of RUN.

    Other settings than the run's own (--method, --seed, --set connect.KEY=VALUE) make another set
    of results beside the first. The same command resumes an unfinished search.

    \b
    Example:
      lscape connect runs/quickstart-* --pairs disjoint --level 0.5 --method straight
    """
    given = {"pairs": pairs, "method": method, "seed": seed}
    asked = [f"connect.{key}={value}" for key, value in given.items() if value is not None]
    with console.working(quiet) as progress:
        from landscape.runs import open_run
        from landscape.stages.connect import connect as connect_pairs

        opened = open_run(run, runs_dir)
        rows = connect_pairs(opened, [*overrides, *asked], levels or None, progress)
    if as_json:
        console.show_json({"run": str(opened.directory), "rows": rows})
    else:
        console.show("\n".join(_verdicts(rows)))
        console.show(f"results: {opened.results_file}")
    if require_connected:
        options.exit_unless_connected(rows)


def _verdicts(rows: list[dict[str, Any]]) -> list[str]:
    """A line a level: level 0.05: 5 of 6 pairs connected (1 STUCK)."""
    lines = []
    levels = dict.fromkeys(row["level"] for row in rows)
    width = max((len(f"{level:g}:") for level in levels), default=0)
    for level in levels:
        counts = Counter(str(row["status"]) for row in rows if row["level"] == level)
        pairs, connected = counts.total(), counts.pop("CONNECTED", 0)
        others = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        line = f"level {f'{level:g}:':<{width}} {connected} of {pairs} pairs connected"
        lines.append(f"{line} ({others})" if others else line)
    return lines
