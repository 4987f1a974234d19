"""The rows of a set of searches while it is searched: those there are, and where new ones go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from landscape.store.journal import Journal
from landscape.store.records.strings import StringRecord
from landscape.store.run import Run
from landscape.store.tables import by_pair

Event = Mapping[str, object]


class SetRows(Protocol):
    """What the searches of a set read and write besides their strings."""

    def known(self) -> list[StringRecord]: ...
    def add(self, rows: Sequence[StringRecord]) -> None: ...
    def tell(self, events: Sequence[Event]) -> None: ...


@dataclass(frozen=True)
class RunRows:
    """A set's rows, by the process that holds the run."""

    run: Run
    name: str

    def known(self) -> list[StringRecord]:
        return self.run.rows(self.name)

    def add(self, rows: Sequence[StringRecord]) -> None:
        self.run.append_rows(rows)

    def tell(self, events: Sequence[Event]) -> None:
        self.run.append_events(self.name, events)


@dataclass(frozen=True)
class TaskRows:
    """The rows of some pairs, by a worker. It keeps new ones in a journal of the task's own, so
    that whoever does the task again after it goes on there."""

    before: Sequence[StringRecord]
    journal: Journal[StringRecord]
    events: list[Event] = field(default_factory=list)

    def known(self) -> list[StringRecord]:
        rows = [*self.before, *self.journal.records()]
        return list({by_pair(row): row for row in rows}.values())

    def add(self, rows: Sequence[StringRecord]) -> None:
        self.journal.append(rows)

    def tell(self, events: Sequence[Event]) -> None:
        self.events.extend(events)
