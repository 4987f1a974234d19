"""lscape schema"""

from __future__ import annotations

import sys

import click

from lscape_cli import console, options


@click.command(cls=options.QuickCommand)
def schema() -> None:
    """Print the JSON schema of a config, for editors.

    It has the sections, and the keys of every task, method and measure that is installed. An
    editor that knows YAML schemas checks and completes a config whose first line names the file:

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
