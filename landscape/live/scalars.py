"""What is logged of a run: numbers against a step, under names that say what they are of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from landscape.analysis.summary import summarise
from landscape.live.following import Follower, News
from landscape.store.layout import level_name
from landscape.store.records.strings import StringRecord


class Scalar(NamedTuple):
    """A number of a curve.

    Attributes:
        name: Of the curve.
        step: Training steps, or pairs searched.
        value: The number.
    """

    name: str
    step: int
    value: float


def scalars_of(news: News, known: Follower) -> list[Scalar]:
    """The metric of each model against its steps; of each set and level that has a new row, the
    share connected with its interval, the mean length and beads with their errors, and what the
    searches cost, against the pairs searched until now."""
    found = [Scalar(f"train/model-{line.model}", line.step, line.value) for line in news.lines]
    for place in dict.fromkeys((row.set, row.level) for row in news.rows):
        rows = [row for row in known.rows.values() if (row.set, row.level) == place]
        found += _of_level(rows)
    return found


def _of_level(rows: Sequence[StringRecord]) -> list[Scalar]:
    (level,) = summarise(rows)
    low, high = level["share_interval"]
    numbers = {
        "share_connected": level["share"],
        "share_connected_low": low,
        "share_connected_high": high,
        "pairs_tried": level["tried"],
        "gradients": level["grad_evals"],
        "losses": sum(row.loss_evals for row in rows),
        "seconds": level["seconds"],
    }
    for name in ("normalized_length", "beads"):
        numbers[name] = level[name]["mean"]
        numbers[f"{name}_error"] = level[name]["se"]
        numbers[f"{name}_count"] = level[name]["n"]
    where = f"{level['set']}/{level_name(level['level'])}"
    return [
        Scalar(f"{where}/{name}", level["pairs"], float(value))
        for name, value in numbers.items()
        if value is not None
    ]
