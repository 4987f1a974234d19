"""Networks that memory has little room for: the same results, in the memory that was foreseen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from landscape.config.load import config_from
from landscape.core import large
from landscape.stages.connect import connect
from landscape.stages.train import train

ROOT = Path(__file__).parents[2]
MAIN = "from lscape_cli.main import main; main()"
CURVE = {
    "name": "polynomial", "coefficients": [0.1, 0.25, 0.5], "points": 50, "test_points": 50,
    "activation": "relu", "output_activation": "linear", "weights": {"distribution": "he"},
    "loss": "mse",
}  # fmt: skip


def config(hidden, rate, level, **compute):
    return {
        "task": {**CURVE, "hidden": hidden},
        "train": {"models": 2, "learning_rate": rate, "max_steps": 400, "check_every": 5},
        "levels": {"values": [level]},
        "compute": compute,
    }


def test_a_run_is_the_same_with_its_strings_in_files(tmp_path, monkeypatch):
    made = []
    empty = large.empty

    def counted(like):
        made.append(large.is_large(sum(one.nbytes for one in like)))
        return empty(like)

    monkeypatch.setattr(large, "empty", counted)
    found = []
    for memory in ("1GiB", "1MiB"):
        made.clear()
        run = train(
            config_from(config([200, 200], 1e-3, 3e-3, devices=1, memory=memory), name="curve"),
            tmp_path / memory,
        )
        (row,) = connect(run)
        found.append((row.status, row.string, row.beads, row.grad_evals, row.length))
        assert any(made) == (memory == "1MiB")
    assert found[0] == found[1] and found[0][0] == "CONNECTED" and found[0][2] > 2


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["train", "connect"])
def test_memory_is_what_check_has_said(tmp_path, stage):
    """Of two networks of 9 million parameters, in arrays that the allocator gives back."""
    text = json.dumps(config([3000, 3000], 3e-5, 3e-3, memory="200MB"))
    (tmp_path / "net.yaml").write_text(text)

    def peak(*arguments):
        """Bytes, and what was said."""
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'cli'}"}
        command = [sys.executable, "-c", MAIN, *arguments]
        with (tmp_path / "out").open("w") as out:
            process = subprocess.Popen(command, cwd=tmp_path, stdout=out, env=environment)
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
        assert status == 0, arguments
        return 1024 * used.ru_maxrss, (tmp_path / "out").read_text()

    said = json.loads(peak("check", "net.yaml", "--json")[1])
    taken = peak("train", "net.yaml", "--quiet")[0]
    if stage == "connect":
        taken = peak("connect", str(*(tmp_path / "runs").iterdir()), "--quiet")[0]
    foreseen = said[f"{stage}_memory_bytes"]
    assert np.isclose(foreseen, taken, rtol=0.2), (foreseen, taken)
