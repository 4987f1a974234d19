"""Many models on their way down through levels: where each first meets a level is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from landscape.core.trees import Params
from landscape.search.descend import Descender, DescentState


class Met(NamedTuple):
    """A model's first check at or below a level."""

    model: int
    level: float
    step: int
    value: float
    params: Params


@dataclass
class Training:
    """n models, and the levels that each has met: level → (step, value).

    levels: from high to low.
    """

    descender: Descender
    levels: Sequence[float]
    state: DescentState
    met: list[dict[float, tuple[int, float]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.met:
            self.met = [{} for _ in self.state.step]

    def newly_met(self) -> Iterator[Met]:
        """The levels that models have come to stand at or below since the last time; every model's
        target is then the next lower one."""
        levels, state = np.array(self.levels), self.state
        for model in map(int, np.flatnonzero(np.isfinite(state.value))):
            value, step = float(state.value[model]), int(state.step[model])
            for level in map(float, levels[levels >= value]):
                if level not in self.met[model]:
                    self.met[model][level] = (step, value)
                    yield Met(model, level, step, value, self.descender.judged(state, model))
            ahead = levels[levels < value]
            state.target[model] = ahead[0] if len(ahead) else levels[-1]

    def confirm(self, met: Met, value: float) -> bool:
        """Whether a model is at or below the level with this value of its parameters; if not, the
        level counts as not met yet."""
        if value <= met.level:
            self.met[met.model][met.level] = (met.step, value)
            return True
        del self.met[met.model][met.level]
        return False

    @property
    def going(self) -> np.ndarray:
        """Which models [n] have not come to an end."""
        return self.descender.going(self.state)

    def advance(self) -> None:
        """About a second of work."""
        self.state = self.descender.advance(self.state)
