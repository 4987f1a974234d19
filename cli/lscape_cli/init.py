"""lscape init"""

from __future__ import annotations

from pathlib import Path

import click

from lscape_cli import console, options


@click.command(cls=options.QuickCommand)
@click.argument("name", required=False)
@click.option(
    "--from", "begin_from", type=options.ExampleName(), metavar="EXAMPLE",
    help="digits (the default), flax, function or networks; see --list.",
)  # fmt: skip
@click.option("--list", "as_list", is_flag=True, help="List the examples.")
def init(name: str | None, begin_from: str | None, as_list: bool) -> None:
    """Write a commented config to begin from: NAME.yaml in this folder.

    NAME.py is written beside it where the example has code. A NAME that is an example's
    chooses that one. Nothing is ever overwritten.

    \b
    Example:
      lscape init my_task --from flax
    """
    from landscape.config.begin import EXAMPLES, begin, example

    if as_list:
        found = [[each, example(each).about] for each in EXAMPLES]
        console.show_table(["example", "what it is"], found, texts=2)
        return
    if begin_from is None and name in EXAMPLES:
        name, begin_from = None, name
    chosen = example(begin_from or next(iter(EXAMPLES)), name)
    written = begin(chosen, Path())
    console.show(f"wrote {' and '.join(path.name for path in written)}")
    console.show("\nNext:")
    for command in chosen.commands:
        console.show(f"  {command}")
    console.show("\nFor an editor that checks and completes configs:")
    console.show("  lscape schema > lscape.schema.json")
