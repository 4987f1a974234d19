"""What handing a task out to a worker costs, and how well 64 workers are kept at work.

    python benchmarks/workers.py [--workers 64] [--tasks 2000] [--json FILE]

The workers are threads of this process that sleep, so that two cores can play 64 workers; the
scheduler, the messages and the pool are the real ones. Overhead is the time of all tasks, times
the workers, less what the tasks slept, a task.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
from pathlib import Path

import measuring
from distributed import Client, LocalCluster

from landscape.cluster import desk
from landscape.cluster.pool import Pool

SECONDS = 0.0, 0.1, 1.0


def took(client: Client, seconds: float, tasks: int) -> float:
    began = time.perf_counter()
    done = sorted(task for task, _ in Pool(client).results("fake_work", seconds, range(tasks)))
    assert done == list(range(tasks))
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    measuring.introduce()
    desk._busy = contextlib.nullcontext()  # one process plays all workers
    workers, rows = asked.workers, []
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=None,
            memory_limit=0, silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        took(client, 0.0, workers)
        for seconds in SECONDS:
            tasks = asked.tasks if seconds < 1 else asked.tasks // 4
            spent = took(client, seconds, tasks)
            row = {
                "workers": workers, "tasks": tasks, "task seconds": seconds,
                "wall seconds": spent, "tasks a second": tasks / spent,
                "busy": seconds * tasks / workers / spent,
            }  # fmt: skip
            rows.append(row)
    measuring.show(rows)
    measuring.write(asked.json, rows=rows)


if __name__ == "__main__":
    main()
