"""What is new in a run since the last look, from its files alone. No JAX here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from landscape.store.files import new_lines
from landscape.store.journal import Journal
from landscape.store.models import curves_in
from landscape.store.records.models import Line
from landscape.store.records.strings import StringRecord
from landscape.store.run import Run

LONG = 40  # of the name of a pair


class Place(NamedTuple):
    """A pair of models at a level, in a set of searches."""

    set: str
    level: float
    a: int
    b: int


@dataclass(frozen=True)
class Round:
    """Where a search stood after a round.

    Attributes:
        place: Of the search.
        number: Of the round.
        beads: Of the path, both ends counted.
        highest: The loss of its highest point; None where that is not finite.
        grad_evals: Gradients until then.
    """

    place: Place
    number: float
    beads: int
    highest: float | None
    grad_evals: int


@dataclass(frozen=True)
class News:
    """What a look found that the one before did not.

    Attributes:
        lines: The levels' metric of models while they train.
        rows: Pairs that were searched at a level.
        rounds: Rounds of searches.
    """

    lines: list[Line] = field(default_factory=list)
    rows: list[StringRecord] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lines or self.rows or self.rounds)


class Follower:
    """Follows a run that another process may be making. It reads what was added, and holds nothing.

    Attributes:
        lines: The latest line of each model.
        rows: The latest row of each pair and level.
        under_way: The latest round of each search that has no row yet.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.lines: dict[int, Line] = {}
        self.rows: dict[Place, StringRecord] = {}
        self.under_way: dict[Place, Round] = {}
        self._curves: dict[Path, Journal[Line]] = {}
        self._seen: set[tuple[int, int]] = set()  # models and steps
        self._read: dict[Path, int] = {}

    def look(self) -> News:
        """What was added since the last look. Raises RunError where a file is damaged."""
        news = News(self._new_lines())
        for name in self.run.sets():
            rounds = (_round(name, event) for event in self._added(self.run.events_file(name)))
            news.rounds.extend(one for one in rounds if one)
        for row in self.run.known_rows():
            if self.rows.get(_place(row)) != row:
                news.rows.append(row)
        self.lines.update((line.model, line) for line in news.lines)
        self.rows.update((_place(row), row) for row in news.rows)
        for one in news.rounds:
            if one.place not in self.rows:
                self.under_way[one.place] = one
        for row in news.rows:
            self.under_way.pop(_place(row), None)
        return news

    def _new_lines(self) -> list[Line]:
        """Of the run's curves, and of those of workers that are still training."""
        found = []
        for path in (self.run.history_file, *self.run.task_histories()):
            journal = self._curves.setdefault(path, curves_in(path))
            for line in journal.records():
                if (line.model, line.step) not in self._seen:
                    self._seen.add((line.model, line.step))
                    found.append(line)
        return found

    def _added(self, path: Path) -> list[dict[str, object]]:
        lines, self._read[path] = new_lines(path, self._read.get(path, 0))
        return lines


def _place(row: StringRecord) -> Place:
    return Place(row.set, row.level, row.a, row.b)


def _round(set_name: str, event: Mapping[str, object]) -> Round | None:
    """A round that events.jsonl tells of; None for what is none, as other events, and lines that
    are not as they were written: nothing is decided by this file."""
    match event:
        case {
            "event": "round",
            "level": float(level),
            "pair": str(pair),
            "round": float() | int() as number,
            "beads": int(beads),
            "highest": float() | None as highest,
            "grad_evals": int(gradients),
        }:
            a, _, b = pair.partition("-")
            if a.isdecimal() and b.isdecimal() and len(pair) < LONG:
                place = Place(set_name, level, int(a), int(b))
                return Round(place, number, beads, highest, gradients)
    return None
