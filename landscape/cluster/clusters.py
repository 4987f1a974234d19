"""Dask clusters as a config asks for them."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from landscape.config.cluster_section import Hosts, Jobs, Pods
from landscape.config.sections import Compute
from landscape.config.validation import ConfigError
from landscape.core import cores, gpus
from landscape.core.shares import share
from landscape.store.files import RunError

if TYPE_CHECKING:
    from distributed import Client

    from landscape.cluster.pool import Pool

log = logging.getLogger("lscape")

FREE_PORT = {"dashboard_address": ":0"}  # its usual one may be taken
LOOPBACK = "127.0.0.1"  # a scheduler has no password: nobody else is to reach it

_command: list[contextlib.ExitStack] = []  # of `shared_workers`, the outermost
_open: list[tuple[Compute, Pool]] = []


@contextlib.contextmanager
def shared_workers() -> Iterator[None]:
    """Within, the workers that a stage starts serve the stages after it."""
    if _command:
        yield
        return
    with contextlib.ExitStack() as stack:
        _command.append(stack)
        stack.callback(_command.clear)
        yield


@contextlib.contextmanager
def workers_of(compute: Compute) -> Iterator[Pool | None]:
    """The workers that a config asks for; None where the work is this process's own.

    Raises:
        ConfigError: What it needs is not installed.
        RunError: The scheduler cannot be reached.
    """
    asked = compute.workers > 1 or compute.cluster is not None or compute.scheduler is not None
    if not asked:
        yield None
        return
    for other, pool in _open:
        if other == compute:
            yield pool
            return
    _need("distributed", "compute.workers")
    from landscape.cluster.pool import Pool

    with contextlib.ExitStack() as own:
        stack = _command[0] if _command else own
        pool = Pool(stack.enter_context(_client(compute)), workers_asked(compute))
        _open.append((compute, pool))
        stack.callback(_open.pop)
        yield pool


@contextlib.contextmanager
def _client(compute: Compute) -> Iterator[Client]:
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    stack = contextlib.ExitStack()
    try:
        stack.enter_context(silence_logging_cmgr(logging.CRITICAL))  # the pool says what matters
        if compute.scheduler is not None:
            try:
                client = stack.enter_context(Client(compute.scheduler, set_as_default=False))
            except (OSError, TimeoutError, ValueError) as error:
                said = f"{compute.scheduler}: no scheduler can be reached ({error})"
                raise RunError(said) from None
            _say(client, f"the scheduler at {compute.scheduler}")
        elif compute.cluster is not None:
            client = stack.enter_context(
                Client(stack.enter_context(started(compute)), set_as_default=False)
            )
            _say(
                client, f"{workers_asked(compute)} workers of {compute.cluster.kind} are asked for"
            )
        else:
            cluster = stack.enter_context(local_cluster(compute.workers))
            client = stack.enter_context(Client(cluster, set_as_default=False))
            there = gpus.visible()
            client.register_plugin(_share(compute.workers, there))
            of = f" on {len(there)} GPU{'s' * (len(there) > 1)}" if there else ""
            _say(client, f"{compute.workers} workers{of}")
        yield client
    finally:
        try:
            stack.close()
        except TimeoutError:  # workers are slow to end; their work is done
            _leave_to_nannies()


def workers_asked(compute: Compute) -> int:
    """How many workers there will be, where that is known."""
    cluster = compute.cluster
    return compute.workers * (len(cluster.hosts) - 1 if isinstance(cluster, Hosts) else 1)


def _say(client: Client, what: str) -> None:
    served = importlib.util.find_spec("bokeh") is not None
    link = client.dashboard_link if served else "none without the package bokeh"
    log.info(f"{what}; dashboard: {link}")


def _need(package: str, key: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f"{key}: needs {package}; pip install 'lscape[cluster]'")


# -- this machine ----------------------------------------------------------------------------------


def local_cluster(workers: int) -> Any:
    """Processes of this machine."""
    from dask.config import set as configured
    from distributed import LocalCluster

    # profiles of a worker's calls are kept for an hour, and grow with the depth of JAX's
    with configured({"distributed.worker.profile.enabled": False}):
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host=LOOPBACK,
                dashboard_address=f"{LOOPBACK}:0",
                memory_limit=0,  # compute.memory bounds it
                silence_logs=logging.CRITICAL,
            )
        except KeyboardInterrupt:
            _leave_to_nannies()
            raise
        except RuntimeError as error:
            raise RunError(
                f"{workers} workers cannot be started: {error}. A script that calls lscape with "
                'workers needs its calls under `if __name__ == "__main__":`'
            ) from error


def _leave_to_nannies() -> None:
    """Nannies end with this process; distributed would close what has not ended again as it exits,
    and show what fails there."""
    from distributed import SpecCluster

    for cluster in tuple(SpecCluster._instances):
        cluster.shutdown_on_close = False


def _share(workers: int, gpus_there: list[str]) -> Any:
    from distributed import Worker, WorkerPlugin

    class Share(WorkerPlugin):
        """Gives each worker its part of the cores and GPUs, before JAX counts them.

        A Ctrl-C of the terminal is for this process, which ends the workers.
        """

        name = "lscape-share"

        def setup(self, worker: Worker) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            part = int(worker.name)
            cores.keep_to(share(cores.allowed(), part, workers))
            if gpus_there:
                gpus.show(share(gpus_there, part, workers))

    return Share()


# -- other machines --------------------------------------------------------------------------------


def started(compute: Compute) -> Any:
    """The cluster of `compute.cluster`, with its workers asked for."""
    asked = compute.cluster
    if isinstance(asked, Jobs):
        cluster = job_cluster(asked)
        cluster.scale(jobs=compute.workers)
        return cluster
    if isinstance(asked, Hosts):
        return _over_ssh(asked, compute.workers)
    assert isinstance(asked, Pods)
    return _on_kubernetes(asked, compute.workers)


def job_cluster(asked: Jobs) -> Any:
    """A cluster whose workers are jobs, one a job; `job_script()` has what is submitted."""
    _need("dask_jobqueue", "compute.cluster")
    from dask_jobqueue.lsf import LSFCluster
    from dask_jobqueue.pbs import PBSCluster
    from dask_jobqueue.slurm import SLURMCluster

    kinds = {"slurm": SLURMCluster, "pbs": PBSCluster, "lsf": LSFCluster}
    account = {"project" if asked.kind == "lsf" else "account": asked.account}
    return kinds[asked.kind](
        cores=asked.cores,
        processes=1,
        memory=asked.memory,
        walltime=asked.walltime,
        queue=asked.queue,
        interface=asked.interface,
        job_extra_directives=list(asked.directives),
        job_script_prologue=list(asked.prologue),
        worker_extra_args=["--nthreads", "1"],  # JAX uses the cores
        log_directory="lscape-jobs",
        scheduler_options=FREE_PORT,
        **account,
    )


def _over_ssh(asked: Hosts, workers: int) -> Any:
    _need("asyncssh", "compute.cluster")
    from distributed import SSHCluster

    return SSHCluster(
        list(asked.hosts),
        scheduler_options=FREE_PORT,
        worker_options={"nthreads": 1, "n_workers": workers},
        remote_python=asked.python,
    )


def _on_kubernetes(asked: Pods, workers: int) -> Any:
    _need("dask_kubernetes", "compute.cluster")
    from dask_kubernetes.operator import KubeCluster  # pyright: ignore[reportMissingImports]

    limits: dict[str, str] = {}
    if asked.memory is not None:
        limits["memory"] = asked.memory
    if asked.gpus is not None:
        limits["nvidia.com/gpu"] = str(asked.gpus)
    return KubeCluster(
        image=asked.image,
        namespace=asked.namespace,
        n_workers=workers,
        resources={"limits": limits, "requests": limits},
        worker_command=["dask", "worker", "--nthreads", "1"],
    )
