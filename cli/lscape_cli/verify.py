"""lscape verify"""

from __future__ import annotations

import click

from lscape_cli import console, options


@click.command(cls=options.Command)
@options.run_argument
@click.option(
    "--grid",
    type=click.IntRange(min=1),
    metavar="N",
    help="Points a segment; by default finer than the search's.",
)
@options.common
def verify(run: str, grid: int | None, runs_dir: str, quiet: bool, as_json: bool) -> None:
    """Judge the CONNECTED strings of RUN again, on a finer grid.

    Reads the saved strings alone. One on which the finer grid finds a loss above the limit is
    downgraded. Exits with 0 whatever it finds.

    \b
    Example:
      lscape verify runs/quickstart-* --grid 200
    """
    with console.working(quiet) as progress:
        from landscape.runs import open_run
        from landscape.stages.verify import verify as judge_again

        opened = open_run(run, runs_dir)
        strings = judge_again(opened, grid, progress)
    if as_json:
        console.show_json({"run": str(opened.directory), "strings": strings})
        return
    lost = [string for string in strings if not string["agreed"]]
    if lost:
        rows = [
            [s["set"], f"{s['a']}-{s['b']}"]
            + [f"{s[key]:.6g}" for key in ("level", "max_loss", "limit", "grid")]
            for s in lost
        ]
        console.show_table(["set", "pair", "level", "max loss", "limit", "grid"], rows, texts=2)
    grids = ", ".join(str(n) for n in sorted({string["grid"] for string in strings}))
    held = len(strings) - len(lost)
    if strings:
        console.show(f"{held} of {len(strings)} CONNECTED strings hold at grid {grids}")
    else:
        console.show(f"{opened.directory} has no CONNECTED strings")
