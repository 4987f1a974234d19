"""The straight lines between models, before and after the second is permuted onto the first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from landscape.analysis.summary import PairValue, mean_over_pairs
from landscape.report.data.wording import number
from landscape.store.records.alignments import AlignmentRecord

KEYS = ("chord", "max_loss", "barrier")
HALFWAY = ("halfway", "repaired", "stale")
COLUMNS = (
    "aligned by", "level", "pairs", "distance", "aligned", "max loss", "aligned", "barrier",
    "aligned", "spread of starts",
)  # fmt: skip
PAIR_COLUMNS = (
    "aligned by", "level", "pair", "objective", "aligned", "starts from", "to", "distance",
    "aligned", "max loss", "aligned", "barrier", "aligned",
)  # fmt: skip
SAID = (
    "Of the straight line to the second model as it is, and, aligned, to the same function with "
    "its units permuted so that it is near the first; means over pairs. The barrier is above the "
    "straight interpolation of the losses at the ends. The matching is a local search: spread is "
    "the largest difference between its starts, as a part of the best objective. A better matching "
    "may lower the barrier further."
)
HALFWAY_COLUMNS = (
    "aligned by", "level", "pairs", "halfway", "aligned", "repaired", "aligned",
    "stale statistics", "aligned",
)  # fmt: skip
HALFWAY_SAID = (
    "Of the network halfway on the straight line: its height above the mean of the losses at the "
    "ends. Repaired: its units are given the mean and the deviation over the data that are halfway "
    "between the ends' (REPAIR, Jordan et al. 2022), which is another network than that of the "
    "line. Stale statistics: running statistics are interpolated, as a merged network has them "
    "before they are reset; elsewhere they are recomputed."
)


def alignments_of(records: Sequence[AlignmentRecord]) -> list[dict[str, Any]]:
    """A record a way of matching and level, levels from high to low.

    {align, level, pairs, chord, max_loss, barrier, halfway, repaired, stale: each {raw, aligned}, a
    `mean_over_pairs`; spread: the largest over the pairs of the spread of the starts' objectives,
    as a part of the best, None where a start found no finite one}.
    """
    found = []
    for (align, level), group in groupby(records, key=lambda one: (one.align, one.level)):
        own = list(group)
        means = {
            key: {
                side: mean_over_pairs(
                    PairValue(one.a, one.b, getattr(getattr(one, side), key)) for one in own
                )
                for side in ("raw", "aligned")
            }
            for key in KEYS + HALFWAY
        }
        spread = max(map(_spread, own))
        spread = spread if math.isfinite(spread) else None
        found.append({"align": align, "level": level, "pairs": len(own), **means, "spread": spread})
    return found


def _spread(one: AlignmentRecord) -> float:
    worst = _worst(one)
    if one.objective is None or worst is None:
        return math.inf
    return (one.objective - worst) / (abs(one.objective) or 1.0)


def _worst(one: AlignmentRecord) -> float | None:
    ends = [value for value in one.objectives if value is not None]
    return min(ends) if len(ends) == len(one.objectives) else None


def row_of(record: dict[str, Any]) -> list[str]:
    """A row of the table by level, by COLUMNS."""
    means = [number(record[key][side]) for key in KEYS for side in ("raw", "aligned")]
    spread = "–" if record["spread"] is None else f"{100 * record['spread']:.2g} %"
    return [record["align"], f"{record['level']:g}", str(record["pairs"]), *means, spread]


def halfway_row_of(record: dict[str, Any]) -> list[str]:
    """A row of the table of networks halfway, by HALFWAY_COLUMNS."""
    means = [number(record[key][side]) for key in HALFWAY for side in ("raw", "aligned")]
    return [record["align"], f"{record['level']:g}", str(record["pairs"]), *means]


TABLES = (
    (COLUMNS, row_of, SAID),
    (HALFWAY_COLUMNS, halfway_row_of, HALFWAY_SAID),
)  # head, row of a record of `alignments_of`, what it says


def pair_row_of(one: AlignmentRecord) -> list[str]:
    """A row of the table by pair, by PAIR_COLUMNS."""
    numbers = [one.before, one.objective, _worst(one), one.objective]
    for key in KEYS:
        numbers += [getattr(line, key) for line in (one.raw, one.aligned)]
    return [one.align, f"{one.level:g}", f"{one.a}-{one.b}", *map(number, numbers)]
