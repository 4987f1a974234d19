"""lscape compare"""

from __future__ import annotations

import click

from lscape_cli import console, options


@click.command(cls=options.Command)
@options.run_argument
@click.option(
    "--methods",
    required=True,
    metavar="LIST",
    help="A list such as straight,dss,bezier; with settings, {method: bezier, points: 5} is one. "
    "The others are set against the first.",
)
@click.option(
    "--budget",
    required=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Gradients a pair and level; a loss counts as a third of one.",
)
@options.pairs
@options.only_levels
@options.changes
@options.trust
@options.common
def compare(
    run: str,
    methods: str,
    budget: int,
    pairs: str | None,
    levels: tuple[float, ...],
    overrides: tuple[str, ...],
    seed: int | None,
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Search the pairs of RUN by several methods within one budget, and set them side by side.

    Every method searches the same pairs and levels, and the same certificate judges. Prints a
    table, and writes how low the paths were at what cost as figures. `lscape report` shows both.

    \b
    Example:
      lscape compare runs/quickstart-* --methods straight,dss,bezier --budget 2000 --level 0.1
    """
    asked = options.overriding("connect", {"pairs": pairs, "seed": seed})
    with console.working(quiet) as progress:
        from landscape.config.load import ConfigError
        from landscape.config.yaml_source import Source
        from landscape.report.data.comparisons import COLUMNS, SAID, row_of
        from landscape.report.figures.comparison import write_figures
        from landscape.stages.compare import compare as compare_methods
        from landscape.store.run import open_run

        opened = open_run(run, runs_dir)
        source = Source("--methods")
        listed = source.read(f"[{methods}]", "methods", lambda line: "--methods")
        if source.problems:
            raise ConfigError(*(f"{key}: {said}" for key, said in source.problems))
        match listed:
            case [list(inner)]:  # brackets around all of it
                listed = inner
        records = compare_methods(
            opened, listed, budget, [*overrides, *asked], levels or None, progress
        )
        figures = write_figures(opened, records)
    if as_json:
        console.show_json({"run": str(opened.directory), "records": records})
        return
    if not records:
        console.show(f"no pair of {opened.directory} has met a level")
        return
    console.show_table(COLUMNS, [*map(row_of, records)], texts=1)
    console.show(SAID)
    for path in figures:
        console.show(f"figure: {path}")
