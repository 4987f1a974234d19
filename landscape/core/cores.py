"""How many of the processor's cores this process may use. No JAX here."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path


def usable() -> int:
    """The cores that this process is allowed, where the platform says so; else all there are."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def allowed() -> list[int]:
    """The cores that this process is allowed; [] where the platform does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def keep_to(mine: list[int]) -> None:
    """Keep all threads of this process to some cores, where the platform can."""
    if not mine or not hasattr(os, "sched_setaffinity"):
        return
    threads = Path("/proc/self/task")
    numbers = [int(one.name) for one in threads.iterdir()] if threads.is_dir() else [0]
    for thread in numbers:
        with contextlib.suppress(ProcessLookupError):  # one that has just ended
            os.sched_setaffinity(thread, mine)
