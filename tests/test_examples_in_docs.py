"""What README and docs show is run as a reader would: their files, commands, Python.

Most commands run in this process, so that JAX is started once.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from glob import glob
from pathlib import Path

import jax
import pytest
import yaml
from click.testing import CliRunner

from landscape.config.load import config_from, load_config, load_sweep
from landscape.core.status import Status
from landscape.measures.registry import MEASURES
from landscape.methods.registry import METHODS
from landscape.store.records.base import columns
from landscape.store.records.strings import StringRecord
from landscape.tasks.registry import TASKS
from tests.cli.commands import main

pytestmark = pytest.mark.usefixtures("unpainted")

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
FILES = {
    name[1]: text
    for _, text in BLOCKS
    if (name := re.match(r"# ([\w.]+\.(?:py|yaml))$", text.splitlines()[0]))
}

# what a block has and no other one, by what the tests below call it
RUN = {
    "commands": "lscape verify more",
    "planes": "lscape plane planes/quickstart-* --models",
    "filters": "--set 'plane.filters",
    "trajectories": "--trajectory 0,1",
    "measures": "--level 1.0 --set measure.shorten=true",
    "hessian": "--set measure.top=5",
    "tree": "--pairs tree",
    "own path": "connect.start=path.safetensors",
    "own task": "lscape run my_task.yaml",
    "outside": "lscape run outside.yaml",
    "own network": "lscape run digits_torch.yaml",
    "call": "print(found.certificate)\n",
    "library": "ls.shorten(ring",
    "stages": "from landscape import connect, load_config",
    "components": "import describe",
    "completion": "_LSCAPE_COMPLETE=bash_source",
    "schema": "lscape schema >",
    "own batches": "def loss(params, carry, data, key):",
    "falling metric": "metrics = {",
    "symmetries": "lscape symmetries configs/quickstart.yaml",
    "by hand": "ls.symmetries(loss, a",
    "aligning": "lscape align aligned/quickstart-*",
    "comparing": "lscape compare compared/quickstart-*",
    "workers": "lscape connect shared/quickstart-* --workers 2",
}
# what takes minutes: its commands are read, and its configs judged
READ = [
    "make demo",
    "source .venv/bin/activate",
    "lscape run configs/paper/quadratics.yaml",
    "lscape run configs/paper/cubics.yaml",
    "lscape run configs/theory/linear-vs-relu.yaml",
    "dask scheduler",
]

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
def folder(tmp_path, monkeypatch):
    """The working directory: an empty folder with the documents' files and our configs."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    with jax.numpy_rank_promotion("allow"):  # as users have it
        yield tmp_path


def block(name: str) -> str:
    (text,) = (text for _, text in BLOCKS if RUN[name] in text)
    return text


def run(line: str) -> str:
    """Run a command of the documents in the working directory; returns what it prints."""
    line, _, kept = line.partition(" > ")
    program, *arguments = shlex.split(line, comments=True)
    words = [found for word in arguments for found in sorted(glob(word)) or [word]]
    if program == "lscape":
        done = CliRunner().invoke(main, words, catch_exceptions=False)
        assert done.exit_code == 0, f"{line}\n{done.output}"
        if kept:
            Path(kept).write_text(done.stdout)
        return done.stdout
    if program == "python":
        return python(Path(words[0]).read_text())
    assert program == "cp"
    shutil.copy(*words)
    return ""


def python(source: str) -> str:
    """Run Python of the documents; returns what it prints."""
    said = io.StringIO()
    with redirect_stdout(said):
        exec(compile(source, "example", "exec"), {"__name__": "__main__"})
    return said.getvalue()


def outputs(name: str) -> list[str]:
    return [run(line) for line in block(name).splitlines()]


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def results(run: Path) -> list[dict[str, str]]:
    return table(run / "results.csv")


def test_every_example_is_run():
    """Every block of shell or Python is one of RUN, READ or FILES, and of one alone."""
    for kind, text in BLOCKS:
        if kind in ("sh", "bash", "python") and text not in FILES.values():
            found = [mark for mark in (*RUN.values(), *READ) if mark in text]
            assert len(found) == 1, f"add a test, and what tells this example apart:\n{text}"


@pytest.mark.parametrize("mark", READ)
def test_what_takes_minutes_can_be_read(folder, mark):
    (text,) = (text for _, text in BLOCKS if mark in text)
    for line in text.splitlines():
        program, *words = shlex.split(line, comments=True)
        if program == "lscape":
            command = main.commands[words[0]]
            with command.make_context(words[0], words[1:]) as context:
                changes, path = context.params["overrides"], context.params.get("config")
            if path:
                assert load_sweep(path, changes) or load_config(path, changes)
        elif program == "make":
            assert f"\n{words[0]}:" in (ROOT / "Makefile").read_text()
        elif program == "python":
            assert (ROOT / words[1].replace(".", "/")).with_suffix(".py").is_file()
        elif program != "dask":
            assert (program, *words) == ("source", ".venv/bin/activate")


def test_the_installed_commands(folder):
    """`lscape` itself, and its completion in bash."""
    where = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{where}:{os.environ['PATH']}"}
    line = block("completion") + "\ncomplete -p lscape; lscape --help"
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "complete -o nosort" in done.stdout and "Usage: lscape" in done.stdout


@pytest.mark.parametrize("text", [text for kind, text in BLOCKS if kind == "yaml"])
def test_every_piece_of_a_config_is_one(folder, text):
    if "digits_torch" in text:
        pytest.importorskip("torch")
    if text in FILES.values():
        assert load_config(re.findall(r"[\w.]+", text)[0])
        return
    piece = yaml.safe_load(text) or {}
    (folder / "spread.py").write_text((ROOT / "examples" / "spread.py").read_text())
    trained = "endpoints" in piece.get("train", {})
    task = {"factory": "my_task:make_task"} if trained else {"name": "digits"}
    Path("piece.yaml").write_text(
        yaml.safe_dump({"task": task, "levels": {"values": [1.0]}} | piece)
    )
    assert load_sweep("piece.yaml") if "sweep" in piece else load_config("piece.yaml")


def test_the_schema_is_kept_where_the_first_line_says(folder):
    outputs("schema")
    (named,) = re.findall(r"^# yaml-language-server: \$schema=(\S+)$", TEXT, re.MULTILINE)
    assert "connect" in json.loads(Path(named).read_text())["properties"]


def test_the_entry_points():
    (text,) = (text for kind, text in BLOCKS if kind == "toml")
    (group,) = tomllib.loads(text)["project"]["entry-points"]
    assert group == METHODS.group
    for registry in (METHODS, TASKS, MEASURES):
        assert f"`{registry.group}`" in (ROOT / "docs" / "extending.md").read_text()


@pytest.mark.painted
def test_the_commands(folder):
    said = outputs("commands")
    assert "parameters" in said[0] and not (folder / "runs").exists()
    (run,) = (folder / "more").iterdir()
    assert said[1] == f"{run.relative_to(folder)}\n"
    rows = results(run)
    assert [(r["method"], r["a"], r["b"]) for r in rows if r["method"] == "dss"] == [
        ("dss", "0", "1"), ("dss", "0", "2"),
    ]  # fmt: skip
    assert sum(r["method"] == "straight" for r in rows) == 2 * 6
    connected = sum(r["status"] == "CONNECTED" for r in rows)
    assert f"{connected} of {connected} CONNECTED strings hold at grid 200" in said[4]
    header, *lines = said[5].splitlines()
    assert {"level", "pairs", "connected"} < set(header.split(",")) and len(lines) == 3
    assert (run / "report.html").is_file()


@pytest.mark.painted
@pytest.mark.slow
def test_the_planes(folder):
    said = outputs("planes")
    (run,) = (folder / "planes").iterdir()
    names = {path.name for path in (run / "planes").iterdir()}
    stems = ("models-0-1-2-1.0", "pair-0-1-1.0", "random-0-1.0")
    kinds = ("safetensors", "svg", "pdf", "csv")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in kinds}
    assert all("leaves the plane by at most" in one for one in said[2:4])
    assert "filters of Dense_0.kernel are numbered by axis 1" in said[4]
    (given,) = outputs("filters")
    assert "filters of Dense_0.kernel are numbered by axis 1" in given


@pytest.mark.slow
def test_the_trajectories(folder):
    *_, said = outputs("trajectories")
    assert said.count("(adam, 6 snapshots)") == said.count("(sgd, 6 snapshots)") == 2
    assert "% of the snapshots' variance" in said


def test_measuring(folder):
    found, measured = outputs("measures")
    assert "largest eigenvalue" not in found
    assert "shortened" in measured and "largest eigenvalue" in measured
    (measures,) = folder.glob("runs/*/measures/*")
    (string,) = table(measures / "strings.csv")
    assert string["shortening"] == "CONVERGED" and string["function_metric"] == "jsd"
    assert float(string["chord"]) < float(string["length"]) < float(string["length_found"])
    assert float(string["scaled_chord"]) < float(string["scaled_length"])
    assert float(string["function_chord"]) < float(string["function_length"])
    outputs("hessian")  # of the same run
    (others,) = set(folder.glob("runs/*/measures/*")) - {measures}
    sizes = [len(table(others / f"{name}.csv")) for name in ("models", "top", "parts")]
    assert sizes == [2, 2 * 5, 2 * 2]


def test_the_config_is_our_shape_and_complete(folder):
    (text,) = (text for kind, text in BLOCKS if kind == "yaml" and "seed: 0" in text)
    (folder / "whole.yaml").write_text(text)
    config = load_config(folder / "whole.yaml")
    defaults = config_from({"task": {"name": "digits"}, "levels": {"values": [1.0]}})
    assert config.connect == defaults.connect
    assert config.compute == defaults.compute
    assert config.measure == defaults.measure
    assert config.train.model_copy(update={"batch_size": None}) == defaults.train


@pytest.mark.slow
def test_a_factory(folder):
    outputs("own task")
    (run,) = (folder / "runs").iterdir()
    rows = results(run)
    assert len(rows) == 6 and {r["status"] for r in rows} == {"CONNECTED"}
    assert "width: 24" in (run / "config.yaml").read_text()


@pytest.mark.parametrize("trained_with", ["flax", pytest.param("torch", marks=pytest.mark.torch)])
def test_networks_trained_outside(folder, trained_with):
    if trained_with == "flax":
        (folder / "train_outside.py").write_text(FLAX_OUTSIDE)
    outputs("outside")
    (run,) = (folder / "runs").iterdir()
    rows = results(run)
    assert [(r["level"], r["status"]) for r in rows] == [("0.5", "CONNECTED"), ("0.1", "CONNECTED")]
    assert rows[0]["loss_a"] == rows[1]["loss_a"], "one network, used at both levels"
    assert float(rows[0]["loss_a"]) <= 0.1


@pytest.mark.torch
def test_a_network_of_pytorch(folder):
    """From its files to the report, as the page on one's own network has it."""
    outputs("own network")
    (run,) = (folder / "runs").iterdir()
    bent = [r for r in results(run) if r["method"] != "straight"]
    assert len(bent) == 4 and {r["status"] for r in bent} == {"CONNECTED"}
    page = (run / "report.html").read_text()
    assert "recomputed at every point" in page and "on straight lines the loss rises" in page


def test_the_one_call():
    first, second = python(block("call")).splitlines()
    assert first.startswith("CONNECTED") and second.startswith("<Certificate")
    status, certificate, last = python(block("library")).splitlines()
    assert status.startswith("CONNECTED") and certificate.startswith("<Certificate")
    found, short = (float(line.split()[-1]) for line in (status, last))
    assert last.startswith("True ") and 1 < short <= found


def test_the_symmetries(folder):
    (said,) = outputs("symmetries")
    (shown,) = (text for kind, text in BLOCKS if kind == "text" and "class 1" in text)
    assert [line.split() for line in said.splitlines() if line.strip()] == [
        line.split() for line in shown.splitlines() if line.strip()
    ]


def test_aligning_by_hand():
    axes, own, error, distances = python(block("by hand")).splitlines()
    assert "powers=(1, -1)" in own and "max (relu)" in own
    assert axes == "['inner[1]', 'outer[0]']"
    assert "outer[0] is missing" in error
    before, after = map(float, distances.split()[:2])
    assert after < before


@pytest.mark.painted
def test_aligning(folder):
    outputs("aligning")
    (run,) = (folder / "aligned").iterdir()
    rows = results(run)
    assert sorted(row["align"] for row in rows) == [""] * 4 + ["weights"] * 4
    assert "aligned" in (run / "report.html").read_text()


@pytest.mark.painted
def test_comparing(folder):
    assert "gradients to a path" in outputs("comparing")[1]
    (run,) = (folder / "compared").iterdir()
    rows = results(run)
    assert {row["method"] for row in rows} == {"dss", "bezier", "straight"}
    assert "Methods compared" in (run / "report.html").read_text()


def test_two_workers(folder):
    *_, said = outputs("workers")
    assert "level 0.1: 6 of 6 pairs connected" in said


def test_pieces_of_tasks():
    """Those of a task with own batches, and of a metric that falls."""
    space = {
        "jax": jax, "residual": lambda params, x: x.sum(), "boundary": lambda params, x: x.sum(),
        "accuracy": lambda params, data: 0.75,
    }  # fmt: skip
    exec(block("own batches"), space)
    data = {"inner": jax.numpy.ones(7), "wall": jax.numpy.ones(2)}
    assert space["loss"](None, (), data, jax.random.key(0)) == (66, ())
    exec(block("falling metric"), space)
    assert space["metrics"]["error"](None, None) == 0.25


@pytest.mark.slow
def test_the_python_form(folder):
    *lines, verdict, mean = python(block("stages")).splitlines()
    assert len(lines) == 6 and all("CONNECTED" in line for line in lines)
    assert verdict == "True" and "'clustered': 'model'" in mean


def test_components(folder):
    _, found = outputs("tree")
    said = found.splitlines()
    assert said[0].startswith("level 0.5:  6 models in 1 component; 0 of 15 pairs searched")
    assert said[2] == "level 0.05: 6 models in 1 component; 5 of 15 pairs searched, 5 connected"
    *levels, tree = python(block("components")).splitlines()
    assert levels[0] == "0.5 1 components at most: [[0, 1, 2, 3, 4, 5]]" and len(levels) == 3
    assert tree.count(",") >= 4 and "lowers them" in tree


def test_a_path_of_ones_own(folder):
    *_, said = outputs("own path")
    assert said.startswith("level 0.1: 1 of 1 pairs connected")
    (run,) = (folder / "given").iterdir()
    found, taken = sorted(results(run), key=lambda row: row["method"])
    assert taken["method"] == "straight" and taken["grad_evals"] == "0"
    assert taken["length"] == found["length"] and taken["beads"] == found["beads"] > "2"


def test_the_columns_and_words_are_those_of_the_code():
    for word in (*columns(StringRecord), *Status):
        assert f"`{word}`" in TEXT or f"**{word}**" in TEXT, word
