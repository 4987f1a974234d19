"""The only file that writes to the terminal: results to stdout, everything else to stderr."""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import logging
import math
import os
import re
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task
    from rich.table import Table

PLAIN_SECONDS = 30.0  # between two lines of a stage where stderr is no terminal
PACE_SECONDS = 30.0  # how far back a rate looks


class Report(Protocol):
    def __call__(self, stage: str, done: float, total: float, **facts: Any) -> None: ...


# -- results ----------------------------------------------------------------------------------


def show(text: str) -> None:
    """To stdout; where that takes ASCII alone, in it, as click would write UTF-8 there."""
    text = legible(text)
    if codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name == "ascii":
        text = text.translate(IN_ASCII).encode("ascii", "backslashreplace").decode()
    click.echo(text)


IN_ASCII = str.maketrans({"±": "+-", "²": "^2", "–": "-", "×": "x", "…": "...", "−": "-"})


# what a terminal obeys, what turns the direction of text, and what cannot be written as UTF-8
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def legible(text: str) -> str:
    """A text in which control characters are seen, and no longer obeyed: a name may hold any."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def show_json(value: Any) -> None:
    click.echo(json.dumps(_plain(value), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Python's own types, and null for a number that JSON cannot write."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        from landscape.store.records.base import as_dict

        return _plain(as_dict(value))
    if hasattr(value, "item"):  # numpy's scalars
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> None:
    """The first `texts` columns are words, the others numbers."""
    table = _table(columns, rows, texts)
    console = _console()
    if console.file.isatty():
        console.print(table)
        return
    console.width = console.measure(table, options=console.options.update(width=10_000)).maximum
    with console.capture() as captured:
        console.print(table)
    show("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, header_style="")
    for number, column in enumerate(columns):
        side = "left" if number < texts else "right"
        table.add_column(column, justify=side, overflow="fold", vertical="bottom")
    for row in rows:
        table.add_row(*map(legible, row))
    return table


class Screen(Protocol):
    """Shows a head, a table and lines below instead of what it showed before."""

    def __call__(
        self, head: str, columns: Sequence[str], rows: Sequence[Sequence[str]], below: Sequence[str]
    ) -> None: ...


@contextlib.contextmanager
def live() -> Iterator[Screen | None]:
    """A part of the terminal that is drawn again and again; None where there is no terminal."""
    console = _console()
    if not console.file.isatty() or console.is_dumb_terminal:
        yield None
        return
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(console=console, auto_refresh=False) as drawn:

        def show(
            head: str,
            columns: Sequence[str],
            rows: Sequence[Sequence[str]],
            below: Sequence[str],
        ) -> None:
            table = [_table(columns, rows, 1)] if rows else []
            said = [Text(legible(line)) for line in below]
            drawn.update(Group(Text(legible(head)), *table, *said), refresh=True)

        yield show


# -- everything else --------------------------------------------------------------------------


def error(message: str) -> None:
    console = _console(stderr=True)
    for line in message.splitlines() or [""]:
        _tell(console, "error: ", "red", line)


def note(message: str, quiet: bool = False) -> None:
    if not quiet:
        _tell(_console(stderr=True), "", "", message)


class _Told:
    """Standard error, or nothing where nobody listens any more: work does not end with its
    terminal."""

    def __init__(self) -> None:
        self.stream = sys.stderr  # None where it was closed before

    @property
    def encoding(self) -> str:
        return getattr(self.stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self.stream is not None and self.stream.isatty()

    def fileno(self) -> int:
        if self.stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self.stream.fileno()

    def write(self, text: str) -> int:
        if self.stream is not None:
            with contextlib.suppress(OSError):
                self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        if self.stream is not None:
            with contextlib.suppress(OSError):
                self.stream.flush()


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    file = cast(IO[str], _Told()) if stderr else None
    return Console(file=file, highlight=False, markup=False, emoji=False, soft_wrap=stderr)


def _tell(console: Console, label: str, style: str, message: str) -> None:
    from rich.text import Text

    console.print(Text.assemble((label, style), legible(message)))


class _Log(logging.Handler):
    """What the stages log: notices as they are, warnings so that they are seen."""

    def __init__(self, console: Console, level: int) -> None:
        super().__init__(level)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        label, style = ("", "")
        if record.levelno >= logging.WARNING:
            label, style = (f"{record.levelname.lower()}: ", "yellow")
        _tell(self.console, label, style, record.getMessage())


@contextlib.contextmanager
def working(quiet: bool = False) -> Iterator[Report]:
    """Show a stage's progress and log while it works; what it prints itself goes to stderr."""
    console = _console(stderr=True)
    with contextlib.ExitStack() as stack:
        report: Report = _silent
        if not quiet and console.file.isatty() and not console.is_dumb_terminal:
            bars = _Bars(console)
            stack.enter_context(bars.progress)
            report = bars
        elif not quiet:
            report = _Lines(console)
        stack.enter_context(_logging(_Log(console, logging.WARNING if quiet else logging.INFO)))
        stack.enter_context(contextlib.redirect_stdout(console.file))
        yield report


@contextlib.contextmanager
def _logging(handler: logging.Handler) -> Iterator[None]:
    logger = logging.getLogger("lscape")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def _silent(stage: str, done: float, total: float, **facts: Any) -> None:
    pass


class _Stage:
    """How far a stage is, how fast, and how long still; each as a short text."""

    def __init__(self, name: str, done: float) -> None:
        self.name, self.done, self.total, self.known = name, done, math.inf, {}
        self.began = self.seen = time.monotonic()
        self.samples = deque([(self.began, done)])

    def update(self, done: float, total: float, facts: dict[str, Any]) -> None:
        # a search counts its pairs again when it judges them: a bar never runs backwards
        self.done, self.total, self.known = max(done, self.done), total, facts
        self.seen = time.monotonic()
        if self.seen - self.samples[-1][0] > 0.5:
            self.samples.append((self.seen, self.done))
        while len(self.samples) > 2 and self.samples[1][0] < self.seen - PACE_SECONDS:
            self.samples.popleft()

    @property
    def finished(self) -> bool:
        return self.done >= self.total

    def percent(self) -> str:
        return f"{100 if self.finished else int(100 * self.done / self.total)}%"

    def rate(self) -> str:
        began, before = (self.began, self.samples[0][1]) if self.finished else self.samples[0]
        pace = (self.done - before) / max(self.seen - began, 1e-3)
        for unit, per in (("s", 1), ("min", 60), ("h", 3600)):
            if pace * per >= 1:
                return (
                    f"{pace * per:,.0f}/{unit}" if pace * per >= 10 else f"{pace * per:.1f}/{unit}"
                )
        return ""

    def elapsed(self) -> str:
        return _clock((self.seen if self.finished else time.monotonic()) - self.began)

    def left(self) -> str:
        began, before = self.samples[0]
        if self.finished:
            return "done"
        if self.done <= before:
            return ""
        ahead = (self.total - self.done) * (self.seen - began) / (self.done - before)
        return f"{_clock(max(0.0, ahead - (time.monotonic() - self.seen)))} left"

    def facts(self) -> str:
        return legible("  ".join(f"{key} {_short(value)}" for key, value in self.known.items()))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


class _Stages(ABC):
    """The stages under way, by name; how one is drawn is for the two kinds below."""

    def __init__(self) -> None:
        self.open: dict[str, _Stage] = {}
        self.last = ""

    def __call__(self, stage: str, done: float, total: float, **facts: Any) -> None:
        if stage not in self.open:
            if done >= total and stage == self.last:
                return  # said already
            self.open[stage] = _Stage(legible(stage), done)
        self.open[stage].update(done, total, facts)
        self.draw(self.open[stage])
        if self.open[stage].finished:
            del self.open[stage]
            self.last = stage

    @abstractmethod
    def draw(self, stage: _Stage) -> None: ...


class _Lines(_Stages):
    """For logs and pipes: a line at a stage's start, at its end, and now and then between."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        self.told: dict[str, float] = {}

    def draw(self, stage: _Stage) -> None:
        now = time.monotonic()
        if not stage.finished and now - self.told.get(stage.name, -math.inf) < PLAIN_SECONDS:
            return
        self.told[stage.name] = now
        parts = stage.percent(), stage.rate(), stage.elapsed(), stage.left(), stage.facts()
        _tell(self.console, "", "", f"{stage.name}: " + ", ".join(filter(None, parts)))


class _Bars(_Stages):
    """For a terminal: live lines of the stages under way below those that are finished."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.progress = _progress(console)

    def draw(self, stage: _Stage) -> None:
        progress = self.progress
        task = next((t for t in progress.tasks if t.fields["stage"] is stage), None)
        if task is None:
            made = progress.add_task(stage.name, stage=stage)
            task = next(t for t in progress.tasks if t.id == made)
        progress.update(task.id, total=stage.total, completed=stage.done)
        if stage.finished:  # out of the live part, which a terminal cuts at its height
            progress.console.print(progress.make_tasks_table([task]))
            progress.remove_task(task.id)


def _progress(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, ProgressColumn
    from rich.table import Column
    from rich.text import Text

    class Cell(ProgressColumn):
        max_refresh = None

        def __init__(self, text: Callable[[_Stage], str], width: int, style: str = "") -> None:
            side = "left" if text in (name, _Stage.facts) else "right"
            super().__init__(Column(no_wrap=True, min_width=width, justify=side))
            self.text, self.style = text, style

        def render(self, task: Task) -> Text:
            return Text(self.text(task.fields["stage"]), self.style)

    def name(stage: _Stage) -> str:
        return stage.name

    wide = console.width
    columns = [
        Cell(name, 19),
        *([BarColumn(bar_width=min(wide - 94, 30))] if wide >= 100 else []),
        Cell(_Stage.percent, 4),
        *([Cell(_Stage.rate, 8), Cell(_Stage.elapsed, 4)] if wide >= 94 else []),
        Cell(_Stage.left, 9),
        Cell(_Stage.facts, 0),
    ]
    return Progress(*columns, console=console, redirect_stdout=False, refresh_per_second=5)
