"""The symmetries of a config's task."""

from __future__ import annotations

from landscape.config.load import Config
from landscape.stages.build import Progress, build_landscape, silent
from landscape.symmetry.align import scales_of
from landscape.symmetry.align import symmetries as symmetries_of
from landscape.symmetry.scales import Scales
from landscape.symmetry.spec import PermutationSpec


def symmetries(config: Config, progress: Progress = silent) -> tuple[PermutationSpec, list[Scales]]:
    """Which units can be permuted, and multiplied, so that the task's function stays as it is.

    Args:
        config: Names the task, the levels' metric and its split.
        progress: Is told how far this is.

    Returns:
        The classes, proved, and what is pinned, with the reason; how the units of each class can
        be multiplied.

    Raises:
        ConfigError: The settings cannot be used, or a class is not proved.
    """
    landscape = build_landscape(config, progress)
    try:
        spec = symmetries_of(landscape, config.seed)
    except ValueError as error:
        raise config.problem(config.task_key, str(error)) from None
    return spec, scales_of(landscape, spec, config.seed)
