"""Files on their way to their place, and what of them a killed process has left. No JAX here."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where leftovers stay
    fcntl = None

SUFFIX = ".lscape"  # of no file of anybody else's


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Within, an error of the system that names no file, as that of a full disk does where a file
    is written, names this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def temporary_beside(path: Path) -> tuple[int, str]:
    """A new file in the path's folder, open and its own process's, and its name."""
    while True:
        handle, name = tempfile.mkstemp(SUFFIX, f".{path.name}.", path.parent)
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a disk without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # `remove_leftovers` came before the lock


def unnamed_file(folder: Path) -> BinaryIO:
    """A new file in a folder that is gone once nothing of it is open or mapped."""
    return tempfile.TemporaryFile(prefix=".", suffix=SUFFIX, dir=folder)  # pyright: ignore


def is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(SUFFIX)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes have left on its way, here and below; what another process is
    writing stays."""
    for place in _leftovers(folder):
        with contextlib.suppress(OSError), open(place, "rb") as file:
            assert fcntl is not None
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(place)


def _leftovers(folder: Path) -> Iterator[str]:
    if fcntl is None:
        return
    for place, _, names in os.walk(folder):
        yield from (os.path.join(place, name) for name in names if is_temporary(name))
