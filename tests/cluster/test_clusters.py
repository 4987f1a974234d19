"""What a config's clusters are in Dask's words. Nothing is submitted."""

import os

import pytest

from landscape.cluster.clusters import job_cluster, workers_of
from landscape.config.cluster_section import Jobs
from landscape.config.load import ConfigError, config_from
from landscape.config.sections import Compute
from landscape.core import cores

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


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the platform cannot tell")
@pytest.mark.parametrize("there", [1, 2, 5, 8])
def test_cores_are_shared(there, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(there)))
    for parts in (1, 2, 3, 8, 20):
        shares = [cores.share(part, parts) for part in range(parts)]
        assert {core for share in shares for core in share} == set(range(there))
        assert all(shares) and max(map(len, shares)) - min(map(len, shares)) <= 1
        if parts <= there:
            assert sum(map(len, shares)) == there, "no core is shared"
