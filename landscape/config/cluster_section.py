"""The part of `compute` that says where workers run. Dask makes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from landscape.core.settings import Count, Settings


class Jobs(Settings):
    """Workers that are jobs of a batch system, `compute.workers` of them."""

    kind: Literal["slurm", "pbs", "lsf"]
    """The batch system."""
    cores: Count
    """Of a job."""
    memory: Annotated[str, Field(pattern=r"^[0-9]+ ?[kMGT]i?B$")]
    """Of a job, such as `16GiB`."""
    walltime: str | None = None
    """Of a job, in the batch system's form, such as `04:00:00`; its work goes on in jobs that
    are left, and no job is submitted in its place."""
    queue: str | None = None
    """The queue or partition."""
    account: str | None = None
    """The account or project."""
    interface: str | None = None
    """The network interface by which jobs reach the scheduler, such as `ib0`."""
    directives: tuple[str, ...] = ()
    """More lines of the job script's head, such as `--gres=gpu:1`."""
    prologue: tuple[str, ...] = ()
    """Lines of the job script before the worker starts, such as `module load cuda`."""


class Hosts(Settings):
    """Workers on other machines, over SSH; `compute.workers` of them on each."""

    kind: Literal["ssh"]
    """Of the cluster."""
    hosts: Annotated[tuple[str, ...], Field(min_length=2)]
    """The scheduler's machine, and those of the workers."""
    python: str | None = None
    """The Python there; null: as here."""


class Pods(Settings):
    """Workers that are pods of Kubernetes, `compute.workers` of them."""

    kind: Literal["kubernetes"]
    """Of the cluster."""
    image: str
    """With lscape installed."""
    namespace: str | None = None
    """Null: the current one."""
    memory: str | None = None
    """Of a pod, such as `16Gi`."""
    gpus: Count | None = None
    """Of a pod."""


Cluster = Annotated[Jobs | Hosts | Pods, Field(discriminator="kind")]
