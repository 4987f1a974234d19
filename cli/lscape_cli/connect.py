"""lscape connect"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from lscape_cli import console, options

if TYPE_CHECKING:
    from landscape.store.records.strings import StringRecord, TreeRecord

PAIRS = (
    "all, disjoint (0-1, 2-3, ...), a list such as 0-1,0-2, or tree: only what can still join "
    "models, from the lowest level up."
)
UPPER = "components are an upper bound: paths that were not found may join more"


@click.command(cls=options.Command)
@options.run_argument
@click.option("--pairs", metavar="WHICH", help=PAIRS)
@options.only_levels
@click.option("--method", type=options.MethodName(), help="How to search: a name, or MODULE:CLASS.")
@options.require_connected
@options.workers
@options.log
@options.changes
@options.trust
@options.common
def connect(
    run: str,
    pairs: str | None,
    levels: tuple[float, ...],
    method: str | None,
    require_connected: bool,
    workers: int | None,
    scheduler: str | None,
    log: str | None,
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
      lscape connect runs/quickstart-* --pairs tree
      lscape connect runs/quickstart-* --workers 4
    """
    asked = options.overriding("connect", {"pairs": pairs, "method": method, "seed": seed})
    asked += options.by_workers(workers, scheduler)
    with console.working(quiet) as progress:
        from landscape.live.log import logged
        from landscape.stages.connect import connect as connect_pairs
        from landscape.stages.connect import tree_of
        from landscape.store.run import open_run

        opened = open_run(run, runs_dir)
        with logged(progress, log, opened.directory) as told:
            rows = connect_pairs(opened, [*overrides, *asked], levels or None, told)
        tree = tree_of(opened, [*overrides, *asked], levels or None)
    if as_json:
        console.show_json({"run": str(opened.directory), "rows": rows, "tree": tree})
    else:
        console.show("\n".join(_components(tree) if tree else _verdicts(rows)))
        console.show(f"results: {opened.results_file}")
    if require_connected:
        options.exit_unless_connected(rows, tree)


def _verdicts(rows: list[StringRecord]) -> list[str]:
    """A line a set and level: level 0.05: 5 of 6 pairs connected (1 STUCK); with the set's name
    where there are several."""
    lines = []
    places = dict.fromkeys((row.set, row.level) for row in rows)
    several = len({name for name, _ in places}) > 1
    width = max((len(f"{level:g}:") for _, level in places), default=0)
    for name, level in places:
        counts = Counter(str(row.status) for row in rows if (row.set, row.level) == (name, level))
        pairs, connected = counts.total(), counts.pop("CONNECTED", 0)
        others = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        line = f"level {f'{level:g}:':<{width}} {connected} of {pairs} pairs connected"
        align = next(row.align for row in rows if row.set == name)
        aligned = f" (aligned by {align})" if align else ""
        line = f"{name}{aligned}: {line}" if several else line
        lines.append(f"{line} ({others})" if others else line)
    return lines


def _components(tree: list[TreeRecord]) -> list[str]:
    """A line a level: level 0.05: 8 models in 2 components; 9 of 28 pairs searched, 6 connected."""
    lines = []
    width = max(len(f"{record.level:g}:") for record in tree)
    for record in tree:
        level, count = f"{record.level:g}:", len(record.components)
        lines.append(
            f"level {level:<{width}} {record.models} models in {count or 'no'} "
            f"component{'s' * (count != 1)}; {record.searched} of {record.pairs} pairs "
            f"searched, {record.connected} connected"
        )
    return [*lines, UPPER]
