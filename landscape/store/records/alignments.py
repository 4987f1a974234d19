"""The record of a model permuted onto another."""

from __future__ import annotations

from dataclasses import dataclass

from landscape.core.alignment import Align
from landscape.store.records.base import Amount, Count, Number, Record


@dataclass(frozen=True, kw_only=True)
class StraightLine(Record):
    """The loss on the straight line between two ends; None where it is not finite.

    max_loss + last_change bounds it; barrier: how far it rises above the straight interpolation of
    the losses at the ends (Frankle et al. 2020); halfway: how far it is above that in the middle;
    repaired: the same of that network with its units' means and deviations halfway between the
    ends', too (Jordan et al. 2022), None where it has no such units; stale: with its running
    statistics halfway between the ends', None where it has none that are recomputed."""

    chord: Amount
    max_loss: Number | None
    last_change: Amount | None
    barrier: Number | None
    halfway: Number | None
    repaired: Number | None
    stale: Number | None


@dataclass(frozen=True, kw_only=True)
class AlignmentRecord(Record):
    """Model b permuted onto model a, both where they met a level.

    classes: how many permutations there are; before and objective: what is made large, before and
    after: the scalar product of the weights, the sum of the activations' correlations, or minus
    the loss halfway between the two; objectives: where each start of the search ended; of these
    three, None where that loss is not finite; raw and aligned: the straight line to b as it is, and
    to b permuted; grid: of these."""

    align: Align
    a: Count
    b: Count
    level: Number
    classes: Count
    before: Number | None
    objective: Number | None
    objectives: list[Number | None]
    raw: StraightLine
    aligned: StraightLine
    grid: Count
