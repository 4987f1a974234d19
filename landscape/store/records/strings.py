"""The records of paths: strings, the models' own paths, barriers, and trees of strings.

Of snapshots and barriers, max_loss + last_change + rounding bounds the loss on the whole path;
landscape/analysis/topology.py makes components, the disconnectivity graph and persistence of them
and the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal

from landscape.core.alignment import Align
from landscape.store.records.base import (
    GIVEN,
    OPTIONAL,
    Amount,
    Checksum,
    Count,
    FileName,
    Name,
    Number,
    OneOrMore,
    Part,
    Record,
)

RAISED = "RAISED"  # of a barrier

SearchStatus = Literal["CONNECTED", "NOT_FOUND", "STUCK", "NON_FINITE", "LEVEL_NOT_REACHED"]


@dataclass(frozen=True, kw_only=True)
class StringRecord(Record):
    """A row of results.csv; facts: what a construction says of its curve, by name; geodesic: what
    the landscape says that no path between the ends is shorter than.

    string: the checksum of the string's arrays, once they are on disk.
    align: what the second end was permuted by, onto the first; None of the models as they are.
    grad_evals and loss_evals are of the search. length_found, beads_found: before the path was
    drawn tight; tightening_*: what that took; None where it was not.

    What was searched has numbers, and what is CONNECTED all of them."""

    task: Name
    method: Name
    level: Number
    a: Count
    b: Count
    status: SearchStatus
    beads: Count | None
    length: Amount | None
    chord: Amount | None
    normalized_length: Amount | None
    max_loss: Number | None
    barrier: Number | None
    rounds: Count | None
    grad_evals: Count
    loss_evals: Count
    seconds: Amount | None
    set: FileName
    limit: Number | None
    loss_a: Number | None
    loss_b: Number | None
    max_at: Part | None
    last_change: Amount | None
    resolution: Part | None
    grid: Count | None
    verified: OneOrMore | None
    chained_from: Number | None
    restarts: Count | None
    curve_max: Number | None
    bound: Number | None
    length_found: Amount | None
    beads_found: Count | None
    tightening_grad_evals: Count | None
    tightening_loss_evals: Count | None
    reason: str
    rounding: Amount | None = field(default=None, metadata=OPTIONAL)
    align: Align | None = None
    facts: Annotated[dict[str, Number] | None, GIVEN] = field(default=None, metadata=OPTIONAL)
    geodesic: Annotated[Amount | None, GIVEN] = field(default=None, metadata=OPTIONAL)
    string: Annotated[Checksum | None, GIVEN] = field(default=None, metadata=OPTIONAL)

    def __post_init__(self) -> None:
        wanted: tuple[str, ...] = ()
        if self.status != "LEVEL_NOT_REACHED":
            wanted = "limit", "grid", "beads"
        if self.status == "CONNECTED":
            certificate = "max_loss", "last_change", "max_at", "resolution", "barrier"
            wanted = *wanted, *certificate, "length", "chord", "loss_a", "loss_b"
        missing = [key for key in wanted if getattr(self, key) is None]
        if missing:
            raise ValueError(f"{self.status} has a number for {', '.join(missing)}")
        if (self.loss_a is None) != (self.loss_b is None):
            raise ValueError("loss_a and loss_b are both known or neither is")


def between_models(rows: Iterable[StringRecord]) -> list[StringRecord]:
    """The rows of paths that end at the models as they are, not permuted."""
    return [row for row in rows if row.align is None]


@dataclass(frozen=True, kw_only=True)
class _Certified(Record):
    max_loss: Number | None
    last_change: Amount | None
    max_at: Part | None
    resolution: Part | None
    grid: Count
    verified: OneOrMore | None
    beads: Count
    length: Amount | None
    chord: Amount | None
    normalized_length: Amount | None
    grad_evals: Count
    seconds: Amount
    reason: str
    rounding: Amount | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, kw_only=True)
class SnapshotRecord(_Certified):
    """From the model's snapshot at `level` to the one at `lower`; CONNECTED below `limit`, the
    level's."""

    model: Count
    level: Number
    lower: Number
    limit: Number
    status: SearchStatus

    def __post_init__(self) -> None:
        if self.lower >= self.level:
            raise ValueError("lower is below level")


@dataclass(frozen=True, kw_only=True)
class BarrierRecord(_Certified):
    """Between the snapshots at level_a and level_b, whose losses are loss_a and loss_b: no barrier
    is lower than the greater.

    start: the bound of the path that was lowered; origin: its set and level, or `straight`;
    gradient: its norm at the last band's highest bead, None where no band was made; band: the most
    beads of a band, which is as many as compute.memory holds, None the same; restarts: how often it
    started again off its line; status: TIGHT (near the ends' losses), CONVERGED, BUDGET, KEPT (not
    lowered: reason), or RAISED (`lscape verify` has found it higher than it was known to be:
    reason).

    align: what the second end was permuted by, onto the first; matched_at: by its matching at this
    level, which need not be the snapshot's. Both None of the models as they are.
    """

    a: Count
    b: Count
    level_a: Number
    level_b: Number
    loss_a: Number | None
    loss_b: Number | None
    start: Number | None
    origin: str
    gradient: Amount | None
    band: OneOrMore | None
    restarts: Count
    status: Literal["TIGHT", "CONVERGED", "BUDGET", "KEPT", "RAISED"]
    align: Align | None = field(default=None, metadata=OPTIONAL)
    matched_at: Number | None = field(default=None, metadata=OPTIONAL)

    def __post_init__(self) -> None:
        if (self.align is None) != (self.matched_at is None):
            raise ValueError("align and matched_at are both known or neither is")


@dataclass(frozen=True, kw_only=True)
class Join(Record):
    a: Count
    b: Count
    level: Number


@dataclass(frozen=True, kw_only=True)
class TreeRecord(Record):
    """What a tree grown at a level has found, and why the other pairs were not searched.

    models: how many met the level; pairs: of these; searched; connected: of the searched; joins:
    the connections that hold the components together. Two models of one component are joined
    through them, and were therefore not searched. A pair of two components was not searched where
    the `tries` across a cut were spent.
    """

    level: Number
    limit: Number
    tries: OneOrMore
    models: Count
    pairs: Count
    searched: Count
    connected: Count
    components: list[list[Count]]
    joins: list[Join]
