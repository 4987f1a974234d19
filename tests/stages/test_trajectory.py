"""Models on their way, on the plane of the principal axes of their snapshots."""

import csv
from pathlib import Path

import numpy as np
import pytest

from landscape.config.load import config_from
from landscape.report import report, write_html
from landscape.report.figures.plane import write_plane
from landscape.stages.plane import plane
from landscape.stages.train import train
from landscape.stages.trajectory import trajectory
from landscape.store.files import RunError, load_arrays
from tests.stages.test_permuted import triangle

BOWL = """
import jax
import jax.numpy as jnp
import numpy as np
from landscape import energy_task

basis = jnp.asarray(np.linalg.qr(np.random.default_rng(0).normal(size=(15, 2)))[0].T, jnp.float32)


def at(p):
    return basis @ jnp.concatenate([p["w"].ravel(), p["b"]])


def bowl(stiff: float = 9.0):
    \"\"\"A valley in two of fifteen dimensions: gradients never leave them.\"\"\"

    def init(key):
        start = 3 * jax.random.normal(key, (2,)) @ basis + 1
        return {"w": start[:12].reshape(3, 4), "b": start[12:]}

    centre = basis.sum(1)
    return energy_task(lambda p: ((at(p) - centre) ** 2 @ jnp.array([1.0, stiff])) / 2, init)
"""


@pytest.fixture
def bowl(factory):
    module = factory(BOWL)

    def make(name="bowl", **sections):
        mapping = {
            "task": {"factory": f"{module}:bowl"},
            "train": {"models": 3, "optimizer": "sgd", "learning_rate": 0.02, "check_every": 1},
            "levels": {"values": [10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01]},
        }
        for key, section in sections.items():
            mapping[key] = {**mapping.get(key, {}), **section}
        return train(config_from(mapping, name=name))

    return make


def test_gradients_in_a_plane_stay_on_it(bowl):
    """All snapshots are in a known plane, so its axes explain all, and the loss is known on it."""
    run = bowl()
    name = trajectory([run], grid=9)
    assert name == "trajectory-all-0.01" and run.planes() == [name]
    arrays, record = run.load_plane(name)
    assert sum(record.shares) == pytest.approx(1, abs=1e-6)
    assert record.shares[0] >= record.shares[1] > 0
    assert [way.model for way in record.trajectories] == [0, 1, 2]
    for number, way in enumerate(record.trajectories):
        x, y, steps, losses, _ = arrays[f"trajectory.{number}"].T
        met = [entry for entry in run.models()[number].levels if entry.step]
        assert steps.tolist() == sorted({0, *(entry.step for entry in met)})
        assert losses[-1] == pytest.approx(met[-1].value, rel=1e-5) and (np.diff(losses) < 0).all()
        assert way.distance < 1e-4 and way.snapshots == len(steps)
        first, last = (
            load_arrays(run.model_file(number, entry.level))[0] for entry in (met[0], met[-1])
        )
        apart = np.sqrt(sum(np.sum((first[key] - last[key]) ** 2) for key in first))
        start = steps.tolist().index(met[0].step)
        assert np.hypot(x[start] - x[-1], y[start] - y[-1]) == pytest.approx(apart, rel=1e-3)
    # a quadratic on the plane: its third differences along a row vanish
    third = np.diff(arrays["loss"], 3, axis=1)
    assert np.abs(third).max() < 1e-4 * arrays["loss"].max()


def test_several_optimisers_in_one_picture(bowl):
    sgd, adam = bowl(), bowl("adam", train={"optimizer": "adam", "learning_rate": 0.05})
    name = trajectory([sgd, adam], (0, 2), level=0.1, grid=5)
    assert adam.planes() == []
    arrays, record = sgd.load_plane(name)
    ways = record.trajectories
    assert [(way.run, way.model, way.optimizer) for way in ways] == [
        (sgd.directory.name, 0, "sgd"), (sgd.directory.name, 2, "sgd"),
        (adam.directory.name, 0, "adam"), (adam.directory.name, 2, "adam"),
    ]  # fmt: skip
    for own, other in ((0, 2), (1, 3)):  # one seed: the same start
        assert arrays[f"trajectory.{own}"][0] == pytest.approx(arrays[f"trajectory.{other}"][0])
    assert sum(record.shares) < 1 - 1e-4  # Adam's steps leave the two dimensions
    svg, _, table = (Path(file).read_text(errors="replace") for file in write_plane(sgd, name))
    assert "adam, rate 0.05" in svg and "% of variance)" in svg
    lines = list(csv.DictReader(table.splitlines()))
    assert sum(line["what"] == f"model 2 of {adam.directory.name}" for line in lines) == len(
        arrays["trajectory.3"]
    )
    write_html([sgd], report([sgd]), sgd.report_file)
    assert "of the principal axes of training" in sgd.report_file.read_text()


def test_it_is_evaluated_once_and_anew_where_it_is_asked_for_otherwise(bowl):
    run, told = bowl(), []

    def progress(stage, done, total, **facts):
        told.append(done)

    name = trajectory([run], (0, 1), grid=4, progress=progress)
    assert name == "trajectory-0-1-0.01" and told[-1] == 4
    told.clear()
    assert trajectory([run], (0, 1), grid=4, progress=progress) == name and not told
    trajectory([run], (0, 1), grid=4, span=(-1, 1, -1, 1), progress=progress)
    assert told and run.load_plane(name)[0]["x"].tolist() == pytest.approx([-1, -1 / 3, 1 / 3, 1])


def test_where_training_ended_above_the_levels_is_a_snapshot(bowl):
    run = bowl(train={"max_steps": 20}, levels={"values": [10.0, 1.0, 1e-9]})
    arrays, _ = run.load_plane(trajectory([run], grid=3))
    assert {arrays[f"trajectory.{number}"][-1, 2] for number in range(3)} == {20}
    ended = [record.value for record in run.models()]
    assert [arrays[f"trajectory.{n}"][-1, 3] for n in range(3)] == pytest.approx(ended)


def test_a_permuted_twin_begins_as_its_model_does(tmp_path):
    run = train(triangle(models=2, max_steps=200), tmp_path)
    arrays, _ = run.load_plane(trajectory([run], (0, 1), grid=3))
    one, twin = (arrays[f"trajectory.{number}"] for number in (0, 1))
    assert one[0, 2:4] == pytest.approx(twin[0, 2:4], rel=1e-4)  # step and loss
    assert not np.allclose(one[0, :2], twin[0, :2])


def test_what_has_no_trajectory(bowl, ring):
    run = bowl()
    with pytest.raises(RunError, match=r"no model 3; its models are 0 to 2"):
        trajectory([run], (0, 3))
    other = bowl("other", task={"stiff": 4.0})
    with pytest.raises(RunError, match=f"{other.directory}: has another task than {run.directory}"):
        trajectory([run, other])
    straight = bowl("straight", task={"stiff": 1.0})
    with pytest.raises(RunError, match=r"are on a line, or are one: more levels or models"):
        trajectory([straight], (0,))
    given = [str(run.model_file(number, 0.01)) for number in (0, 1)]
    told = {"endpoints": given, "models": 2}
    with pytest.raises(RunError, match="its models were given, not trained"):
        trajectory([bowl("given", train=told)])
    with pytest.raises(RunError, match="different models are needed"):
        plane(run, models=(0, 0, 1))
