"""lscape verify"""

from __future__ import annotations

import click

from lscape_cli import console, options

KINDS = {
    "strings": "CONNECTED strings",
    "snapshots": "models' own paths",
    "barriers": "lowered barriers",
    "shortened": "measured strings",
    "failed": "bounds on strings that failed, but hold the disconnectivity graph together,",
}


@click.command(cls=options.Command)
@options.run_argument
@click.option(
    "--grid",
    type=click.IntRange(min=1),
    metavar="N",
    help="Points a segment; by default finer than the search's.",
)
@options.workers
@options.trust
@options.common
def verify(
    run: str,
    grid: int | None,
    workers: int | None,
    scheduler: str | None,
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Judge the paths of RUN again, on a finer grid.

    Reads the saved paths alone: the CONNECTED strings, the models' own paths between levels, the
    lowered barriers and the measured strings, shortened or not. One on which the finer grid finds a
    loss above what was certified is downgraded, and no result rests on it any longer. Exits with 0
    whatever it finds.

    \b
    Example:
      lscape verify runs/quickstart-* --grid 200
    """
    with console.working(quiet) as progress:
        from landscape.stages.verify import verify as judge_again
        from landscape.store.run import open_run

        opened = open_run(run, runs_dir)
        paths = judge_again(opened, grid, options.by_workers(workers, scheduler), progress)
    if as_json:
        kinds = {kind: [path for path in paths if path.kind == kind] for kind in KINDS}
        console.show_json({"run": str(opened.directory), **kinds})
        return
    lost = [path for path in paths if not path.agreed]
    if lost:
        rows = [
            [path.name, *(f"{of:.6g}" for of in (path.max_loss, path.limit, path.grid))]
            for path in lost
        ]
        console.show_table(["path", "max loss", "limit", "grid"], rows)
    for kind, said in KINDS.items():
        own = [path for path in paths if path.kind == kind]
        grids = ", ".join(str(n) for n in sorted({path.grid for path in own}))
        held = sum(path.agreed for path in own)
        if own:
            console.show(f"{held} of {len(own)} {said} hold at grid {grids}")
        elif kind == "strings":
            console.show(f"{opened.directory} has no CONNECTED strings")
