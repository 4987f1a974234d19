"""Whose code may be run: a config names functions and classes, and importing them runs them.

A Python program imports what it wants. The command line imports what a config or a run names only
where its user has said so: by `--trust`, now, or before, which is remembered by name and file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Literal

# of a program: any code; of the command line: what is trusted already, or what is named now too
Trust = Literal["any", "known", "named"]

_trust: ContextVar[Trust] = ContextVar("trust", default="any")


@contextmanager
def trusting(trust: Trust) -> Iterator[None]:
    """Whose code configs may name, until this ends."""
    before = _trust.set(trust)
    try:
        yield
    finally:
        _trust.reset(before)


def is_known(name: str, origin: str) -> bool:
    """Whether code of this name, from this file or package, may be run though it is not named
    now; nothing is remembered."""
    return _trust.get() == "any" or _line(name, origin) in _remembered()


def is_trusted(name: str, origin: str) -> bool:
    """Whether code that is named now, of this name and from this file or package, may be run;
    under `--trust` it is remembered."""
    if is_known(name, origin):
        return True
    if _trust.get() != "named":
        return False
    if path := trusted_file():
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(f"{_line(name, origin)}\n")
    return True


def trusted_file() -> Path | None:
    """Where what is trusted is remembered; None where there is no home."""
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / "lscape" / "trusted"
    with suppress(RuntimeError):
        return Path.home() / ".local" / "state" / "lscape" / "trusted"
    return None


def _line(name: str, origin: str) -> str:
    return f"{name}\t{origin}"


def _remembered() -> list[str]:
    path = trusted_file()
    with suppress(OSError, ValueError):
        return path.read_text().splitlines() if path else []
    return []
