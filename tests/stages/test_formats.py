"""Check points by whatever wrote them, and several of each network along its training."""

# pyright: reportArgumentType=false
# NumPy says that an array given to savez by its name could be another argument

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import flax.serialization
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint
import pytest
from safetensors.numpy import save_file

import landscape as ls
from landscape import ConfigError, config_from, connect, train
from landscape.config.load import resolved, run_hash, run_name
from landscape.report import report
from landscape.stages.check import check
from landscape.store.files import load_arrays

POINTS = [np.array([1.0, 0.1], np.float32), np.array([0.1, 1.0], np.float32)]


def orbax_save(path: str, tree: Any) -> None:
    with orbax.checkpoint.StandardCheckpointer() as saver:
        saver.save(Path(path).absolute(), tree)


def by_manager(path: str, tree: Any) -> None:
    """As a CheckpointManager does: in a folder of its own below the step's."""
    orbax_save(f"{path}/default", tree)


def msgpack_save(path: str, tree: Any) -> None:
    Path(path).write_bytes(flax.serialization.to_bytes(tree))


def flat(tree: Any, sign: str) -> dict[str, np.ndarray]:
    found = {}
    for key, part in tree.items():
        inner = flat(part, sign) if isinstance(part, dict) else {"": part}
        found |= {sign.join(filter(None, (key, name))): leaf for name, leaf in inner.items()}
    return found


@pytest.fixture
def given(ring):
    return lambda endpoints: ring(train={"endpoints": endpoints, "models": 2})


SAVERS = {
    ".safetensors": lambda path, tree: save_file(flat(tree, "."), path),
    ".npz": lambda path, tree: np.savez(path, **flat(tree, "/")),
    ".msgpack": msgpack_save,
    "": orbax_save,
    "-100": by_manager,
}


@pytest.mark.parametrize("suffix", SAVERS)
@pytest.mark.parametrize("wrap", [[], ["params"], ["module", "_orig_mod"], ["state_dict", "model"]])
def test_every_kind_is_read_without_its_wrapping(given, caplog, suffix, wrap):
    caplog.set_level("INFO")
    files = []
    for number, point in enumerate(POINTS):
        tree: Any = {"x": point}
        for key in reversed(wrap):
            tree = {key: tree}
        files.append(f"net-{number}{suffix}")
        SAVERS[suffix](files[-1], tree)
    config = given(files)
    check(config)
    run = train(config)
    for model, point in enumerate(POINTS):
        assert np.array_equal(load_arrays(run.model_file(model, 0.1))[0]["x"], point)
    sign = "/" if suffix == ".npz" else "."
    said = f"'{sign.join([*wrap, ''])}' is stripped from names in 2 of the endpoints' files"
    assert (said in caplog.text) == bool(wrap)


def test_what_save_parameters_writes_is_read(given, workplace):
    for number, point in enumerate(POINTS):
        ls.save_parameters(f"saved/{number}.safetensors", {"x": jnp.asarray(point)})
    run = train(given("saved"))
    assert [model.status for model in run.models()] == ["TRAINED"] * 2
    for path, params, said in (
        ("net.pt", {"x": POINTS[0]}, "must end in .safetensors"),
        ("net.safetensors", {"x": np.array([np.inf])}, "x has numbers that are not finite"),
    ):
        with pytest.raises(ValueError, match=said):
            ls.save_parameters(path, params)
        assert not Path(path).exists()


def save_steps(folder: str, radii: dict[int, float], angle: float) -> None:
    """Check points of a network on its way down to the circle, at the steps of training."""
    for step, radius in radii.items():
        x = radius * np.array([np.cos(angle), np.sin(angle)])
        ls.save_parameters(f"{folder}/step-{step}.safetensors", {"x": x.astype(np.float32)})


def test_check_points_along_training_are_used_where_they_first_meet_a_level(given, tmp_path):
    """The loss at radius r is (r² − 1)²: 9 at 2, 0.19 at 1.2, 0.0017 at 1.02."""
    save_steps("a", {20: 2.0, 100: 1.2, 1000: 1.02}, 0.1)
    save_steps("b", {20: 1.2, 100: 1.4, 1000: 1.3}, 1.5)
    config = given({0: ["a"], 1: ["b/step-*.safetensors"]})
    steps = (20, 100, 1000)  # in the order of training, not of the alphabet
    files = tuple(tuple(f"{n}/step-{step}.safetensors" for step in steps) for n in "ab")
    assert config.train.files == files and config.train.models == 2
    assert config_from(resolved(config), name="ring") == config
    run = train(config)
    found = [[(level.status, level.step) for level in model.levels] for model in run.models()]
    reached, missed = "REACHED", "LEVEL_NOT_REACHED"
    assert found == [
        [(reached, 1), (reached, 2), (reached, 2)],
        [(reached, 0), (missed, None), (missed, None)],
    ]
    radii = {(0, 1.0): 1.2, (0, 0.1): 1.02, (0, 0.01): 1.02, (1, 1.0): 1.2}
    for (model, level), radius in radii.items():
        arrays, _ = load_arrays(run.model_file(model, level))
        assert np.linalg.norm(arrays["x"]) == pytest.approx(radius, rel=1e-5)
    assert [model.value for model in run.models()] == pytest.approx(
        [(1.02**2 - 1) ** 2, (1.3**2 - 1) ** 2], rel=1e-3
    )
    lines = [(line.model, line.step) for line in run.history()]
    assert lines == [(model, step) for model in range(2) for step in range(3)]
    rows = connect(run)
    assert [row.level for row in rows if row.status == "CONNECTED"] == [1.0]
    assert report([run])


def test_a_glob_a_folder_and_a_list_are_the_same_run(given):
    save_steps("nets", {1: 1.1, 2: 1.05}, 0.0)
    names = {
        run_name(given(endpoints))
        for endpoints in (
            "nets", "nets/*.safetensors", ["nets/step-1.safetensors", "nets/step-2.safetensors"],
            {"files": "nets"},
        )
    }  # fmt: skip
    assert len(names) == 2, "a section is another form, of the same networks"


def test_a_folder_of_orbax_is_part_of_the_name(given):
    for number, point in enumerate(POINTS):
        orbax_save(f"o-{number}", {"x": point})
    config = given(["o-0", "o-1"])
    before = run_hash(config)
    inside = next(path for path in Path("o-1").rglob("*") if path.is_file())
    inside.write_bytes(inside.read_bytes() + b" ")
    assert run_hash(config) != before


def write_pickle(path: str) -> None:
    Path(path).write_bytes(b"\x80\x04N.")


MISTAKES = {
    "nothing there": ("gone.npz", None, "gone.npz: cannot be read: No such file"),
    "no kind": ("net.h5", lambda path: Path(path).write_bytes(b"x"), "of no known kind (allowed: "),
    "no npz": ("net.npz", write_pickle, "no npz check point: "),
    "no msgpack": ("net.msgpack", lambda path: Path(path).write_bytes(b"abc"), "no msgpack check"),
    "no safetensors": ("net.safetensors", write_pickle, "no safetensors check point: "),
    "objects": (
        "net.npz", lambda path: np.savez(path, x=np.array([object()])), "no npz check point: ",
    ),
    "not finite": (
        "net.npz", lambda path: np.savez(path, x=np.array([np.nan, 1], np.float32)),
        "x has 1 numbers that are not finite, of 2",
    ),
    "shapes": (
        "net.npz", lambda path: np.savez(path, x=np.zeros((2, 1), np.float32)),
        "other shapes than the task's: x (2, 1), not (2,)",
    ),
    "missing": (
        "net.npz", lambda path: np.savez(path, y=np.zeros(2)),
        "other parameters than the task's (missing: x; unknown: y)",
    ),
    "more": (
        "net.msgpack",
        lambda path: msgpack_save(
            path, {"params": {"x": POINTS[0], "y": POINTS[0]}, "opt_state": {"mu": POINTS[0]}}
        ),
        "take other names: ignore: \"params.y\" leaves these out",
    ),
    "a name twice": (
        "net.npz", lambda path: np.savez(path, **{"module.x": POINTS[0], "model.x": POINTS[1]}),
        "other parameters than the task's (unknown: model.x)",
    ),
    "a folder": ("empty", lambda path: Path(path).mkdir(), "a folder without check points"),
    "a glob": ("no-*.npz", None, "matches no check points"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_what_cannot_be_used_is_told_in_a_line_and_nothing_is_written(given, workplace, case):
    bad, save, said = MISTAKES[case]
    np.savez("good.npz", x=POINTS[0])
    if save:
        save(bad)
    before = sorted(workplace.rglob("*"))
    with pytest.raises(ConfigError) as caught:
        train(given(["good.npz", bad]))
    (problem,) = caught.value.problems
    assert problem.startswith("train.endpoints") and bad in problem and said in problem
    assert sorted(workplace.rglob("*")) == before


def test_a_glob_without_files_names_its_key(given):
    for endpoints, key in (
        ({0: ["*.npz"], 1: ["b.npz"]}, "train.endpoints"),
        ("*.npz", "train.endpoints"),
        ({"files": ["*.npz"]}, "train.endpoints.files"),
    ):
        with pytest.raises(ConfigError, match=rf"^{key}: '\*\.npz' matches no check points"):
            given(endpoints)


def test_what_is_suggested_helps(given):
    for number, point in enumerate(POINTS):
        tree = {"params": {"x": point}, "opt_state": {"0": {"mu": point}}, "step": np.int32(3)}
        msgpack_save(f"{number}.msgpack", tree)
    files = {"files": "*.msgpack", "ignore": "opt_state.*, step"}
    assert len(train(given(files)).models()) == 2


def test_a_file_of_pytorch_needs_pytorch(given, monkeypatch):
    real = builtins.__import__

    def without_torch(name: str, *rest: Any, **more: Any) -> Any:
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    for number in range(2):
        write_pickle(f"{number}.pt")
    with pytest.raises(ConfigError, match=r"0\.pt: reading it needs torch, which is not installed"):
        train(given(["0.pt", "1.pt"]))
