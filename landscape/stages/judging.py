"""Paths judged again, by this process or by workers."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from landscape.analysis.topology import Certified
from landscape.config.load import Config
from landscape.core.certificate import segment_evaluator
from landscape.core.landscape import Landscape
from landscape.core.segments import Memoized, SegmentEvaluator
from landscape.stages.build import build_landscape
from landscape.stages.judged import Kept, Verdict, judged_again
from landscape.stages.shared import SharedRun, opened, parts, shared_run
from landscape.store.run import Run

if TYPE_CHECKING:
    from landscape.cluster.pool import Pool

MOST = 32  # paths of a task

Paths = Sequence[tuple[Kept, int]]  # each with the grid that it is judged on
# the place of a path, and what is found of it
Judged = tuple[int, Verdict, Certified | None]


@dataclass(frozen=True)
class JudgeTask:
    """Paths, their grids, and their places among all."""

    paths: tuple[tuple[int, tuple[Kept, int]], ...]

    def __str__(self) -> str:
        return self.paths[0][1][0].name


class Judge:
    """Judges paths in this process; its evaluators are compiled once."""

    def __init__(self, run: Run, landscape: Landscape) -> None:
        self._run, self._landscape = run, landscape
        self._evaluate = functools.cache(self._evaluator)

    def _evaluator(self, grid: int) -> SegmentEvaluator:
        return Memoized(segment_evaluator(self._landscape, grid))

    def __call__(self, paths: Paths) -> Iterator[Judged]:
        """One after the other."""
        for place, (kept, grid) in enumerate(paths):
            again = judged_again(self._run, kept, self._landscape, self._evaluate(grid), grid)
            yield place, *again


def judge_by(pool: Pool, run: Run, config: Config, paths: Paths) -> Iterator[Judged]:
    """By the workers of a pool, as they end."""
    workers = pool.expected
    tasks = map(JudgeTask, parts([*enumerate(paths)], MOST, workers))
    for task, found in pool.results(__name__, shared_run(run, config), tasks):
        for (place, _), (_, verdict, again) in zip(task.paths, found, strict=True):
            yield place, verdict, again


def prepare(shared: SharedRun) -> Judge:
    """What judges a run's paths, on a worker. Raises as `shared.opened`."""
    run, config = opened(shared)
    return Judge(run, build_landscape(config))


def perform(judge: Judge, task: JudgeTask) -> list[Judged]:
    """The verdicts on some paths."""
    return list(judge([path for _, path in task.paths]))
