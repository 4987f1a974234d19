"""Makes the runs of this format that are kept here, by python -m tests.runs_of_old.make.

From the repository's root. Runs of a format that has been released are never made again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from landscape import compare, config_from, connect, measure, open_run, train, verify
from landscape.report import report
from landscape.stages.align import align
from landscape.store.files import FORMAT
from landscape.store.run import Run

HERE = Path(__file__).parent
TASKS = "old_tasks.py"
EXPECTED = "expected.json"
NUMBERS = ("levels", "alignments", "best_known", "comparisons", "topology", "measured")
TWIN = {"endpoints": "permuted", "permute": {"units": [2, 0, 1], "axes": {"in": 1, "out": 0}}}


def _config(name: str, task: str, levels: list[float], **sections: Mapping[str, Any]) -> Any:
    train = {"models": 4, "learning_rate": 1e-2, "max_steps": 2000, "check_every": 50}
    mapping = {
        "task": {"factory": f"old_tasks:{task}"},
        "levels": {"values": levels},
        "train": train | dict(sections.pop("train", {})),
        **sections,
    }
    return config_from(mapping, name)


def _disjoint() -> Run:
    run = train(_config("disjoint", "ring", [1.0, 0.1]))
    connect(run, ["connect.pairs=disjoint"])
    return run


def _tree() -> Run:
    run = train(_config("tree", "ring", [0.5, 0.1], connect={"pairs": "tree"}))
    connect(run)
    return run


def _measured() -> Run:
    run = train(_config("measured", "ring", [0.5, 0.1], train={"models": 2}))
    connect(run)
    measure(run)
    return run


def _compared() -> Run:
    run = train(_config("compared", "ring", [0.1], train={"models": 2}))
    compare(run, ["straight", "dss"], 1000)
    return run


def _aligned() -> Run:
    run = train(_config("aligned", "network", [0.1], train={"models": 2, **TWIN}))
    connect(run, ["connect.align=weights", "connect.method=straight"])
    align(run)
    return run


def _state() -> Run:
    run = train(_config("state", "normalised", [0.2], train={"models": 2}))
    connect(run)
    return run


def _imported() -> Run:
    for number, angle in enumerate((0.3, 1.9)):
        point = np.array([np.cos(angle), np.sin(angle)], np.float32)
        save_file({"x": point}, f"{number}.safetensors")
    files = {"endpoints": ["0.safetensors", "1.safetensors"], "models": 2}
    run = train(_config("imported", "ring", [0.1], train=files))
    connect(run)
    return run


KINDS: dict[str, Callable[[], Run]] = {
    "disjoint": _disjoint, "tree": _tree, "measured": _measured, "compared": _compared,
    "aligned": _aligned, "state": _state, "imported": _imported,
}  # fmt: skip


def numbers(run: Run) -> dict[str, Any]:
    """What a later version has to find in a run: the report's numbers, and verify's verdicts."""
    found = report([run])
    verdicts = verify(run)
    told = {key: found[key] for key in NUMBERS}
    told["verify"] = [[v.name, v.agreed, v.max_loss, v.limit] for v in verdicts]
    return json.loads(json.dumps(told, default=str))


def main() -> None:
    place = HERE / f"format-{FORMAT}"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(HERE / TASKS, folder)
        os.chdir(folder)
        sys.path.insert(0, folder)
        expected = {}
        for kind, make in KINDS.items():
            kept = place / kind
            shutil.copytree(make().directory, kept, ignore=shutil.ignore_patterns("lock", "*.html"))
            copy = Path(folder, "copies", kind)
            shutil.copytree(kept, copy)
            expected[kind] = numbers(open_run(copy))
    (place / EXPECTED).write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
