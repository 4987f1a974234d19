"""What the parts of `measure` share: built when it is first asked for, and typed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

from landscape.config.load import Config
from landscape.core import devices, trees
from landscape.core.certificate import segment_evaluator
from landscape.core.landscape import Landscape
from landscape.core.segments import Memoized, SegmentEvaluator
from landscape.core.trees import Params
from landscape.measures.base import Measure as OtherMeasure
from landscape.measures.base import Quantity, Subject
from landscape.measures.function_space import FunctionLength, make_function_length
from landscape.measures.hessian import Hessian
from landscape.search.shorten import Shortener
from landscape.stages.build import Progress, build_landscape
from landscape.store.run import Run

SHARE_OF_STRINGS = 2  # memory's part for strings shortened together, at their longest
COPIES = 28  # of a string that is being shortened: itself, safe and best, and gradients: its own,
# a trial's and those of steps before, and all of them once more for a step


class MeasureContext:
    """The landscape of a run, and what measures it."""

    def __init__(self, run: Run, config: Config, name: str, progress: Progress) -> None:
        self.run, self.config, self.name, self.settings = run, config, name, config.measure
        self.report = progress

    @functools.cached_property
    def landscape(self) -> Landscape:
        return build_landscape(self.config, self.report)

    @functools.cache  # noqa: B019  a run's context live as long as the stage
    def evaluate(self, grid: int) -> SegmentEvaluator:
        """The loss along straight segments, on so many points and finer at maxima."""
        return Memoized(segment_evaluator(self.landscape, grid))

    @functools.cache  # noqa: B019
    def shortener(self, grid: int) -> Shortener:
        return Shortener(self.landscape, self.evaluate(grid), self.settings.tolerance)

    @functools.cached_property
    def function_length(self) -> Callable[[Params], FunctionLength] | None:
        return make_function_length(self.landscape, self.settings.samples)

    @functools.cached_property
    def hessian(self) -> Hessian | None:
        wanted = self.settings.hessian and self.landscape.hessian_target is not None
        return Hessian(self.landscape) if wanted else None

    @functools.cache  # noqa: B019
    def block(self, over: str) -> Hessian:
        """Of the parameters that match."""
        return Hessian(self.landscape, over)

    @functools.cached_property
    def others(self) -> list[tuple[OtherMeasure, Callable[[Subject], Mapping[str, Quantity]]]]:
        """The measures of `measure.also`, bound. Raises ConfigError for a task that one refuses."""
        found = []
        for number, measure in enumerate(self.settings.others):
            try:
                measure.check(self.landscape)
            except ValueError as error:
                raise self.config.problem(f"measure.also[{number}]", str(error)) from None
            found.append((measure, measure.bind(self.landscape)))
        return found

    @property
    def no_hessian(self) -> str:
        if self.hessian or not self.settings.hessian:
            return ""
        return "no second derivatives: the task has no metric `loss`"

    @property
    def group(self) -> int:
        """How many strings are shortened together."""
        scalar = 8 if self.config.compute.precision == "float64" else 4
        beads = COPIES * self.settings.max_beads * trees.size(self.landscape.shapes) * scalar
        return max(1, devices.memory() // SHARE_OF_STRINGS // beads)

    def lowers(self, levels: Sequence[float]) -> bool:
        """Whether barriers are asked for."""
        return self.settings.barriers and set(levels) == set(self.config.levels.values)
