"""Whole jobs, from the shell to the last certificate, against a plain PyTorch script.

    python benchmarks/jobs.py [NAME …] [--rounds N] [--json FILE]

Training and connecting by one of the paper's configs at one level, as `lscape run` does before it
measures and reports, takes turns with benchmarks/sequential.py, which starts from the same initial
models and data and follows the same protocol, at its best number of threads. Ours run with the
paper's settings and with our own defaults under the same limit and grid, cold (nothing compiled is
kept) and warm; every time is a process's, with starting, compiling, training, searching and
certifying. PyTorch's strings are judged by our certificate, outside the times. Gradients, losses
along segments and lengths are means over pairs, lengths over those that connected.

The useful share of a stage is the steps that its models made, over those that all devices would
have made if none had waited for the slowest in any call; where models share a device one at a time,
none is made for a finished model.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import jax
import measuring
import numpy as np
import torch
from sequential import tune

from landscape.config.load import Config, config_from, dump_config, load_config, resolved
from landscape.core import devices, paths
from landscape.core.certificate import certify, segment_evaluator
from landscape.core.landscape import Landscape, bind
from landscape.core.level import LevelSpec
from landscape.search.descend import Descender, DescentState
from landscape.stages.build import build_task
from landscape.stages.connect import connect
from landscape.stages.initial import initial
from landscape.stages.train import train
from landscape.store.run import open_run

# what `lscape run` does before it measures and reports, which the script does not
TRAIN_AND_CONNECT = """
import sys
from landscape.config.load import load_config
from landscape.stages.sweep import run
run(load_config(sys.argv[1]), sys.argv[2])
"""
HERE = Path(__file__).parent
PAPER = HERE.parent / "configs" / "paper"
EVALS = "grad_evals", "loss_evals"
KEPT = ("method", "pairs", "tolerance", "grid")  # of the paper's settings, in our defaults


class Job(NamedTuple):
    config: str
    changes: tuple[str, ...]
    rounds: int


def quadratics(points: int) -> Job:
    few = f"task.points={points}", f"task.test_points={points}"
    return Job("quadratics", ("train.models=32", "levels.values=[0.05]", *few), 3)


JOBS = {
    "quadratics, 10,000 points": quadratics(10_000),
    "quadratics, 1,000 points": quadratics(1_000),
    "mnist": Job(
        "mnist-small", ("train.models=4", "levels.values=[4.0]", "connect.pairs=disjoint"), 1
    ),
}


class Outcome(NamedTuple):
    took: measuring.Took
    facts: dict[str, Any]


def with_defaults(config: Config) -> Config:
    """The same task, training and limit, and otherwise our own way of connecting."""
    given = resolved(config)
    kept = {key: given["connect"][key] for key in KEPT}
    return config_from({**given, "connect": kept}, f"{config.name}-defaults")


def prepare(config: Config, folder: Path) -> tuple[Landscape, Path]:
    """The landscape, and a file of the initial models and the data for the script."""
    task, levels = build_task(config), config.levels
    landscape = bind(task, levels.metric, levels.split, config.train.batch_size)
    models = initial(config, landscape, range(config.train.models))
    arrays = {
        f"{number}/{name}": leaf[number]
        for name, leaf in models.items()
        for number in range(config.train.models)
    }
    for split in ("train", "test"):
        for which, array in zip("xy", task.data[split], strict=True):
            arrays[f"data/{split}.{which}"] = np.asarray(array)
    start = folder / "start.npz"
    np.savez(start, **arrays)
    return landscape, start


def facts_of(
    statuses: list[str], grads: list[int], losses: list[int], lengths: list[float]
) -> dict[str, Any]:
    return {
        "connected": f"{statuses.count('CONNECTED')}/{len(statuses)}",
        "gradients": statistics.mean(grads),
        "losses": statistics.mean(losses),
        "length": statistics.mean(lengths) if lengths else None,
    }


def ours(config: Config, folder: Path, cold: bool) -> Outcome:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        file, runs = Path(place) / f"{config.name}.yaml", Path(place) / "runs"
        file.write_text(dump_config(config))
        command = [sys.executable, "-c", TRAIN_AND_CONNECT, str(file), str(runs)]
        cache = Path(place) / "cache" if cold else folder / "cache"
        took = measuring.took(command, **measuring.compiled_in(cache))
        rows = open_run(next(runs.iterdir())).rows()
    lengths = [row.normalized_length for row in rows if row.status == "CONNECTED"]
    searched = sum(row.seconds or 0.0 for row in rows)
    grads, losses = ([getattr(row, which) for row in rows] for which in EVALS)
    facts = facts_of([row.status for row in rows], grads, losses, lengths)
    return Outcome(took, {**facts, "search_seconds": searched})


def theirs(
    config: Config, folder: Path, start: Path, best: dict[str, Any], landscape: Landscape
) -> Outcome:
    file, out = folder / "sequential.yaml", folder / "strings.npz"
    file.write_text(dump_config(config))
    script, threads = str(HERE / "sequential.py"), str(best["threads"])
    last = ["--channels-last"] if best["channels_last"] else []
    command = [sys.executable, script, str(file), str(start), str(out), "--threads", threads, *last]
    took = measuring.took(command)
    record = json.loads(took.output)
    with np.load(out) as arrays:
        strings: dict[str, dict[str, np.ndarray]] = {}
        for name in arrays:
            pair, parameter = name.split("/", 1)
            strings.setdefault(pair, {})[parameter] = arrays[name]
    (level,), settings = config.levels.values, config.connect
    limit = LevelSpec(level, settings.target, settings.tolerance).limit
    peaks = segment_evaluator(landscape, settings.grid)
    held = {
        pair: string
        for pair, string in strings.items()
        if certify(string, peaks, limit).holds(limit)
    }
    lengths = [paths.length(string) / paths.chord(string) for string in held.values()]
    statuses = ["CONNECTED" if pair in held else "NOT_FOUND" for pair in strings]
    statuses += ["LEVEL_NOT_REACHED"] * (len(record["pairs"]) - len(strings))
    grads, losses = ([pair[which] for pair in record["pairs"]] for which in EVALS)
    facts = facts_of(statuses, grads, losses, lengths)
    claimed = sum(pair["status"] == "CONNECTED" for pair in record["pairs"])
    times = {
        "search_seconds": record["connect_seconds"], "train_seconds": record["train_seconds"],
        "train_steps": record["train_steps"],
    }  # fmt: skip
    return Outcome(took, {**facts, "claimed": claimed, **times})


def useful_share(config: Config, folder: Path) -> dict[str, float]:
    """Of the steps of training and of connecting, by a run that is not timed."""
    made = {"train": [0, 0], "connect": [0, 0]}
    advance = Descender.advance

    def watching(stage: str) -> Callable[..., DescentState]:
        def watched(descender: Descender, descent: DescentState) -> DescentState:
            before = descent.step
            after = advance(descender, descent)
            steps = (after.step - before)[after.who]
            made[stage][0] += int(steps.sum())
            made[stage][1] += room(steps)
            return after

        return watched

    with tempfile.TemporaryDirectory(dir=folder) as runs:
        with mock.patch.object(Descender, "advance", watching("train")):
            run = train(config, runs)
        with mock.patch.object(Descender, "advance", watching("connect")):
            connect(run)
    return {stage: steps / most if most else 1.0 for stage, (steps, most) in made.items()}


def room(steps: np.ndarray) -> int:
    """The steps that all devices had time for while the models of one call made these: item k
    runs on device k modulo the devices (core/devices.py), beside the others or after them."""
    count = len(jax.devices())
    shares = [steps[device::count] for device in range(count)]
    if devices.exact_in_any_batch():
        return count * max(int(share.sum()) for share in shares)
    return count * len(shares[0]) * int(steps.max())


def measure(name: str, job: Job, rounds: int | None) -> dict[str, Any]:
    config = load_config(PAPER / f"{job.config}.yaml", job.changes)
    defaults = with_defaults(config)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        landscape, start = prepare(config, folder)
        best = tune(resolved(config), start)
        shares = {
            "the paper's settings": useful_share(config, folder),
            "our defaults": useful_share(defaults, folder),
        }
        calls: dict[str, Callable[[], Outcome]] = {
            "PyTorch": functools.partial(theirs, config, folder, start, best, landscape)
        }
        for called, one in (("the paper's settings", config), ("our defaults", defaults)):
            ours(one, folder, cold=False)  # fills the cache
            for cold in (True, False):
                label = f"{called}, {'cold' if cold else 'warm'}"
                calls[label] = functools.partial(ours, one, folder, cold)
        results = measuring.turns(calls, rounds or job.rounds)
    rows = []
    pytorch = [outcome.took for outcome in results["PyTorch"]]
    for label, outcomes in results.items():
        times = [outcome.took for outcome in outcomes]
        facts = outcomes[-1].facts
        share = shares.get(label.rsplit(",", 1)[0], {})
        rows.append(
            {
                "job": name, "by": label,
                "seconds": measuring.spread([one.seconds for one in times]),
                "PyTorch / this": measuring.ratios(pytorch, times),
                "connected": facts["connected"], "gradients a pair": facts["gradients"],
                "losses a pair": facts["losses"], "length": facts["length"],
                "searching, s": measuring.spread([o.facts["search_seconds"] for o in outcomes]),
                "useful: training": share.get("train"), "connecting": share.get("connect"),
            }
        )  # fmt: skip
    measuring.show(rows)
    return {"job": name, "pytorch": {**best, **results["PyTorch"][-1].facts}, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of jobs' names; all if left out")
    parser.add_argument("--rounds", type=int, help="turns of each; the default is the job's own")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    devices.configure()
    torch.manual_seed(0)
    measuring.introduce()
    found = [
        measure(name, job, given.rounds)
        for name, job in JOBS.items()
        if not given.names or any(name.startswith(part) for part in given.names)
    ]
    measuring.write(given.json, jobs=found)


if __name__ == "__main__":
    main()
