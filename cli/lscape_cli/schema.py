"""lscape schema"""

from __future__ import annotations

import sys

import click

from lscape_cli import console, options


@click.command(cls=options.QuickCommand)
def schema() -> None:
    """Print the JSON schema of a config, for editors.

    It has the sections, and the keys of every task, method and measure. Of an installed plug-in
    that is not trusted yet it has the name alone: a command with --trust that names it comes
    first. An editor that knows YAML schemas checks and completes a config whose first line names
    the file:

    \b
      # yaml-language-server: $schema=lscape.schema.json

    \b
    Example:
      lscape schema > lscape.schema.json
    """
    from landscape.config.schema import config_schema

    console.show_json(config_schema())
    if sys.stdout.isatty():
        console.note("\nto keep it: lscape schema > lscape.schema.json")
