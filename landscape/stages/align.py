"""Permute the second model of every pair onto the first, and look at the straight lines."""

from __future__ import annotations

from collections.abc import Sequence

from landscape.config.load import revised
from landscape.config.sections import pair_list
from landscape.core.alignment import Align
from landscape.core.certificate import segment_evaluator
from landscape.stages.alignments import Alignments
from landscape.stages.build import Progress, build_landscape, config_of, silent
from landscape.stages.context import EndPoints
from landscape.store.files import RunError
from landscape.store.records.alignments import AlignmentRecord
from landscape.store.run import Run


def align(
    run: Run,
    how: Align = "weights",
    overrides: Sequence[str] = (),
    levels: Sequence[float] | None = None,
    progress: Progress = silent,
) -> list[AlignmentRecord]:
    """Permute the second model of every pair onto the first, at every level that both have met.

    What is there already is not made again.

    Args:
        run: A run that has been trained.
        how: What is matched.
        overrides: `connect.key=value` over the run's config, such as `connect.pairs`.
        levels: Some of the run's levels; None: all.
        progress: Is told how far this is.

    Returns:
        The records, levels from high to low.

    Raises:
        ConfigError: The settings cannot be used, or no symmetries are proved.
        RunError: Training is not finished, files are damaged, or another process holds the run.
    """
    config = revised(config_of(run), overrides)
    chosen = config.chosen_levels(levels)
    if run.stage_status("train") != "done":
        raise RunError(f"{run.directory}: training is not finished; `lscape train` resumes it")
    pairs = pair_list(config.connect.pairs, config.train.models)
    landscape = build_landscape(config, progress)
    evaluate = segment_evaluator(landscape, config.connect.grid)
    models = EndPoints(run, config, landscape, evaluate.level_at)
    alignments = Alignments(run, config, landscape, models, evaluate)
    ready = [
        (level, pair)
        for level in chosen
        for pair in pairs
        if all(models.reached(model, level) for model in pair)
    ]
    found = []
    with run.stage("align"):
        for number, (level, pair) in enumerate(ready):
            progress("aligning", number, len(ready))
            found.append(alignments.record(how, level, pair))
        progress("aligning", len(ready), len(ready))
    return found
