"""lscape symmetries"""

from __future__ import annotations

import click

from lscape_cli import console, options


@click.command(cls=options.QuickCommand)
@options.config_argument
@options.trust
@options.changes
@options.quiet
@options.as_json
def symmetries(
    config: str, overrides: tuple[str, ...], seed: int | None, quiet: bool, as_json: bool
) -> None:
    """Show which units of CONFIG's network can be permuted.

    A line a class: how many units it has, and the axes of arrays that they are along, which share
    one permutation. Then the axes that are pinned, with the reason. The classes are derived from
    the task's loss, and each is proved at random parameters.

    \b
    Example:
      lscape symmetries configs/quickstart.yaml
    """
    with console.working(quiet) as progress:
        from landscape.config.load import load_config
        from landscape.stages.symmetries import symmetries as symmetries_of

        spec = symmetries_of(load_config(config, overrides, seed), progress)
    if as_json:
        classes = [
            {"units": one.size, "axes": [str(place) for place in one.places]}
            for one in spec.classes
        ]
        pinned = [vars(axis) for axis in spec.pinned]
        console.show_json({"classes": classes, "pinned": pinned})
        return
    if not spec.classes:
        console.show("no units can be permuted")
    for number, one in enumerate(spec.classes, 1):
        axes = ", ".join(map(str, one.places))
        console.show(f"class {number}: {one.size} units along {axes}")
    if spec.pinned:
        rows = [[f"{axis.array}[{axis.axis}]", axis.reason] for axis in spec.pinned]
        console.show("")
        console.show_table(["pinned", "why"], rows, texts=2)
