"""How many of the processor's cores this process may use. No JAX here."""

from __future__ import annotations

import os
import sys


def usable() -> int:
    """The cores that this process is allowed, where the platform says so; else all there are."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
