"""What workers may do to the work that they are given: it is all done, once, or refused by name."""

import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest
from dask import config
from distributed import Client, LocalCluster

from landscape.cluster import pool as module
from landscape.cluster.clusters import shared_workers, workers_of
from landscape.cluster.pool import Pool
from landscape.config.sections import Compute
from landscape.store.files import RunError

WORK = "tests.cluster.work"


@pytest.fixture(scope="module")
def client():
    where = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, silence_logs=50, **where) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def doubled(client, tasks, **shared):
    return dict(Pool(client).results(WORK, shared, tasks))


def test_each_task_is_done_once(client):
    found = list(Pool(client).results(WORK, {}, range(40)))
    assert Counter(task for task, _ in found) == Counter(range(40))
    assert dict(found) == {task: 2 * task for task in range(40)}
    assert doubled(client, []) == {}


def test_tasks_are_taken_as_workers_are_free(client):
    taken = []

    def tasks():
        for task in range(30):
            taken.append(task)
            yield task

    for done, _ in enumerate(Pool(client).results(WORK, {}, tasks())):
        assert len(taken) <= done + 1 + 2 * module.AHEAD


def test_what_a_killed_worker_held_is_done_by_another(client, tmp_path):
    file = tmp_path / "killed"
    file.touch()
    found = list(Pool(client).results(WORK, {"kills": {3: {str(file): 1}}}, range(8)))
    assert sorted(found) == [(task, 2 * task) for task in range(8)]
    assert file.read_text() == "."


def test_a_task_that_ends_worker_after_worker_is_named(client, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DEATHS", 1)
    file = tmp_path / "killed"
    file.touch()
    with pytest.raises(RunError, match="5: 2 workers have ended with it, the last tcp://"):
        doubled(client, [5], kills={5: {str(file): 9}})


def test_a_worker_that_cannot_do_it_is_named_and_left_out(client, caplog):
    client.wait_for_workers(2)
    assert doubled(client, range(12), refused=["1"]) == {task: 2 * task for task in range(12)}
    (said,) = {one.getMessage() for one in caplog.records if one.name == "lscape"}
    assert said.startswith("worker 1 (tcp://127.0.0.1:")
    assert "no module 'mine' here; it gets no more of this work" in said


def test_where_none_can_each_is_named(client):
    client.wait_for_workers(2)
    with pytest.raises(RunError, match=r"no worker can do this: worker .*mine.*; worker .*mine"):
        doubled(client, range(3), refused=["0", "1"])


def test_a_worker_of_another_version_is_refused(client, monkeypatch):
    monkeypatch.setattr(module, "versions_of_results", lambda: {"lscape": "9.9", "jax": "no"})
    with pytest.raises(RunError, match=r"it has lscape .*, not 9\.9; jax .*, not no"):
        doubled(client, [1])


def test_a_worker_without_lscape_is_refused(client, monkeypatch):
    client.wait_for_workers(2)

    def hide():
        import sys

        known = [name for name in sys.modules if name.startswith("landscape.cluster.desk")]
        for name in known:
            del sys.modules[name]
        sys.modules["landscape.cluster.desk"] = None  # pyright: ignore[reportArgumentType]

    client.run(hide)
    try:
        with pytest.raises(RunError, match="it cannot import lscape"):
            doubled(client, [1])
    finally:
        client.run(lambda: __import__("sys").modules.pop("landscape.cluster.desk"))
    assert doubled(client, [1]) == {1: 2}


def test_an_error_of_the_work_is_raised_as_it_is(client):
    with pytest.raises(OSError, match="No space left") as caught:
        doubled(client, range(4), raises=[2])
    assert caught.value.filename == "2"


def test_a_scheduler_that_goes_is_said(tmp_path):
    """And `compute.scheduler` finds one that is there."""
    file = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": os.getcwd()}
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    started = [*program, "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-dashboard", "--no-nanny"]
    soon = config.set({"distributed.comm.timeouts.connect": "1s"})
    with soon, subprocess.Popen(started, **quiet) as scheduler:
        while not file.exists():
            time.sleep(0.05)
        with subprocess.Popen([*worker, "--scheduler-file", str(file)], **quiet) as process:
            compute = Compute(scheduler=json.loads(file.read_text())["address"])
            with workers_of(compute) as pool, workers_of(compute) as same:
                assert pool is same and pool is not None
                results = pool.results(WORK, {}, range(100))
                next(results)
                scheduler.kill()
                with pytest.raises(RunError, match="the scheduler is gone; the same command resum"):
                    list(results)
            process.kill()


def test_the_stages_of_a_command_share_their_workers():
    asked, found = Compute(workers=2), []
    with shared_workers():
        for _ in range(2):
            with shared_workers(), workers_of(asked) as pool:
                assert pool is not None
                found.append(pool)
                assert dict(pool.results(WORK, {}, [3])) == {3: 6}
    with workers_of(asked) as pool:
        assert found[0] is found[1] is not pool


def test_a_scheduler_that_is_not_there_is_said():
    nowhere = Compute(scheduler="tcp://127.0.0.1:1")
    with (
        config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(RunError, match=r"tcp://127\.0\.0\.1:1: no scheduler can be reached"),
        workers_of(nowhere),
    ):
        pass
