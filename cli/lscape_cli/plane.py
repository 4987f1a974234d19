"""lscape plane"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lscape_cli import console, options

if TYPE_CHECKING:
    from landscape.store.records.planes import PlaneRecord


class Models(click.ParamType):
    name = "models"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"expected numbers of models such as 0,1; got '{value}'", param, ctx)


class AllOrModels(Models):
    """No numbers are all."""

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        return () if value == "all" else super().convert(value, param, ctx)


class Range(click.ParamType):
    name = "range"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        try:
            ends = tuple(float(part) for part in value.split(","))
        except ValueError:
            ends = ()
        ends = ends * 2 if len(ends) == 2 else ends
        if len(ends) != 4 or not (ends[0] < ends[1] and ends[2] < ends[3]):
            self.fail(
                f"expected FROM,TO or FROM,TO,FROM,TO, each from less to more; got '{value}'",
                param,
                ctx,
            )
        return ends


@click.command(cls=options.Command)
@click.argument("runs", nargs=-1, required=True, type=click.Path(), metavar="RUN...")
@click.option("--models", type=Models(), metavar="A,B,C", help="The plane through three models.")
@click.option(
    "--pair",
    type=Models(),
    metavar="A,B",
    help="The plane through two models and the highest point of their string.",
)
@click.option(
    "--random",
    type=int,
    metavar="MODEL",
    help="Two filter-normalised random directions around a model.",
)
@click.option(
    "--trajectory",
    type=AllOrModels(),
    metavar="A,B,...|all",
    help="The principal axes of models on their way, of one RUN or several.",
)
@click.option(
    "--level",
    type=float,
    metavar="L",
    help="Models as at this level, or trajectories up to it; the lowest if left out.",
)
@click.option(
    "--grid",
    type=click.IntRange(min=3),
    default=41,
    show_default=True,
    metavar="N",
    help="Points a side.",
)
@click.option(
    "--range",
    "span",
    type=Range(),
    metavar="FROM,TO[,FROM,TO]",
    help="Of both axes, or of the first and the second; all that is drawn if left out.",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="plane.KEY=VALUE",
    help="Change a key of the config's plane section; may be repeated.",
)  # fmt: skip
@options.trust
@options.common
def plane(
    runs: tuple[str, ...],
    models: tuple[int, ...] | None,
    pair: tuple[int, ...] | None,
    random: int | None,
    trajectory: tuple[int, ...] | None,
    level: float | None,
    grid: int,
    span: tuple[float, float, float, float] | None,
    overrides: tuple[str, ...],
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Draw the loss on a plane through models of RUN, with their strings or trajectories.

    Writes SVG, PDF and CSV into the first run's planes/, and says how far each string or trajectory
    leaves the plane. The plane is on the page of the next report. The same command resumes an
    unfinished plane.

    \b
    Examples:
      lscape plane runs/quickstart-* --models 0,1,2 --level 0.1
      lscape plane runs/quickstart-* --random 0 --range -0.5,0.5
      lscape plane runs/adam-1a2b3c4d runs/sgd-5e6f7a8b --trajectory 0,1
    """
    kinds = (models, pair, random, trajectory)
    if sum(given is not None for given in kinds) != 1:
        raise click.UsageError(
            "give one of --models A,B,C, --pair A,B, --random MODEL, --trajectory A,B,...|all"
        )
    if trajectory is None and len(runs) > 1:
        raise click.UsageError("several runs go with --trajectory only")
    if trajectory is not None and overrides:
        raise click.UsageError("--set goes with --random: trajectories have no settings")
    with console.working(quiet) as progress:
        from landscape.report.figures.plane import write_plane
        from landscape.stages.plane import plane as evaluate
        from landscape.stages.trajectory import trajectory as follow
        from landscape.store.records.base import as_dict
        from landscape.store.run import open_run

        opened = [open_run(run, runs_dir) for run in runs]
        opened = list({run.directory.resolve(): run for run in opened}.values())
        first = opened[0]
        if trajectory is None:
            asked = models or (), pair or (), random, level, grid, span, overrides
            name = evaluate(first, *asked, progress)
        else:
            name = follow(opened, trajectory, level, grid, span, progress)
        files = write_plane(first, name)
        record = first.load_plane(name)[1]
    if as_json:
        about = {"run": str(first.directory), "plane": name}
        console.show_json({**about, **as_dict(record), "files": files})
        return
    console.show("\n".join([*_said(record, len(opened) > 1), *files]))


def _said(record: PlaneRecord, several: bool) -> list[str]:
    """What stands beside the picture."""
    lines = []
    for string in record.strings:
        lines.append(
            f"string {string.a}-{string.b} ({string.set}, {string.status}) leaves the "
            f"plane by at most {string.distance:.4g}, {string.distance / string.chord:.3g}"
            f" of its chord, at {string.distance_at:.2f} of its length"
        )
    for name, axes in (record.filters or {}).items():
        numbered = ", ".join(map(str, axes or ()))
        lines.append(
            f"{name} is held still" if axes is None
            else f"filters of {name} are numbered by ax{'e' if len(axes) > 1 else 'i'}s {numbered}"
            if axes
            else f"{name} is one filter"
        )  # fmt: skip
    for way in record.trajectories or ():
        part = f", {way.distance / way.chord:.3g} of its chord," if way.chord else ""
        lines.append(
            f"{way.run + ' ' if several else ''}model {way.model} ({way.optimizer}, "
            f"{way.snapshots} snapshots) leaves the plane by at most {way.distance:.4g}"
            f"{part} at step {way.distance_at}"
        )
    if record.shares:
        x, y = (100 * share for share in record.shares)
        lines.append(f"the axes explain {x:.3g} % and {y:.3g} % of the snapshots' variance")
    return lines
