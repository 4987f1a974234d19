"""`connect.start: FILE`: a search that begins from a path of beads."""

# pyright: reportOptionalOperand=false, reportOperatorIssue=false
# a number that a record leaves out fails a test without that

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from landscape import connect, open_run, train
from landscape.config.load import ConfigError
from landscape.stages.checkpoints import Checkpoints

START = "connect.start=path.safetensors"


def circle(start, turn, beads=9):
    """Points of the unit circle from an angle on."""
    angles = start + np.linspace(0, turn, beads)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


@pytest.fixture
def run(ring, workplace):
    """Two models a quarter of a turn apart on the circle of minima."""
    for number, at in enumerate(circle(0.3, np.pi / 2, 2)):
        save_file({"x": at}, f"{number}.safetensors")
    files = ["0.safetensors", "1.safetensors"]
    return train(ring(train={"endpoints": files, "models": 2}, levels={"values": [0.1, 0.01]}))


def rows_of(run, *settings):
    return {row.level: row for row in connect(run, [START, *settings])}


def test_a_search_goes_the_way_that_it_was_given(run):
    """Around the other side: three quarters of a turn, where the straight line's way is one."""
    save_file({"x": 1.2 * circle(0.3, -1.5 * np.pi)}, "path.safetensors")
    with pytest.raises(ConfigError, match=r"first bead is 0\.2 away from model 0"):
        rows_of(run)
    beads = 1.2 * circle(0.3, -1.5 * np.pi)
    beads[[0, -1]] = [load_file(f"{number}.safetensors")["x"] for number in range(2)]
    save_file({"x": beads}, "path.safetensors")
    short = {row.level: row for row in connect(run)}
    for level, row in rows_of(run).items():
        assert row.status == short[level].status == "CONNECTED"
        assert short[level].length < 0.5 * np.pi < 1.25 * np.pi < row.length
        assert row.set != short[level].set and row.chained_from is None
        points = run.load_connection(row)[0]["x"]
        assert np.array_equal(points[[0, -1]], beads[[0, -1]])


@pytest.mark.parametrize("method", ["straight", "dss", "constrained"])
def test_a_string_of_connect_is_such_a_file(run, method):
    (found,) = connect(run, levels=[0.01])
    file = run.connection_file(found.set, 0.01, 0, 1)
    (row,) = connect(run, [f"connect.start={file}", f"connect.method={method}"], levels=[0.01])
    assert row.status == "CONNECTED" and row.grad_evals == 0
    for key in ("beads", "length", "max_loss", "max_at"):
        assert getattr(row, key) == getattr(found, key)


def test_an_interrupted_search_from_a_path_goes_on_to_the_same(run, monkeypatch, tmp_path):
    beads = np.concatenate([circle(0.3, 0, 1), 1.3 * circle(0.3, -1.5 * np.pi)[1:-1],
                            circle(0.3 + np.pi / 2, 0, 1)])  # fmt: skip
    beads[[0, -1]] = [load_file(f"{number}.safetensors")["x"] for number in range(2)]
    save_file({"x": beads}, "path.safetensors")
    whole = [replace(row, seconds=0) for row in rows_of(run).values()]
    for row in whole:
        run.connection_file(row.set, row.level, 0, 1).unlink()
    keep = Checkpoints.keep

    def keep_then_stop(self, make, now=False):
        keep(self, make, now=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "keep", keep_then_stop)
        with pytest.raises(KeyboardInterrupt):
            rows_of(run)
    again = rows_of(open_run(run.directory)).values()
    assert [replace(row, seconds=0) for row in again] == whole


GOOD = circle(0.3, np.pi / 2)
MISTAKES = {
    "missing": (None, "no such file"),
    "name": ({"y": GOOD}, r"missing: x; unknown: y"),
    "shape": (
        {"x": np.zeros((9, 3), np.float32)},
        r"a bead: other shapes than the task's: x \(3,\), not",
    ),
    "no axis of beads": (
        {"x": np.ones((), np.float32)},
        "the first axis of every array is the beads",
    ),
    "type": ({"x": GOOD.astype(np.int32)}, "x is of type int32, not a float"),
    "one bead": ({"x": GOOD[:1]}, "two beads or more"),
    "counts": ({"x": GOOD, "y": GOOD[:3]}, "got x 9, y 3"),
    "not finite": ({"x": GOOD * np.where(np.arange(9) == 4, np.nan, 1)[:, None]}, "bead 5 is not"),
    "reversed": ({"x": GOOD[::-1].copy()}, "first bead is 1.41 away from model 0 at level 0.1"),
    "last": ({"x": GOOD[:-1]}, "last bead is 0.196 away from model 1 at level 0.1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_file_that_is_no_path_between_the_models_is_refused(run, mistake):
    arrays, said = MISTAKES[mistake]
    if arrays:
        save_file(arrays, "path.safetensors")
    with pytest.raises(ConfigError, match=said) as refused:
        rows_of(run)
    assert "connect.start" in str(refused.value) and "path.safetensors" in str(refused.value)
    assert run.rows() == []


def test_what_is_no_file_of_a_path_is_refused(run, workplace):
    (workplace / "path.safetensors").write_bytes(b"torn")
    with pytest.raises(ConfigError, match="unreadable"):
        rows_of(run)
    with pytest.raises(ConfigError, match=r"connect\.start.*straight.*FILE\.safetensors"):
        connect(run, ["connect.start=somewhere"])


@pytest.mark.parametrize("pairs", ["all", "tree"])
def test_a_path_is_of_one_pair(ring, pairs):
    run = train(ring())
    save_file({"x": GOOD}, "path.safetensors")
    with pytest.raises(ConfigError, match="must be one pair"):
        rows_of(run, f"connect.pairs={pairs}")
