"""What runs there are in a folder, and how far each is, from their small files. No JAX here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from landscape.core.status import Status
from landscape.store.files import RunError
from landscape.store.records.strings import StringRecord
from landscape.store.run import Run, open_run
from landscape.store.sweeps import SWEEP_FILE, open_sweep


@dataclass(frozen=True)
class SearchCount:
    """The pairs and levels of one set of searches, or of several by one method.

    tried: those whose ends reached the level; not_reached: the others.
    """

    search: str
    connected: int
    tried: int
    not_reached: int

    @property
    def share(self) -> float | None:
        return self.connected / self.tried if self.tried else None


@dataclass(frozen=True)
class RunSummary:
    """A run, or a sweep of several.

    status: how the latest stage that is not done ended, or `done` (`killed`: it says running, but
    no process holds it), and that stage; of a sweep, of its first run that is not done, or
    `unfinished` where some have not started.
    levels: from high to low; size: bytes on disk; changed: when, in seconds since 1970; runs: of
    the sweep, and how many of them have searched all that they were asked to; None for a run.
    """

    name: str
    directory: Path
    kind: Literal["run", "sweep"]
    status: str
    stage: str | None
    levels: tuple[float, ...]
    searches: tuple[SearchCount, ...]
    size: int
    changed: float
    runs: int | None = None
    runs_done: int | None = None


@dataclass(frozen=True)
class Listing:
    """The runs and sweeps of a folder, the latest first; and what is neither, with the reason."""

    runs: list[RunSummary] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def list_runs(folder: Path) -> Listing:
    """All runs and sweeps of a folder. What cannot be read is named, and does not stop it.

    Raises:
        RunError: the folder is a run itself, or no folder.
    """
    if (folder / "meta.json").is_file():
        raise RunError(f"{folder}: a run itself; give the folder that it is in")
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: not a folder")
    found = Listing()
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    for directory in inside:
        if not directory.is_dir() or directory.name.startswith("."):
            continue
        try:
            found.runs.append(_summary(directory))
        except (RunError, OSError) as error:
            said = str(error).removeprefix(f"{directory}: ")
            found.left_out.append((directory, said.replace(f"{directory}{os.sep}", "")))
    found.runs.sort(key=lambda one: one.changed, reverse=True)
    return found


def _summary(directory: Path) -> RunSummary:
    if not (directory / SWEEP_FILE).is_file():
        return _run(open_run(directory))
    opened = open_sweep(directory)
    assert opened is not None
    _, record = opened
    asked = dict.fromkeys((one.directory, one.set) for one in record.runs)
    names = dict.fromkeys(name for name, _ in asked)
    made = {name: open_run(directory / name) for name in names if (directory / name).is_dir()}
    runs = [_run(run) for run in made.values()]
    done = sum(n in made and made[n].stage_status(_searching(s)) == "done" for n, s in asked)
    ended = next(((run.status, run.stage) for run in runs if run.status != "done"), None)
    rows = [
        row for name, run in made.items() for row in run.known_rows() if (name, row.set) in asked
    ]
    return RunSummary(
        name=directory.name,
        directory=directory,
        kind="sweep",
        status=ended[0] if ended else "done" if done == len(asked) else "unfinished",
        stage=ended[1] if ended else None,
        levels=tuple(sorted({level for run in runs for level in run.levels}, reverse=True)),
        searches=_counted(rows, by_set=False),
        size=_size(directory),
        changed=max((run.changed for run in runs), default=directory.stat().st_mtime),
        runs=len(asked),
        runs_done=done,
    )


def _run(run: Run) -> RunSummary:
    stages = run.meta().stages
    unfinished = [(status, stage) for stage, status in stages.items() if status != "done"]
    status, stage = unfinished[-1] if unfinished else ("done", next(reversed(stages), None))
    if status == "running" and not run.in_use():
        status = "killed"
    return RunSummary(
        name=run.directory.name,
        directory=run.directory,
        kind="run",
        status=status,
        stage=stage,
        levels=tuple(run.config()["levels"]["values"]),
        searches=_counted(run.known_rows(), by_set=True),
        size=_size(run.directory),
        changed=run.meta_file.stat().st_mtime,
    )


def _searching(set_name: str) -> str:
    return f"connect {set_name}"


def _counted(rows: Sequence[StringRecord], by_set: bool) -> tuple[SearchCount, ...]:
    """By method; by set, if it may be, where there are several of one method."""
    sets = {(row.method, row.set) for row in rows}
    per_method = Counter(method for method, _ in sets)
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        name = row.method if per_method[row.method] == 1 or not by_set else row.set
        counts.setdefault(name, Counter())[row.status] += 1
    return tuple(
        SearchCount(
            name,
            found[Status.CONNECTED],
            found.total() - found[Status.LEVEL_NOT_REACHED],
            found[Status.LEVEL_NOT_REACHED],
        )
        for name, found in counts.items()
    )


def _size(directory: Path) -> int:
    """Of all files below; one that goes while this is counted is left out."""
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total
