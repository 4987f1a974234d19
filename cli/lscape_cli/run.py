"""lscape run"""

from __future__ import annotations

from pathlib import Path

import click

from lscape_cli import console, options
from lscape_cli.report import write, write_sweep


@click.command(cls=options.Command)
@options.config_argument
@options.require_connected
@click.option("--no-measure", is_flag=True, help="Leave out shortening, curvatures and Hessians.")
@options.workers
@options.log
@options.changes
@options.trust
@options.common
def run(
    config: str,
    require_connected: bool,
    no_measure: bool,
    workers: int | None,
    scheduler: str | None,
    log: str | None,
    overrides: tuple[str, ...],
    seed: int | None,
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train, connect, measure and report CONFIG in a row.

    Ends with a table and the path of the HTML report. The same command resumes an unfinished run.
    With a sweep section in CONFIG, every combination of its keys is a run of its own; these are
    measured where sweep.measures ask for it, as gap does (and by `lscape measure RUN`).

    \b
    Example:
      lscape run configs/quickstart.yaml --set connect.pairs=disjoint
    """
    overrides = (*overrides, *options.by_workers(workers, scheduler))
    with console.working(quiet) as progress:
        from landscape.cluster.clusters import shared_workers
        from landscape.config.load import ConfigError, load_config, load_sweep, run_name
        from landscape.live.log import logged
        from landscape.stages.connect import tree_of
        from landscape.stages.measure.run import measure
        from landscape.stages.sweep import asked, sweep
        from landscape.stages.sweep import run as run_whole

        grid = load_sweep(config, overrides, seed)
        tree, directory, trained = [], None, None
        with shared_workers():
            if grid is not None and log:
                raise ConfigError("--log is of one run, and a sweep has many")
            elif grid is not None:
                directory, rows = sweep(grid, runs_dir, progress, not no_measure)
            else:
                settings = load_config(config, overrides, seed)
                with logged(progress, log, Path(runs_dir) / run_name(settings)) as told:
                    trained, rows = run_whole(settings, runs_dir, told)
                    tree = tree_of(trained, asked(settings, "connect", "compute"))
                    if not no_measure:
                        measure(trained, asked(settings, "measure", "compute"), None, told)
    form = "json" if as_json else "table"
    if directory is not None:
        write_sweep(directory, form, quiet)
    elif trained is not None:
        write([trained], form, quiet)
    if require_connected:
        options.exit_unless_connected(rows, tree)
