"""lscape in processes of its own, and what is left of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": f"{ROOT}:{ROOT / 'cli'}",
    "LSCAPE_CHECKPOINT_SECONDS": "0.05",
}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
START = [sys.executable, "-m", "tests.faults.moment"]
PATIENCE = 300  # seconds, on a machine that does other work


class Moment(NamedTuple):
    """When a signal comes: so many seconds after the n-th change to the folder of runs."""

    change: int
    number: signal.Signals
    seconds: float


class Ended(NamedTuple):
    code: int
    out: str
    err: str
    changes: int | None  # to the folder of runs; None after SIGKILL


def lscape(
    folder: Path, *arguments: object, moment: Moment | None = None, hangup: bool = True
) -> Ended:
    """A command in a working directory, whose folder of runs is `runs`.

    hangup: whether SIGHUP ends it, and not as by nohup.
    """
    change, number, seconds = moment or (-1, 0, 0)
    counts = folder / "changes"
    counts.unlink(missing_ok=True)
    command = [
        *START, folder / "runs", change, int(number), seconds,
        counts, *arguments,
    ]  # fmt: skip
    with (folder / "out").open("w+") as out, (folder / "err").open("w+") as err:
        with _heard(signal.SIGINT), _heard(signal.SIGHUP, hangup):
            process = subprocess.Popen(
                [*map(str, command)], cwd=folder, env=ENVIRONMENT, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip
        try:
            code = process.wait(PATIENCE)
        finally:
            process.kill()
        assert orphans(process.pid) == []
        changes = int(counts.read_text()) if counts.exists() else None
        return Ended(code, Path(out.name).read_text(), Path(err.name).read_text(), changes)


@contextlib.contextmanager
def _heard(number: signal.Signals, heard: bool = True) -> Iterator[None]:
    """Children that begin within hear a signal, or do not, whatever started this process."""
    before = signal.signal(number, signal.SIG_DFL if heard else signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def orphans(session: int, patience: float = 30) -> list[str]:
    """The processes of a session that are there after so many seconds."""
    until = time.monotonic() + patience
    while (found := _of_session(session)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _of_session(session: int) -> list[str]:
    found = []
    for place in Path("/proc").iterdir():
        try:
            _, _, fields = (place / "stat").read_text().rpartition(") ")
            state, _, _, own, *_ = fields.split()
            if int(own) == session and state != "Z":
                found.append((place / "cmdline").read_text().replace("\0", " "))
        except (OSError, ValueError):
            continue
    return found
