"""What the searches of one set share: built once, and typed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from landscape.config.load import Config
from landscape.core import devices, trees
from landscape.core.certificate import segment_evaluator
from landscape.core.landscape import Landscape
from landscape.core.level import LevelSpec
from landscape.core.segments import Memoized
from landscape.core.trees import Params
from landscape.measures.function_space import FunctionLength, make_function_length
from landscape.methods.registry import load_method
from landscape.search.budget import within
from landscape.search.driver import warm_start
from landscape.search.shorten import Shortener
from landscape.search.shortening import GRADIENT
from landscape.search.state import Problem, Stepper
from landscape.search.tighten import TOLERANCE, tightened
from landscape.stages.alignments import Alignments
from landscape.stages.build import (
    Progress,
    bead_optimizer,
    build_beads,
    build_landscape,
    check_and_cast_params,
    check_hypotheses,
)
from landscape.stages.rows import RunRows, SetRows
from landscape.store.files import Arrays, RunError, checked, load_arrays
from landscape.store.records.models import EndPoint
from landscape.store.run import Run

SHARE_OF_STRINGS = 2  # memory's part for strings searched together, at their longest

Pair = tuple[int, int]


@dataclass(frozen=True)
class ConnectContext:
    """What the searches of a set share.

    name: the set's; shortener: what draws strings tight, compiled once; optimizer: what beads
    descend by; group: how many strings are searched together; rows: those
    there are, and where new ones go; start_paths: the paths that were given for levels and pairs,
    arrays [beads, ...]; others_too: whether searches of any pairs that were interrupted are
    finished, or only those of the pairs that are asked for.
    """

    run: Run
    config: Config
    name: str
    problem: Problem
    shortener: Shortener
    optimizer: str
    end_points: EndPoints
    alignments: Alignments
    group: int
    rows: SetRows
    others_too: bool = True
    start_paths: Mapping[tuple[float, Pair], Arrays] = field(default_factory=dict)

    @property
    def landscape(self) -> Landscape:
        return self.problem.landscape

    def ends(self, level: float, pair: Pair) -> tuple[Arrays, Arrays]:
        """The two ends of a pair at a level, the second permuted if that is asked for."""
        a, b = (self.end_points.params(model, level) for model in pair)
        how = self.config.connect.align
        return a, b if how is None else self.alignments.end(how, level, pair)

    @functools.cached_property
    def function_length(self) -> Callable[[Arrays], FunctionLength] | None:
        """Measures paths in function space; None where the task has no outputs."""
        return make_function_length(self.landscape, self.config.measure.samples)

    def level_spec(self, level: float) -> LevelSpec:
        """A level with the tolerances of the settings."""
        return LevelSpec(level, self.config.connect.target, self.config.connect.tolerance)

    def tight_stepper(self, at: LevelSpec) -> Stepper:
        """The search at a level; what connects is drawn tight, if that is asked for."""
        settings, search = self.config.connect, self.stepper(at)
        if not settings.tighten or not settings.finder.is_drawn_tight:
            return search
        return tightened(search, self.shortener, at, settings.length_over, self.problem.budget)

    def stepper(self, at: LevelSpec, max_rounds: int | None = None) -> Stepper:
        """The search at a level, with at most so many rounds."""
        settings = self.config.connect
        finder = settings.finder if max_rounds is None else settings.finder.brief(max_rounds)
        search = finder.bind(self.problem, at)
        if settings.start_method is not None:
            first = load_method(settings.start_method)(max_beads=finder.max_beads)
            search = warm_start(first.bind(self.problem, at), search)
        budget = self.problem.budget
        return search if budget is None else within(search, budget)

    def with_start_paths(self, paths: Mapping[tuple[float, Pair], Arrays]) -> ConnectContext:
        return replace(self, start_paths=paths)


def connect_context(
    run: Run,
    config: Config,
    name: str,
    progress: Progress,
    landscape: Landscape | None = None,
) -> ConnectContext:
    """The context of a set's searches; landscape: the config's, where it is built already.

    Raises:
        ConfigError: a setting that the task does not go with.
        RunError: a task that no longer gives the recorded losses.
    """
    settings = config.connect
    landscape = landscape or build_landscape(config, progress)
    if not trees.matching(landscape.shapes, settings.length_over):
        allowed = ", ".join(landscape.shapes)
        raise config.problem(
            "connect.length_over", f"'{settings.length_over}' matches none of: {allowed}"
        )
    check_hypotheses(config, landscape)
    optimizer = bead_optimizer(config, landscape)
    segments = segment_evaluator(landscape, settings.grid)
    problem = Problem(
        landscape,
        Memoized(segments),
        functools.cache(build_beads(config, landscape, optimizer)),
        config.seed if settings.seed is None else settings.seed,
        None if settings.budget is None else GRADIENT * settings.budget,
    )
    shortener = Shortener(landscape, problem.evaluate, TOLERANCE)
    group = group_size(trees.size(landscape.shapes), config)
    end_points = EndPoints(run, config, landscape, segments.level_at)
    alignments = Alignments(run, config, landscape, end_points, problem.evaluate)
    return ConnectContext(
        run, config, name, problem, shortener, optimizer, end_points, alignments, group,
        RunRows(run, name),
    )  # fmt: skip


def group_size(parameters: int, config: Config) -> int:
    """How many strings are searched together, so that memory does not grow with the pairs."""
    scalar = 8 if config.compute.precision == "float64" else 4
    a_string = parameters * scalar * config.connect.finder.max_beads
    return max(1, devices.memory() // SHARE_OF_STRINGS // a_string)


class EndPoints:
    """The end points of a run, checked against the losses recorded for them.

    level_at: the level's metric [n] at points [n, ...].
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        landscape: Landscape,
        level_at: Callable[[Params], np.ndarray],
    ) -> None:
        self._run, self._landscape = run, landscape
        self.records = {record.model: record for record in run.models()}
        self._reached = {
            (record.model, entry.level)
            for record in self.records.values()
            for entry in record.levels
            if entry.status == "REACHED"
        }
        self._check(config, level_at)

    def reached(self, model: int, level: float) -> bool:
        return (model, level) in self._reached

    def levels(self, model: int) -> list[float]:
        """The levels that a model met."""
        return [level for m, level in self._reached if m == model]

    def params(self, model: int, level: float) -> Arrays:
        path = self._run.model_file(model, level)
        return check_and_cast_params(load_arrays(path)[0], self._landscape, path)

    def _check(self, config: Config, level_at: Callable[[Params], np.ndarray]) -> None:
        """The task must still give what it gave in training: code and data can change."""
        for model in range(config.train.models):
            mine = sorted(self.levels(model))
            if not mine:
                continue
            path = self._run.model_file(model, mine[0])
            arrays, record = load_arrays(path)
            recorded = checked(EndPoint, record, path).value
            params = check_and_cast_params(arrays, self._landscape, path)
            value = float(level_at(trees.stack([params]))[0])
            if not np.isclose(value, recorded, rtol=1e-3, atol=1e-6):
                raise RunError(
                    f"{path}: the task now gives {value:.6g} where {recorded:.6g} was "
                    "recorded: its code or data have changed since training"
                )
