"""The group of commands. Their modules import click alone, so that help does not wait for JAX."""

from __future__ import annotations

import click

from lscape_cli.align import align
from lscape_cli.check import check
from lscape_cli.compare import compare
from lscape_cli.connect import connect
from lscape_cli.init import init
from lscape_cli.measure import measure
from lscape_cli.plane import plane
from lscape_cli.report import report
from lscape_cli.run import run
from lscape_cli.runs import runs
from lscape_cli.schema import schema
from lscape_cli.symmetries import symmetries
from lscape_cli.train import train
from lscape_cli.verify import verify
from lscape_cli.watch import watch


class InOrder(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=InOrder,
    commands=[
        init,
        run,
        train,
        connect,
        measure,
        align,
        compare,
        plane,
        report,
        watch,
        verify,
        check,
        symmetries,
        runs,
        schema,
    ],
    epilog="Completion of commands and options, in bash: "
    'eval "$(_LSCAPE_COMPLETE=bash_source lscape)" in ~/.bashrc. For zsh and fish: zsh_source, '
    "fish_source.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="lscape")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Are trained networks connected at a given loss, and how curved is the road between them?

    \b
    To begin:
      lscape init
      lscape run digits.yaml

    A command exits with 0 for an answer, whatever it says; 1 for a failure; 2 for a mistake in the
    command or the config; 3 where --require-connected is not met; 130 when interrupted.
    """
    from landscape.core.trust import trusting

    ctx.with_resource(trusting("known"))
