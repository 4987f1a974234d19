"""A disk that fails when it is told to: at the n-th thing that is done to a folder's files.

What is done to files is heard by an audit hook, which comes before it and can forbid it. A kill is
an exception after which nothing more reaches the folder, as after SIGKILL: what a process would
have tidied up stays.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Fault = Callable[[str, str], None]  # what is done, and to which path
CHANGES = frozenset({"write", "sync", "remove"})  # before and after each the disk is another
READS = frozenset({"read"})
EVENTS = {
    "os.rename": "rename", "os.remove": "remove", "os.mkdir": "mkdir", "os.rmdir": "rmdir",
    "os.chmod": "chmod", "os.truncate": "truncate", "os.link": "link", "os.symlink": "link",
}  # fmt: skip
MAKES = os.O_CREAT | os.O_WRONLY | os.O_RDWR | os.O_TRUNC


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Disk:
    """What was done to a folder's files: (kind, path), in turn; and the fault of the n-th.

    kinds: those that count; at: the number of the first that fails, from
    0; lasting: whether all after it fail, too.
    """

    folder: str
    fault: Fault | None = None
    at: int = 0
    kinds: frozenset[str] = CHANGES
    lasting: bool = False
    done: list[tuple[str, str]] = field(default_factory=list)

    def hear(self, kind: str, path: str) -> None:
        if not path.startswith(self.folder) or os.path.basename(path) == "lock":
            return
        if kind not in self.kinds:
            return
        number = len(self.done)
        self.done.append((kind, path))
        hit = number >= self.at if self.lasting else number == self.at
        if self.fault is not None and hit:
            self.fault(kind, path)


def kill(kind: str, path: str) -> None:
    """To be lasting: whoever is dead does nothing more."""
    raise Killed(f"{kind} {path}")


def error(number: int) -> Fault:
    def fail(kind: str, path: str) -> None:
        raise OSError(number, os.strerror(number), path)

    return fail


_active: list[Disk] = []


def _hook(event: str, arguments: tuple) -> None:
    if not _active:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, str | bytes):
            _tell("write" if isinstance(flags, int) and flags & MAKES else "read", path)
    elif event in EVENTS:
        _tell(EVENTS[event], arguments[0])


def _tell(kind: str, path: object) -> None:
    if isinstance(path, str | bytes | os.PathLike):
        whole = os.path.abspath(os.fsdecode(path))
        for disk in tuple(_active):
            disk.hear(kind, whole)


def _synced(handle: int) -> None:
    if _active:
        _tell("sync", os.readlink(f"/proc/self/fd/{handle}"))
    _fsync(handle)


_fsync = os.fsync
_installed = False


def install() -> None:
    """Once a process: hooks stay."""
    global _installed
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True


@contextlib.contextmanager
def failing(disk: Disk) -> Iterator[Disk]:
    """Within, what is done to the disk's folder is heard, and fails as it says."""
    install()
    os.fsync = _synced
    _active.append(disk)
    try:
        yield disk
    finally:
        _active.remove(disk)
        if not _active:
            os.fsync = _fsync
