"""The record of a comparison of methods."""

from __future__ import annotations

from dataclasses import dataclass

from landscape.store.records.base import FileName, Name, OneOrMore, Record


@dataclass(frozen=True, kw_only=True)
class ComparisonRecord(Record):
    """Searches of the same pairs and levels within one budget.

    name: of the comparison; budget: gradients a pair and level; sets: of their rows, in the order
    that was asked for; searches: what each is called, the method and the settings that were given.
    The others are set against the first."""

    name: FileName
    budget: OneOrMore
    sets: list[FileName]
    searches: list[Name]

    def __post_init__(self) -> None:
        if len(self.searches) != len(self.sets):
            raise ValueError("searches has a name a set")
