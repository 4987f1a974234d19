"""lscape align"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from lscape_cli import console, options

if TYPE_CHECKING:
    from landscape.core.alignment import Align

BY = ("weights", "weights-and-scales", "activations", "straight-through")  # Align, without it


@click.command(cls=options.Command)
@options.run_argument
@click.option(
    "--by",
    type=click.Choice(BY),
    default="weights",
    show_default=True,
    help="What is matched.",
)
@options.pairs
@options.only_levels
@options.changes
@options.trust
@options.common
def align(
    run: str,
    by: str,
    pairs: str | None,
    levels: tuple[float, ...],
    overrides: tuple[str, ...],
    seed: int | None,
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Permute the second model of each pair of RUN onto the first.

    Prints how near they come, and the loss on the straight lines between them before and after.
    The permutations are kept, and `lscape connect --set connect.align=weights` searches with them.

    \b
    Example:
      lscape align runs/quickstart-*
    """
    asked = options.overriding("connect", {"pairs": pairs, "seed": seed})
    with console.working(quiet) as progress:
        from landscape.report.data.alignments import (
            PAIR_COLUMNS,
            TABLES,
            alignments_of,
            pair_row_of,
        )
        from landscape.stages.align import align as align_pairs
        from landscape.store.run import open_run

        opened = open_run(run, runs_dir)
        how = cast("Align", by)
        found = align_pairs(opened, how, [*overrides, *asked], levels or None, progress)
    if as_json:
        console.show_json({"run": str(opened.directory), "alignments": found})
        return
    if not found:
        console.show(f"no pair of {opened.directory} has met a level")
        return
    console.show_table(PAIR_COLUMNS, [pair_row_of(one) for one in found], texts=1)
    for head, row_of, said in TABLES:
        console.show_table(head, [row_of(one) for one in alignments_of(found)], texts=1)
        console.show(said)
