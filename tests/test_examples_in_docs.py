"""What README and docs show is run as a reader would: their files, commands, Python."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from glob import glob
from pathlib import Path

import pytest

from landscape.store.records import COLUMNS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
FILES = {
    name[1]: text
    for _, text in BLOCKS
    if (name := re.match(r"# ([\w.]+\.(?:py|yaml))$", text.splitlines()[0]))
}

# a network and its training that know nothing of lscape, under the names of the documents' PyTorch
FLAX_OUTSIDE = """
import flax.linen as nn, jax, jax.numpy as jnp, numpy as np, optax
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

x, y = load_digits(return_X_y=True)
x = jnp.asarray(x / 16)
net = nn.Sequential([nn.Dense(32), nn.relu, nn.Dense(10)])
optimizer = optax.adam(1e-2)

@jax.jit
def step(params, state):
    def loss(p):
        return optax.softmax_cross_entropy_with_integer_labels(net.apply(p, x), y).mean()
    updates, state = optimizer.update(jax.grad(loss)(params), state)
    return optax.apply_updates(params, updates), state

for seed in (0, 1):
    params = net.init(jax.random.key(seed), x)
    state = optimizer.init(params)
    for _ in range(200):
        params, state = step(params, state)
    layers = params["params"]
    tensors = {}
    for name, layer in zip(("0", "2"), (layers["layers_0"], layers["layers_2"])):
        tensors[name + ".weight"] = np.ascontiguousarray(np.asarray(layer["kernel"]).T)
        tensors[name + ".bias"] = np.asarray(layer["bias"])
    save_file(tensors, f"net-{seed}.safetensors")
"""


@pytest.fixture
def folder(tmp_path):
    """An empty folder with the documents' files and our configs."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    return tmp_path


def shell(folder: Path, line: str) -> str:
    """Run a command of the documents with this Python's `lscape` and `python`; returns stdout."""
    program, *arguments = shlex.split(line, comments=True)
    words = [found for word in arguments for found in sorted(glob(word, root_dir=folder)) or [word]]
    found = Path(sys.executable).parent / program
    environment = {**os.environ, "PATH": f"{found.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def commands(containing: str) -> list[str]:
    (block,) = (text for kind, text in BLOCKS if kind == "sh" and containing in text)
    return block.splitlines()


def results(run: Path) -> list[dict[str, str]]:
    with (run / "results.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_commands(folder):
    outputs = [shell(folder, line) for line in commands("lscape verify")]
    assert "parameters" in outputs[0] and not (folder / "runs").exists()
    (run,) = (folder / "more").iterdir()
    assert outputs[1] == f"{run.relative_to(folder)}\n"
    rows = results(run)
    assert [(r["method"], r["a"], r["b"]) for r in rows if r["method"] == "dss"] == [
        ("dss", "0", "1"), ("dss", "0", "2"),
    ]  # fmt: skip
    assert sum(r["method"] == "straight" for r in rows) == 2 * 6
    connected = sum(r["status"] == "CONNECTED" for r in rows)
    assert f"{connected} of {connected} CONNECTED strings hold at grid 200" in outputs[4]
    header, *lines = outputs[5].splitlines()
    assert {"level", "pairs", "connected"} < set(header.split(",")) and len(lines) == 3
    assert (run / "report.html").is_file()


def test_the_planes(folder):
    outputs = [
        shell(folder, line) for line in commands("lscape plane planes/quickstart-* --models")
    ]
    (run,) = (folder / "planes").iterdir()
    names = {path.name for path in (run / "planes").iterdir()}
    stems = ("models-0-1-2-1.0", "pair-0-1-1.0", "random-0-1.0")
    kinds = ("safetensors", "svg", "pdf", "csv")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in kinds}
    assert all("leaves the plane by at most" in said for said in outputs[2:4])
    assert "filters of Dense_0.kernel are numbered by axis 1" in outputs[4]
    (given,) = commands("plane.filters")
    assert "filters of Dense_0.kernel are numbered by axis 1" in shell(folder, given)


def test_the_trajectories(folder):
    *_, said = [shell(folder, line) for line in commands("--trajectory")]
    assert said.count("(adam, 6 snapshots)") == said.count("(sgd, 6 snapshots)") == 2
    assert "% of the snapshots' variance" in said


def test_measuring(folder):
    run_line, measure_line = commands("measure.shorten=true")
    shell(folder, run_line)
    (run,) = (folder / "runs").iterdir()
    assert not (run / "measures").exists()
    said = shell(folder, measure_line)
    assert "shortened" in said and "largest eigenvalue" in said
    (measures,) = (run / "measures").iterdir()
    with (measures / "strings.csv").open() as file:
        (string,) = csv.DictReader(file)
    assert string["shortening"] == "CONVERGED" and string["function_metric"] == "jsd"
    assert float(string["chord"]) < float(string["length"]) < float(string["length_found"])
    assert float(string["scaled_chord"]) < float(string["scaled_length"])
    assert float(string["function_chord"]) < float(string["function_length"])


def test_the_config_is_our_shape_and_complete(folder):
    (text,) = (text for kind, text in BLOCKS if kind == "yaml" and "seed: 0" in text)
    (folder / "whole.yaml").write_text(text)
    from landscape.config.load import config_from, load_config

    config = load_config(folder / "whole.yaml")
    defaults = config_from({"task": {"name": "digits"}, "levels": {"values": [1.0]}})
    assert config.connect == defaults.connect
    assert config.compute == defaults.compute
    assert config.measure == defaults.measure
    assert config.train.model_copy(update={"batch_size": None}) == defaults.train


def test_a_factory(folder):
    shell(folder, "lscape run my_task.yaml")
    (run,) = (folder / "runs").iterdir()
    rows = results(run)
    assert len(rows) == 12 and {r["status"] for r in rows} == {"CONNECTED"}
    assert "width: 24" in (run / "config.yaml").read_text()


@pytest.mark.parametrize("trained_with", ["flax", pytest.param("torch", marks=pytest.mark.torch)])
def test_networks_trained_outside(folder, trained_with):
    train, run_line = commands("train_outside.py")
    if trained_with == "flax":
        (folder / "train_outside.py").write_text(FLAX_OUTSIDE)
    shell(folder, train)
    shell(folder, run_line)
    (run,) = (folder / "runs").iterdir()
    rows = results(run)
    assert [(r["level"], r["status"]) for r in rows] == [("0.5", "CONNECTED"), ("0.1", "CONNECTED")]
    assert rows[0]["loss_a"] == rows[1]["loss_a"], "one network, used at both levels"
    assert float(rows[0]["loss_a"]) <= 0.1


@pytest.mark.parametrize("number", range(2))
def test_the_one_call(folder, number):
    calls = [text for kind, text in BLOCKS if kind == "python" and "def ring(params)" in text]
    assert len(calls) == 2
    (folder / "call.py").write_text(calls[number])
    first, *_, last = shell(folder, "python call.py").splitlines()
    assert first.startswith("CONNECTED") and ("<Certificate" in last or last.startswith("True"))


def test_a_method_and_a_measure_of_ones_own(folder):
    (folder / "own.yaml").write_text(
        "task: {name: polynomial, coefficients: [0, 1], points: 50}\n"
        "train: {models: 2, learning_rate: 1e-2}\nlevels: {values: [0.2]}\n"
        'connect: {method: "detour:Detour", draws: 3}\n'
        'measure: {also: ["norms:Norms"], shorten: false, hessian: true, spectrum: 0}\n'
    )
    shell(folder, "lscape run own.yaml")
    (run,) = (folder / "runs").iterdir()
    assert [row["method"] for row in results(run)] == ["detour"]
    (also,) = run.glob("measures/*/also.csv")
    assert also.read_text().count("norms,") == 2


def test_the_python_form(folder):
    (folder / "form.py").write_text(
        next(text for kind, text in BLOCKS if kind == "python" and "load_config" in text)
    )
    *lines, verdict, mean = shell(folder, "python form.py").splitlines()
    assert len(lines) == 6 and all("CONNECTED" in line for line in lines)
    assert verdict == "True" and "'clustered': 'model'" in mean


def test_components(folder):
    train, grow = commands("--pairs tree")
    shell(folder, train)
    said = shell(folder, grow).splitlines()
    assert said[0].startswith("level 0.5:  6 models in 1 component; 0 of 15 pairs searched")
    assert said[2] == "level 0.05: 6 models in 1 component; 5 of 15 pairs searched, 5 connected"
    (folder / "components.py").write_text(
        next(text for kind, text in BLOCKS if kind == "python" and "describe(" in text)
    )
    *levels, tree = shell(folder, "python components.py").splitlines()
    assert levels[0] == "0.5 1 components at most: [[0, 1, 2, 3, 4, 5]]" and len(levels) == 3
    assert tree.count(",") >= 4 and "lowers them" in tree


def test_a_path_of_ones_own(folder):
    *_, said = [shell(folder, line) for line in commands("connect.start=path.safetensors")]
    assert said.startswith("level 0.1: 1 of 1 pairs connected")
    (run,) = (folder / "given").iterdir()
    found, taken = sorted(results(run), key=lambda row: row["method"])
    assert taken["method"] == "straight" and taken["grad_evals"] == "0"
    assert taken["length"] == found["length"] and taken["beads"] == found["beads"] > "2"


def test_the_columns_and_words_are_those_of_the_code():
    from landscape.core.status import Status

    for word in (*COLUMNS, *Status):
        assert f"`{word}`" in TEXT or f"**{word}**" in TEXT, word
