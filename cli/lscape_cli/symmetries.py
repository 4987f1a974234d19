"""lscape symmetries"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from lscape_cli import console, options

if TYPE_CHECKING:
    from landscape.symmetry.scales import Scales
    from landscape.symmetry.spec import PermutationClass


@click.command(cls=options.QuickCommand)
@options.config_argument
@options.trust
@options.changes
@options.quiet
@options.as_json
def symmetries(
    config: str, overrides: tuple[str, ...], seed: int | None, quiet: bool, as_json: bool
) -> None:
    """Show which units of CONFIG's network can be permuted, change their sign, or be scaled.

    Of each class: how many units it has, and the axes of arrays that they are along, which share
    one permutation; whether a unit may change its sign on all of them; which of them may be
    multiplied by a positive factor, and which are then divided by it. Where there is none, the
    reason. Then the axes that are pinned, with the reason. All is derived from the task's loss, and
    proved at random parameters.

    \b
    Example:
      lscape symmetries configs/quickstart.yaml
    """
    with console.working(quiet) as progress:
        from landscape.config.load import load_config
        from landscape.stages.symmetries import symmetries as symmetries_of

        spec, scales = symmetries_of(load_config(config, overrides, seed), progress)
    if as_json:
        classes = [
            {"units": one.size, "axes": [str(place) for place in one.places], **asdict(own)}
            for one, own in zip(spec.classes, scales, strict=True)
        ]
        pinned = [vars(axis) for axis in spec.pinned]
        console.show_json({"classes": classes, "pinned": pinned})
        return
    if not spec.classes:
        console.show("no units can be permuted")
    for number, (one, own) in enumerate(zip(spec.classes, scales, strict=True), 1):
        console.show(f"class {number}: {one.size} units along {', '.join(map(str, one.places))}")
        console.show("  sign free" if own.signs else f"  sign fixed: {own.no_signs}")
        console.show(_factor(one, own) if own.powers else f"  scale fixed: {own.no_powers}")
    if spec.pinned:
        rows = [[f"{axis.array}[{axis.axis}]", axis.reason] for axis in spec.pinned]
        console.show("")
        console.show_table(["pinned", "why"], rows, texts=2)


def _factor(one: PermutationClass, own: Scales) -> str:
    assert own.powers is not None
    pairs = list(zip(one.places, own.powers, strict=True))
    up, down = (", ".join(str(place) for place, of in pairs if of == power) for power in (1, -1))
    return f"  scale free: a factor on {up}, its inverse on {down}"
