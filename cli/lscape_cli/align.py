"""lscape align"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lscape_cli import console, options

if TYPE_CHECKING:
    from landscape.store.records.alignments import AlignmentRecord

COLUMNS = (
    "level", "pair", "objective", "aligned", "starts from", "to", "distance", "aligned",
    "max loss", "aligned", "barrier", "aligned",
)  # fmt: skip
MEANING = (
    "aligned: after the second model's units are permuted onto the first's. starts: where the "
    "lowest and the highest start of the matching ended. distance, max loss and barrier: of the "
    "straight line; the barrier is above the straight interpolation of the losses at its ends"
)


@click.command(cls=options.Command)
@options.run_argument
@click.option(
    "--by",
    type=click.Choice(["weights", "activations"]),
    default="weights",
    show_default=True,
    help="What is matched.",
)
@click.option("--pairs", metavar="WHICH", help="Of the models, as for lscape connect.")
@options.only_levels
@options.changes
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
    given = {"pairs": pairs, "seed": seed}
    asked = [f"connect.{key}={value}" for key, value in given.items() if value is not None]
    with console.working(quiet) as progress:
        from landscape.stages.align import align as align_pairs
        from landscape.store.run import open_run

        opened = open_run(run, runs_dir)
        how = "weights" if by == "weights" else "activations"
        found = align_pairs(opened, how, [*overrides, *asked], levels or None, progress)
    if as_json:
        console.show_json({"run": str(opened.directory), "alignments": found})
        return
    if not found:
        console.show(f"no pair of {opened.directory} has met a level")
        return
    console.show_table(COLUMNS, [_cells(one) for one in found])
    console.show(MEANING)


def _cells(one: AlignmentRecord) -> list[str]:
    lines = one.raw, one.aligned
    numbers = [one.before, one.objective, min(one.objectives), max(one.objectives)]
    for key in ("chord", "max_loss", "barrier"):
        numbers += [getattr(line, key) for line in lines]
    cells = ["–" if number is None else f"{number:.4g}" for number in numbers]
    return [f"{one.level:g}", f"{one.a}-{one.b}", *cells]
