"""Work that only takes time, for benchmarks/workers.py."""

import time


def prepare(shared: float) -> float:
    """shared: seconds that a task takes."""
    return shared


def perform(seconds: float, task: int) -> int:
    time.sleep(seconds)
    return task
