"""Time and peak memory of whole commands against models, pairs, parameters and levels.

    python benchmarks/scaling.py [SERIES …] [--json FILE]

Work is training steps and gradients of beads, or parameters. An exponent p is fitted to
seconds = start + c·work^p (least squares of relative errors), so linear is 1: for wall time, and
for the cores' busy seconds, which other processes disturb less. The last series has pairs of
networks of a million parameters under compute.memory: its peak is not to grow with them.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import measuring
import numpy as np
from scipy.optimize import curve_fit

from landscape.store.run import Run, open_run

ROOT = Path(__file__).parent.parent
QUADRATICS = ROOT / "configs" / "paper" / "quadratics.yaml"
DIGITS = ROOT / "configs" / "quickstart.yaml"
POINTS = "task.points=1000", "task.test_points=1000"
NEVER = "levels.values=[1e-9]"
AT_ONCE = "levels.values=[1000]"
MODELS = 12  # of which there are 66 pairs
MEMORY = "256MiB"


class Point(NamedTuple):
    size: int
    work: int
    took: measuring.Took


def lscape(command: str, *arguments: str | Path, changes: tuple[str, ...] = ()) -> measuring.Took:
    asked = [part for change in changes for part in ("--set", change)]
    return measuring.took(measuring.lscape(command, *arguments, "--quiet", *asked))


def only_run(runs: Path) -> Run:
    (directory,) = runs.iterdir()
    return open_run(directory)


def steps_of(run: Run) -> int:
    return sum(model.steps for model in run.models())


def gradients_of(run: Run) -> int:
    return sum(row.grad_evals for row in run.rows())


def models(runs: Path) -> Iterator[Point]:
    for count in (2, 4, 16, 64, 256):
        place = runs / f"{count}"
        changes = (*POINTS, NEVER, f"train.models={count}", "train.max_steps=3000")
        took = lscape("train", QUADRATICS, "--runs-dir", place, changes=changes)
        yield Point(count, steps_of(only_run(place)), took)


def searched(runs: Path, run: Run, sizes: tuple[int, ...], *changes: str) -> Iterator[Point]:
    """The first so many pairs of a trained run."""
    pairs = [f"{a}-{b}" for a, b in combinations(range(MODELS), 2)]
    for count in sizes:
        copy = runs / f"{count}" / run.directory.name
        shutil.copytree(run.directory, copy)
        took = lscape("connect", copy, "--pairs", ",".join(pairs[:count]), changes=changes)
        yield Point(count, gradients_of(open_run(copy)), took)


def pairs(runs: Path) -> Iterator[Point]:
    changes = (*POINTS, "levels.values=[0.05]", f"train.models={MODELS}")
    lscape("train", QUADRATICS, "--runs-dir", runs / "trained", changes=changes)
    yield from searched(runs, only_run(runs / "trained"), (1, 2, 4, 16, 64))


def parameters(runs: Path) -> Iterator[Point]:
    for width in (12, 70, 280, 964, 3_125):
        size = (64 + 1 + width + 1 + 10) * width + 10
        place, steps = runs / f"{width}", "train.max_steps=50"
        changes = (NEVER, f"task.hidden=[{width},{width}]", "train.models=2", steps)
        yield Point(size, size, lscape("train", DIGITS, "--runs-dir", place, changes=changes))


def levels(runs: Path) -> Iterator[Point]:
    values = [0.2, 0.175, 0.15, 0.125, 0.1, 0.09, 0.08, 0.07, 0.06, 0.05]
    for count in (1, 2, 5, 10):
        place = runs / f"{count}"
        changes = (*POINTS, f"levels.values={values[:count]}", "train.models=8")
        took = lscape("run", QUADRATICS, "--runs-dir", place, changes=changes)
        run = only_run(place)
        yield Point(count, steps_of(run) + gradients_of(run), took)


def large_pairs(runs: Path) -> Iterator[Point]:
    """Every string gets a midpoint that has to make its steps, and no more beads."""
    changes = (AT_ONCE, "task.hidden=[964,964]", f"train.models={MODELS}")
    lscape("train", DIGITS, "--runs-dir", runs / "trained", changes=changes)
    run = only_run(runs / "trained")
    searching = ("target=1e-9", "first_midpoint=true", "max_steps_per_bead=5", "grid=2")
    asked = tuple(f"connect.{setting}" for setting in (*searching, "max_beads=3"))
    yield from searched(runs, run, (1, 4, 16, 64), *asked, f"compute.memory={MEMORY}")


SERIES: dict[str, Callable[[Path], Iterator[Point]]] = {
    "models": models,
    "pairs": pairs,
    "parameters": parameters,
    "levels": levels,
    "pairs of 1e6 parameters": large_pairs,
}


def exponent(work: list[int], took: list[float]) -> float:
    """p of seconds = start + c·(work / most)^p."""
    seconds = np.array(took)
    fitted, _ = curve_fit(
        lambda w, start, c, p: start + c * w**p,
        np.array(work) / max(work), seconds, sigma=seconds,
        p0=(seconds.min(), np.ptp(seconds), 1.0),
        bounds=([0, 0, 0.1], [seconds.min(), np.inf, 4]),
    )  # fmt: skip
    return float(fitted[2])


def measure(name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        points = list(SERIES[name](Path(temporary)))
    rows = [
        {
            "series": name, "size": point.size, "work": f"{point.work:,}",
            "seconds": point.took.seconds, "busy seconds": point.took.busy_seconds,
            "peak, MiB": round(point.took.peak_mib),
        }
        for point in points
    ]  # fmt: skip
    measuring.show(rows)
    work = [point.work for point in points]
    wall = exponent(work, [point.took.seconds for point in points])
    busy = exponent(work, [point.took.busy_seconds for point in points])
    print(f"{name}: wall time grows as work^{wall:.2f}, busy time as work^{busy:.2f}\n", flush=True)
    return {"series": name, "wall_exponent": wall, "busy_exponent": busy, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="series; all if left out")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    measuring.introduce()
    chosen = [name for name in SERIES if not given.names or name in given.names]
    measuring.write(given.json, series=[measure(name) for name in chosen])


if __name__ == "__main__":
    main()
