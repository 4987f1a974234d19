"""SIGKILL at random moments: the completed run has the same results as an uninterrupted one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from landscape.store.files import load_arrays

LEVELS = "[1.0, 0.1, 0.02, 0.005, 0.002]"
KILLS = 10


def lscape(*arguments: object, cwd: Path) -> subprocess.Popen:
    """With its own words in the file `said`."""
    program = Path(sys.executable).with_name("lscape")
    command = [program, *map(str, arguments), "--quiet"]
    environment = {**os.environ, "LSCAPE_CHECKPOINT_SECONDS": "0.3"}
    with (cwd / "said").open("w") as said:
        return subprocess.Popen(command, cwd=cwd, env=environment, stdout=said, stderr=said)


def comparable(results: Path) -> list[list[str]]:
    lines = [line.split(",") for line in results.read_text().splitlines()]
    time_column = lines[0].index("seconds")
    return [line[:time_column] + line[time_column + 1 :] for line in lines]


@pytest.mark.slow
def test_killed_at_ten_random_moments(tmp_path):
    config = tmp_path / "killed.yaml"
    config.write_text(
        "task: {name: digits, hidden: [24]}\n"
        "train: {models: 3, batch_size: 64}\n"
        f"levels: {{values: {LEVELS}}}\n"
    )
    began = time.monotonic()
    for command in ("train", "connect"):
        target = config if command == "train" else next((tmp_path / "whole").glob("killed-*"))
        process = lscape(command, target, "--runs-dir", "whole", cwd=tmp_path)
        assert process.wait() == 0, (tmp_path / "said").read_text()
    typical = (time.monotonic() - began) / 2

    moments = random.Random(0)
    kills = {"train": 0, "connect": 0}
    for attempt in range(200):
        if sum(kills.values()) >= KILLS and min(kills.values()) >= KILLS // 3:
            break
        folder = tmp_path / f"cut-{attempt}"
        for command in ("train", "connect"):
            while True:
                target = config if command == "train" else next(folder.glob("killed-*"))
                process = lscape(command, target, "--runs-dir", folder, cwd=tmp_path)
                time.sleep(moments.uniform(0.2, 1.1) * typical)
                if process.poll() is not None:
                    assert process.returncode == 0, (tmp_path / "said").read_text()
                    break
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills[command] += 1
        (run,) = folder.glob("killed-*")
        (whole,) = (tmp_path / "whole").glob("killed-*")
        assert comparable(run / "results.csv") == comparable(whole / "results.csv")
        for file in whole.glob("**/*.safetensors"):
            theirs, _ = load_arrays(file)
            ours, _ = load_arrays(run / file.relative_to(whole))
            assert all((ours[name] == theirs[name]).all() for name in theirs), file
        assert run.name == whole.name
    assert sum(kills.values()) >= KILLS, kills
