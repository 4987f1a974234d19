"""lscape train"""

from __future__ import annotations

from pathlib import Path

import click

from lscape_cli import console, options


@click.command(cls=options.Command)
@options.config_argument
@options.workers
@options.log
@options.changes
@options.trust
@options.common
def train(
    config: str,
    workers: int | None,
    scheduler: str | None,
    log: str | None,
    overrides: tuple[str, ...],
    seed: int | None,
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train the models of CONFIG down to its levels.

    Keeps each model where it first meets a level. Prints the run directory. The same command
    resumes an unfinished run.

    \b
    Example:
      lscape train configs/quickstart.yaml --set train.models=6 --seed 1
      lscape train configs/quickstart.yaml --workers 2
    """
    with console.working(quiet) as progress:
        from landscape.config.load import load_config, run_name
        from landscape.live.log import logged
        from landscape.stages.train import train as train_models

        asked = (*overrides, *options.by_workers(workers, scheduler))
        settings = load_config(config, asked, seed)
        with logged(progress, log, Path(runs_dir) / run_name(settings)) as told:
            run = train_models(settings, runs_dir, told)
    if as_json:
        console.show_json({"run": str(run.directory), "models": run.models()})
    else:
        console.show(str(run.directory))
