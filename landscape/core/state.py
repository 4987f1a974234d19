"""What a network reads beside its parameters: running statistics, which follow from the parameters
and from data. A path moves parameters, and state follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

Policy = Literal["recompute", "stored", "interpolate"]

COLLECTIONS = ("batch_stats", "cache", "perturbations")  # of flax, beside `params`
STATISTICS = (
    "running_mean", "running_var", "num_batches_tracked",  # of PyTorch
    "moving_mean", "moving_var", "moving_variance",  # of Keras
)  # fmt: skip


class Variables(NamedTuple):
    """What the metrics of a task with state are given instead of the parameters."""

    params: Any
    state: Any


class State(NamedTuple):
    """The state of a task: a function of the parameters, with its data fixed.

    Attributes:
        recompute: parameters → state, a pytree of float arrays, deterministic. The training loss is
            not given it: as in training, it takes the statistics of its batch.
        stored: Such a pytree, for names, shapes and types; as it is before any training.
        samples: Of how many samples it is recomputed.
    """

    recompute: Callable[[Any], Any]
    stored: Any
    samples: int


def look_like_state(names: Iterable[str]) -> list[str]:
    """The names that stand in one of flax's collections beside `params`, or are those of a running
    statistic."""
    parts = [name.split(".") for name in names]
    holders = {
        tuple(path[:at]) for path in parts for at, part in enumerate(path) if part == "params"
    }

    def state(path: list[str]) -> bool:
        beside = (
            part in COLLECTIONS and tuple(path[:at]) in holders for at, part in enumerate(path)
        )
        return path[-1] in STATISTICS or any(beside)

    return [".".join(path) for path in parts if state(path)]
