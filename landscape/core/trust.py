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


def is_trusted(name: str, origin: str) -> bool:
    """Whether code of this name, from this file or package, may be run; what is named under
    `--trust` is remembered."""
    trust, line = _trust.get(), f"{name}\t{origin}"
    if trust == "any" or line in _known():
        return True
    if trust == "named":
        with suppress(OSError, RuntimeError):
            path = _file()
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(f"{line}\n")
    return trust == "named"


def _known() -> list[str]:
    with suppress(OSError, RuntimeError, ValueError):
        return _file().read_text().splitlines()
    return []


def _file() -> Path:
    """Of what is trusted. Raises RuntimeError where there is no home."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "lscape" / "trusted"
