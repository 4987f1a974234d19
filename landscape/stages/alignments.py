"""Models permuted onto others: made once for a pair and level, kept, and read again."""

from __future__ import annotations

import functools
from typing import Protocol

import numpy as np

from landscape.config.load import Config
from landscape.core import paths, trees
from landscape.core.alignment import Align
from landscape.core.certificate import SegmentEvaluator, certify
from landscape.core.landscape import Landscape
from landscape.core.permute import Change
from landscape.store.files import Arrays, RunError
from landscape.store.records.alignments import AlignmentRecord, StraightLine
from landscape.store.run import Run
from landscape.symmetry.align import Aligner, aligner
from landscape.symmetry.repair import Middle

SAME = 1e-3  # of the loss, by which rounding may change it under a permutation

Pair = tuple[int, int]


class Models(Protocol):
    """The models of a run, where they met its levels."""

    def params(self, model: int, level: float) -> Arrays: ...


class Alignments:
    """The second models of pairs, permuted onto the first."""

    def __init__(
        self,
        run: Run,
        config: Config,
        landscape: Landscape,
        models: Models,
        evaluate: SegmentEvaluator,
    ) -> None:
        self._run, self._config, self._landscape = run, config, landscape
        self._models, self._evaluate = models, evaluate

    def end(self, how: Align, level: float, pair: Pair) -> Arrays:
        """The second model of a pair, permuted onto the first. Raises RunError, ConfigError."""
        return self.change(how, level, pair).of(self._models.params(pair[1], level))

    def change(self, how: Align, level: float, pair: Pair) -> Change:
        """By what the second model of a pair is permuted onto the first. Raises as `end`."""
        if not self._run.alignment_file(how, level, *pair).exists():
            self.record(how, level, pair)
        return change_of(self._run, self._landscape, how, level, pair)

    def record(self, how: Align, level: float, pair: Pair) -> AlignmentRecord:
        """What is known of a pair's alignment, which is made where it is not there. Raises RunError
        where the permuted model has another loss, ConfigError where no symmetries are proved."""
        file = self._run.alignment_file(how, level, *pair)
        if file.exists():
            return self._run.load_alignment(how, level, *pair)[-1]
        a, b = (self._models.params(model, level) for model in pair)
        found = self._aligner(how)(a, b)
        raw, aligned = self._line(a, b, level), self._line(a, found.params, level)
        losses = [profile[-1, 1] for _, profile in (raw, aligned)]
        if not np.isclose(*losses, rtol=SAME, atol=1e-6):
            raise RunError(
                f"{self._run.directory}: model {pair[1]} at {level:g}: its loss is {losses[0]:.6g},"
                f" and {losses[1]:.6g} with its units permuted: what is permuted is no symmetry"
            )
        record = AlignmentRecord(
            align=how,
            a=pair[0],
            b=pair[1],
            level=level,
            classes=len(found.matching.permutations),
            before=_if_finite(found.matching.before),
            objective=_if_finite(found.matching.objective),
            objectives=list(map(_if_finite, found.matching.objectives)),
            raw=raw[0],
            aligned=aligned[0],
            grid=self._config.connect.grid,
        )
        self._run.save_alignment(record, *found.change)
        return record

    @functools.cache  # noqa: B019  lives as long as the stage
    def _aligner(self, how: Align) -> Aligner:
        try:
            return aligner(self._landscape, how, self._config.seed)
        except ValueError as error:
            raise self._config.problem(self._config.task_key, str(error)) from None

    @functools.cached_property
    def _middle(self) -> Middle:
        return Middle(self._landscape)

    def _line(self, a: Arrays, b: Arrays, level: float) -> tuple[StraightLine, np.ndarray]:
        points = paths.straight(a, b)
        found = certify(points, self._evaluate, level)
        finite = bool(np.isfinite(found.maximum))
        ends = found.profile[[0, -1], 1].mean()
        halfway, repaired, stale = (
            None if value is None else _if_finite(float(value - ends))
            for value in self._middle(a, b)
        )
        line = StraightLine(
            chord=paths.chord(trees.stack([a, b])),
            max_loss=found.maximum if finite else None,
            last_change=found.last_change if finite else None,
            barrier=found.barrier if finite else None,
            halfway=halfway,
            repaired=repaired,
            stale=stale,
        )
        return line, found.profile


def change_of(run: Run, landscape: Landscape, how: Align, level: float, pair: Pair) -> Change:
    """By what a file says that the second model of a pair is permuted. Raises RunError."""
    orders, factors, _ = run.load_alignment(how, level, *pair)
    file = run.alignment_file(how, level, *pair)
    lengths = {
        (name, axis): length
        for name, leaf in landscape.shapes.items()
        for axis, length in enumerate(leaf.shape)
    }
    for key, order in orders.items():
        if not np.array_equal(np.sort(order), np.arange(lengths.get(key, 0))):
            raise RunError(f"{file}: {_said(key)}: no order of the places of model {pair[1]}")
    for key, factor in factors.items():
        if factor.shape != (lengths.get(key),) or not (np.isfinite(factor) & (factor != 0)).all():
            raise RunError(f"{file}: {_said(key)}: no factors of the places of model {pair[1]}")
    return Change(orders, factors)


def _if_finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _said(key: tuple[str, int]) -> str:
    return "{}, axis {}".format(*key)
