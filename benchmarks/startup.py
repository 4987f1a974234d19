"""What it takes to begin: help, a command with nothing to do, compiling cold and warm.

    python benchmarks/startup.py [--rounds N] [--json FILE]

Compiling is measured as `lscape train` with a single step and then `lscape connect` with a single
step of a bead: with a cache of compiled programs that is empty before `train`, with the cache of
an earlier run, and without a cache. The turns alternate; the ratio is without a cache over with it.
"""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
from pathlib import Path
from typing import Any

import measuring

from landscape.report.page.writing import MADE_OF

ROOT = Path(__file__).parent.parent
# a level that every model meets at once, with a bead's target that none can; one that none meets
STEP = (
    "train.models=2", "train.max_steps=1", "connect.target=1e-6", "connect.max_steps_per_bead=1",
    "connect.first_midpoint=true", "connect.pairs=disjoint", "connect.grid=2",
)  # fmt: skip
NETWORKS = {
    "quadratics": ("paper/quadratics.yaml", ("levels.values=[1000,1e-9]",)),
    "digits": ("quickstart.yaml", ("levels.values=[1000,1e-9]",)),
    "mnist": ("paper/mnist-small.yaml", ("levels.values=[100,1e-9]", "task.test_images=100")),
}


def training(network: str, runs: str | Path) -> list[str]:
    name, own = NETWORKS[network]
    changes = [part for change in (*STEP, *own) for part in ("--set", change)]
    config = ROOT / "configs" / name
    return measuring.lscape("train", config, "--quiet", "--runs-dir", runs, *changes)


def connecting(run: Path) -> list[str]:
    return measuring.lscape("connect", run, "--quiet")


def made_in(runs: str | Path) -> Path:
    """The one run there."""
    (run,) = Path(runs).glob("*-*")
    return run


def begin(network: str, folder: Path, cache: str) -> dict[str, measuring.Took]:
    """cache: `empty`, `kept` or `none`."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as runs,
        tempfile.TemporaryDirectory(dir=folder) as empty,
    ):
        surroundings = measuring.compiled_in(folder / "cache" if cache == "kept" else empty)
        if cache == "none":
            surroundings["JAX_ENABLE_COMPILATION_CACHE"] = "false"
        return {
            "train": measuring.took(training(network, runs), **surroundings),
            "connect": measuring.took(connecting(made_in(runs)), **surroundings),
        }


def compiling(rounds: int) -> list[dict[str, Any]]:
    rows = []
    for network in NETWORKS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            begin(network, folder, "kept")
            calls = {
                cache: functools.partial(begin, network, folder, cache)
                for cache in ("empty", "kept", "none")
            }
            results = measuring.turns(calls, rounds)
        for stage in ("train", "connect"):
            took = {cache: [one[stage] for one in results[cache]] for cache in calls}
            seconds = {
                cache: measuring.spread([one.seconds for one in took[cache]]) for cache in calls
            }
            rows.append(
                {
                    "network": network, "command": stage, "first start, s": seconds["empty"],
                    "second start, s": seconds["kept"], "without a cache, s": seconds["none"],
                    "without / second": measuring.ratios(took["none"], took["kept"]),
                }
            )  # fmt: skip
    measuring.show(rows)
    return rows


def drawn(run: Path) -> measuring.Took:
    """A report that does not know what its page was made of."""
    (run / "figures" / MADE_OF).unlink(missing_ok=True)
    return measuring.took(measuring.lscape("report", run, "--quiet"))


def commands(rounds: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        measuring.took(training("digits", folder))
        run = made_in(folder)
        measuring.took(connecting(run))
        calls = {
            "python -c ''": [sys.executable, "-c", ""],
            "python -c 'import jax'": [sys.executable, "-c", "import jax"],
            "lscape --help": measuring.lscape("--help"),
            "lscape connect RUN, nothing to do": connecting(run),
            "lscape report RUN, nothing has changed": measuring.lscape("report", run, "--quiet"),
        }
        turns = {name: functools.partial(measuring.took, call) for name, call in calls.items()}
        turns["lscape report RUN, drawn"] = functools.partial(drawn, run)
        results = measuring.turns(turns, rounds)
    rows = [
        {"command": name, "seconds": measuring.spread([one.seconds for one in took])}
        for name, took in results.items()
    ]
    measuring.show(rows)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    measuring.introduce()
    rows = {"commands": commands(given.rounds), "compiling": compiling(given.rounds)}
    measuring.write(given.json, **rows)


if __name__ == "__main__":
    main()
