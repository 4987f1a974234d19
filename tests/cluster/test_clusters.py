"""What a config's clusters are in Dask's words. Nothing is submitted."""

import contextlib
import os
from typing import cast

import pytest

from landscape.cluster import clusters
from landscape.cluster.clusters import job_cluster, workers_asked, workers_of
from landscape.config.cluster_section import Hosts, Jobs
from landscape.config.load import ConfigError, config_from
from landscape.config.sections import Compute
from landscape.core import cores, gpus
from landscape.core.shares import share
from landscape.store.files import RunError

ASKED = {
    "cores": 4, "memory": "16GB", "walltime": "04:00:00", "queue": "gpu", "account": "mine",
    "directives": ["--gres=gpu:1"], "prologue": ["module load cuda"],
}  # fmt: skip
HEADS = {
    "slurm": [
        "#SBATCH -J dask-worker", "#SBATCH -e lscape-jobs/dask-worker-%J.err",
        "#SBATCH -o lscape-jobs/dask-worker-%J.out", "#SBATCH -p gpu", "#SBATCH -A mine",
        "#SBATCH -n 1", "#SBATCH --cpus-per-task=4", "#SBATCH --mem=15G", "#SBATCH -t 04:00:00",
        "#SBATCH --gres=gpu:1",
    ],
    "pbs": [
        "#PBS -N dask-worker", "#PBS -q gpu", "#PBS -A mine", "#PBS -l select=1:ncpus=4:mem=15GB",
        "#PBS -l walltime=04:00:00", "#PBS -e lscape-jobs/", "#PBS -o lscape-jobs/",
        "#PBS --gres=gpu:1",
    ],
    "lsf": [
        "#BSUB -J dask-worker", "#BSUB -e lscape-jobs/dummy-name-%J.err",
        "#BSUB -o lscape-jobs/dummy-name-%J.out", "#BSUB -q gpu", '#BSUB -P "mine"',
        "#BSUB -n 4", '#BSUB -R "span[hosts=1]"', "#BSUB -M 16000000",
        "#BSUB -W 04:00", "#BSUB --gres=gpu:1",
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADS)
def test_a_job_script(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = {**ASKED, "walltime": "04:00"} if kind == "lsf" else ASKED
    with job_cluster(Jobs(kind=kind, **asked)) as cluster:
        lines = cluster.job_script().splitlines()
        address = cluster.scheduler_address
    head = [line for line in lines if line.startswith("#") and not line.startswith("#!")]
    assert sorted(head) == sorted(HEADS[kind])
    prologue, worker = (line for line in lines if line and not line.startswith("#"))
    assert prologue == "module load cuda"
    words = worker.split()
    assert words[1:4] == ["-m", "distributed.cli.dask_worker", address]
    threads = [words[n + 1] for n, word in enumerate(words) if word == "--nthreads"]
    assert threads[-1] == "1", "JAX uses the cores of a job"


def test_one_worker_is_this_process():
    with workers_of(Compute()) as pool:
        assert pool is None


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with (
        pytest.raises(ConfigError, match=r"compute\.workers: needs distributed; pip install 'lsc"),
        workers_of(Compute(workers=2)),
    ):
        pass


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "slurn", "cores": 1}, r"compute\.cluster: unknown kind 'slurn'; did you mean"),
        ({"cores": 1}, r"compute\.cluster: needs kind"),
        ({"kind": "slurm", "cores": 1, "memory": "much"}, r"compute\.cluster\.memory: "),
        ({"kind": "ssh", "hosts": ["a"]}, r"compute\.cluster\.hosts: must have at least 2 items"),
    ],
)
def test_a_mistake_is_named(given, said):
    keys = {"task": {"name": "digits"}, "levels": {"values": [1.0]}}
    with pytest.raises(ConfigError, match=said):
        config_from({**keys, "compute": {"cluster": given}})


@pytest.mark.parametrize("there", [0, 1, 2, 5, 8])
def test_what_a_machine_has_is_shared(there):
    items = list("abcdefgh"[:there])
    for parts in (1, 2, 3, 8, 20):
        shares = [share(items, part, parts) for part in range(parts)]
        assert {item for own in shares for item in own} == set(items)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        assert all(shares) or not items
        if parts <= there:
            assert sum(map(len, shares)) == there, "nothing is shared"


TWO_WHOLE_AND_TWO_PARTS = """\
GPU 0: NVIDIA H200 (UUID: GPU-1e2f-aa)
GPU 1: NVIDIA H200 (UUID: GPU-3c4d-bb)
  MIG 3g.71gb     Device  0: (UUID: MIG-5a6b-cc)
  MIG 3g.71gb     Device  1: (UUID: MIG-7e8f-dd)
GPU 2: NVIDIA H200 (UUID: GPU-9a0b-ee)
"""


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Four GPUs, by a driver that is not there."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<END\n{TWO_WHOLE_AND_TWO_PARTS}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    return ["GPU-1e2f-aa", "MIG-5a6b-cc", "MIG-7e8f-dd", "GPU-9a0b-ee"]


def test_gpus_are_those_of_the_driver_or_of_the_variable(driver, monkeypatch):
    assert gpus.visible() == driver
    for variable, names in (
        ("2,0", ["2", "0"]), ("", []), ("-1", []), ("1,-1,0", ["1"]), ("GPU-1e2f-aa", driver[:1]),
    ):  # fmt: skip
        monkeypatch.setenv(gpus.VISIBLE, variable)
        assert gpus.visible() == names


def test_without_a_driver_there_are_no_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    assert gpus.visible() == []


def seen(workers):
    """What each worker sees: its GPUs, its cores, whether JAX has looked before."""

    def own():
        import os
        import signal
        import sys

        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN, "Ctrl-C is for who started it"
        looked = "jax" in sys.modules
        return os.environ.get("CUDA_VISIBLE_DEVICES"), os.sched_getaffinity(0), looked

    with workers_of(Compute(workers=workers)) as pool:
        assert pool is not None and pool.expected == workers
        return [*cast(dict[str, tuple], pool._client.run(own)).values()]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the platform cannot tell")
def test_each_worker_has_its_own_gpus_and_cores_before_jax_looks(driver):
    found = seen(3)
    names = sorted(name for name, _, _ in found)
    assert names == sorted([f"{driver[0]},{driver[3]}", driver[1], driver[2]])
    assert {core for _, own, _ in found for core in own} == set(cores.allowed())
    assert not any(looked for _, _, looked in found)
    assert gpus.VISIBLE not in os.environ, "this process sees what it saw"


def test_the_users_own_choice_of_gpus_is_shared(driver, monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "3,1")
    assert sorted(name for name, _, _ in seen(2)) == ["1", "3"]


def test_without_gpus_nothing_is_hidden(monkeypatch):
    monkeypatch.setattr(gpus, "visible", list)
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    assert [name for name, _, _ in seen(2)] == [None, None]


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (Compute(workers=3), 3),
        (Compute(workers=3, cluster=Jobs(kind="slurm", cores=1, memory="1GB")), 3),
        (Compute(workers=3, cluster=Hosts(kind="ssh", hosts=("a", "b", "c"))), 6),
    ],
)
def test_how_many_workers_are_expected(compute, expected):
    assert workers_asked(compute) == expected


def test_workers_that_are_slow_to_end_are_no_failure(monkeypatch):
    class Slow:
        dashboard_link = ""

        def __init__(self, *given, **named):
            del given, named

        def register_plugin(self, plugin):
            del plugin

        def __enter__(self):
            return self

        def __exit__(self, *raised):
            raise TimeoutError

    monkeypatch.setattr("distributed.Client", Slow)
    monkeypatch.setattr(clusters, "local_cluster", lambda workers: contextlib.nullcontext(workers))
    with clusters._client(Compute(workers=2)):
        pass
    with pytest.raises(RunError, match="no"), clusters._client(Compute(workers=2)):
        raise RunError("no")
