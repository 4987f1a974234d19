"""lscape run"""

from __future__ import annotations

import json
from typing import Any

import click

from lscape_cli import console, options
from lscape_cli.report import write


@click.command(cls=options.Command)
@options.config_argument
@options.require_connected
@click.option("--no-measure", is_flag=True, help="Leave out shortening, curvatures and Hessians.")
@options.changes
@options.common
def run(
    config: str,
    require_connected: bool,
    no_measure: bool,
    overrides: tuple[str, ...],
    seed: int | None,
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train, connect, measure and report CONFIG in a row.

    Ends with a table and the path of the HTML report. The same command resumes an unfinished run.

    \b
    Example:
      lscape run configs/quickstart.yaml --set connect.pairs=disjoint
    """
    with console.working(quiet) as progress:
        from landscape.config import load_config
        from landscape.stages.connect import connect, tree_of
        from landscape.stages.measure import measure
        from landscape.stages.train import train

        settings = load_config(config, overrides, seed)
        trained = train(settings, runs_dir, progress)
        asked = _asked(settings, "connect", "compute")
        rows = connect(trained, asked, None, progress)
        tree = tree_of(trained, asked)
        if not no_measure:
            measure(trained, _asked(settings, "measure", "compute"), None, progress)
    write([trained], "json" if as_json else "table", quiet)
    if require_connected:
        options.exit_unless_connected(rows, tree)


def _asked(settings: Any, *sections: str) -> list[str]:
    """Sections as overrides: the run may be older than they, which are no part of its name."""
    return [
        f"{name}.{key}={json.dumps(value)}"
        for name in sections
        for key, value in getattr(settings, name).model_dump(mode="json").items()
    ]
