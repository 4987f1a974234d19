"""lscape plane"""

from __future__ import annotations

from typing import Any

import click

from lscape_cli import console, options


class Models(click.ParamType):
    name = "models"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"expected numbers of models such as 0,1; got '{value}'", param, ctx)


@click.command(cls=options.Command)
@options.run_argument
@click.option("--models", type=Models(), metavar="A,B,C", help="The plane through three models.")
@click.option(
    "--pair",
    type=Models(),
    metavar="A,B",
    help="The plane through two models and the highest point of their string.",
)
@click.option(
    "--random",
    type=int,
    metavar="MODEL",
    help="Two filter-normalised random directions around a model.",
)
@click.option(
    "--level", type=float, metavar="L", help="Models as at this level; the lowest if left out."
)
@click.option(
    "--grid",
    type=click.IntRange(min=3),
    default=41,
    show_default=True,
    metavar="N",
    help="Points a side.",
)
@options.common
def plane(
    run: str,
    models: tuple[int, ...] | None,
    pair: tuple[int, ...] | None,
    random: int | None,
    level: float | None,
    grid: int,
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Draw the loss on a plane through models of RUN, with the strings between them.

    Writes SVG, PDF and CSV into the run's planes/, and says how far each string leaves the plane.
    The plane is on the page of the next report. The same command resumes an unfinished plane.

    \b
    Example:
      lscape plane runs/quickstart-* --models 0,1,2 --level 0.1
    """
    if sum(given is not None for given in (models, pair, random)) != 1:
        raise click.UsageError("give one of --models A,B,C, --pair A,B, --random MODEL")
    with console.working(quiet) as progress:
        from landscape.report.plane import write_plane
        from landscape.runs import open_run
        from landscape.stages.plane import plane as evaluate

        opened = open_run(run, runs_dir)
        name = evaluate(opened, models or (), pair or (), random, level, grid, progress)
        files = write_plane(opened, name)
        record = opened.load_plane(name)[1]
    if as_json:
        console.show_json({"run": str(opened.directory), "plane": name, **record, "files": files})
        return
    for string in record["strings"]:
        console.show(
            f"string {string['a']}-{string['b']} ({string['set']}, {string['status']}) leaves the "
            f"plane by at most {string['distance']:.4g}, {string['distance'] / string['chord']:.3g}"
            f" of its chord, at {string['distance_at']:.2f} of its length"
        )
    console.show("\n".join(files))
