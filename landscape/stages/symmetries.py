"""The symmetries of a config's task."""

from __future__ import annotations

from landscape.config.load import Config
from landscape.stages.build import Progress, build_landscape, silent
from landscape.symmetry.align import symmetries as symmetries_of
from landscape.symmetry.spec import PermutationSpec


def symmetries(config: Config, progress: Progress = silent) -> PermutationSpec:
    """Which axes of the parameters share a permutation that leaves the task's function as it is.

    Args:
        config: Names the task, the levels' metric and its split.
        progress: Is told how far this is.

    Returns:
        The classes, proved, and what is pinned, with the reason.

    Raises:
        ConfigError: The settings cannot be used, or a class is not proved.
    """
    landscape = build_landscape(config, progress)
    try:
        return symmetries_of(landscape, config.seed)
    except ValueError as error:
        raise config.problem(config.task_key, str(error)) from None
