"""How much memory there is, and whether it is spent."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import jax

ADVICE = (
    "lower compute.memory (--set compute.memory=500MB), train.batch_size or the search's "
    "max_beads, or use fewer workers; `lscape check` measures what a config takes"
)
SPENT = ("RESOURCE_EXHAUSTED", "out of memory", "Out of memory")


def is_spent(error: Exception) -> bool:
    """Whether it says that there was not enough memory, Python's or a device's."""
    from_device = isinstance(error, jax.errors.JaxRuntimeError)
    return isinstance(error, MemoryError) or (from_device and any(w in str(error) for w in SPENT))


def resident() -> int:
    """Bytes of memory that this process has; 0 where models are in other memory, or the system does
    not tell."""
    if jax.devices()[0].platform != "cpu":
        return 0
    with contextlib.suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return 1024 * int(found[1]) if found else 0
    return 0


def free() -> int | None:
    """Bytes that all devices together can still take; None where the system does not tell."""
    if jax.devices()[0].platform == "cpu":
        limits = [*_available(), *_group_limit()]
        return min(limits) if limits else None
    known = [device.memory_stats() or {} for device in jax.devices()]
    if not all("bytes_limit" in stats for stats in known):
        return None
    return sum(stats["bytes_limit"] - stats.get("bytes_in_use", 0) for stats in known)


def _available() -> list[int]:
    with contextlib.suppress(OSError):
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        return [1024 * int(found[1])] if found else []
    return []


def _group_limit() -> list[int]:
    """Of a container: what it may take less what it has."""
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):
        limit, taken = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
        return [limit - taken]
    return []
