"""Train, connect, verify on a user's own landscape: verdicts, resuming, and what goes wrong."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from landscape.config.load import ConfigError, load_config
from landscape.core import devices, trees
from landscape.stages.check import check
from landscape.stages.checkpoints import Checkpoints
from landscape.stages.connect import connect
from landscape.stages.train import train
from landscape.stages.verify import verify
from landscape.store.files import RunError, load_arrays
from landscape.store.run import open_run


def energy(points):
    return (np.sum(np.float64(points) ** 2, axis=-1) - 1) ** 2


def comparable(run):
    """results.csv without its only column that tells the time."""
    lines = run.results_file.read_text().splitlines()
    time = lines[0].split(",").index("seconds")
    return [line.split(",")[:time] + line.split(",")[time + 1 :] for line in lines]


def arrays_of(run):
    files = sorted(run.directory.glob("**/*.safetensors"))
    return {str(f.relative_to(run.directory)): load_arrays(f)[0] for f in files}


def same(one, other):
    a, b = arrays_of(one), arrays_of(other)
    assert a.keys() == b.keys()
    for file in a:
        for name in a[file]:
            assert np.array_equal(a[file][name], b[file][name]), (file, name)
    assert comparable(one) == comparable(other)


@pytest.fixture
def finished(ring, staged):
    return staged(ring(), connect)


def test_the_job(finished):
    run = finished
    for record in run.models():
        values = [(entry.level, entry.status) for entry in record.levels]
        assert values == [(1.0, "REACHED"), (0.1, "REACHED"), (0.01, "REACHED")]
        steps = [entry.step for entry in record.levels]
        assert steps == sorted(steps) and steps[0] > 0
        for entry in record.levels:
            params, kept = load_arrays(run.model_file(record.model, entry.level))
            assert energy(params["x"]) == pytest.approx(entry.value, rel=1e-4)
            assert entry.value <= entry.level
            assert kept["step"] == entry.step
    rows = run.rows()
    assert len(rows) == 6 * 3
    for row in rows:
        assert row.status == "CONNECTED", row.reason
        points, profile, _ = run.load_connection(row)
        string = points["x"]
        for end, model in ((0, row.a), (-1, row.b)):
            ends = load_file(run.model_file(model, row.level))
            assert np.array_equal(string[end], ends["x"])
        t = np.linspace(0, len(string) - 1, 5001)
        along = np.stack([np.interp(t, np.arange(len(string)), x) for x in string.T], 1)
        assert energy(along).max() <= row.level + 1e-6
        length = np.linalg.norm(np.diff(np.float64(string), axis=0), axis=1).sum()
        assert row.length == pytest.approx(length, rel=1e-6)
        assert row.chord == pytest.approx(np.linalg.norm(np.float64(string[-1]) - string[0]))
        assert row.normalized_length == pytest.approx(row.length / row.chord)
        assert row.beads == len(string)
        assert profile[0, 0] == 0 and profile[-1, 0] == pytest.approx(1)
        assert profile[:, 1].max() <= row.max_loss <= row.limit == row.level
    assert any(row.beads > 3 for row in rows)
    assert run.meta().status == "done"
    assert not list(run.directory.glob("**/search-*")) and not run.training_directory.exists()


def test_again_does_nothing(finished, ring, caplog):
    caplog.set_level("INFO", logger="lscape")
    before = {f: f.stat().st_mtime_ns for f in finished.directory.glob("**/*.safetensors")}
    again = train(ring())
    rows = connect(again)
    assert again.directory == finished.directory and len(rows) == 18
    assert before == {f: f.stat().st_mtime_ns for f in finished.directory.glob("**/*.safetensors")}
    assert caplog.text.count("nothing to do") == 2


def interrupting(monkeypatch, after):
    """Ctrl-C at the moment of the n-th checkpoint, once it is on the disk."""
    calls = iter(range(10**9))
    keep = Checkpoints.keep

    def keep_then_stop(self, make, now=False):
        keep(self, make, now)
        if next(calls) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "keep", keep_then_stop)


@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_an_interrupted_job_resumes_to_the_same_result(ring, tmp_path, monkeypatch, after):
    whole = train(ring(), runs_dir=tmp_path / "whole")
    connect(whole)
    monkeypatch.setattr(devices.Pace, "timed", lambda self, call: call(37))
    with monkeypatch.context() as patch:
        interrupting(patch, after)
        with pytest.raises(KeyboardInterrupt):
            train(ring(), runs_dir=tmp_path / "cut")
        run = open_run(next((tmp_path / "cut").iterdir()))
        assert run.meta().status == "interrupted"
        with pytest.raises(RunError, match="training is not finished"):
            connect(run)
    run = train(ring(), runs_dir=tmp_path / "cut")
    with monkeypatch.context() as patch:
        interrupting(patch, after)
        with pytest.raises(KeyboardInterrupt):
            connect(run)
    connect(run)
    same(run, whole)


def test_a_pair_does_not_depend_on_the_others(ring, tmp_path):
    whole = train(ring(), runs_dir=tmp_path / "whole")
    connect(whole)
    (alone,) = connect(whole, ["connect.seed=0", "connect.pairs=1-3"], levels=[0.01])
    twin = next(r for r in whole.rows() if r.level == 0.01 and (r.a, r.b) == (1, 3))
    assert np.array_equal(whole.load_connection(alone)[0]["x"], whole.load_connection(twin)[0]["x"])
    assert alone.grad_evals == twin.grad_evals


def test_another_setting_is_another_set_on_the_same_ends(finished):
    before = comparable(finished)
    rows = connect(finished, ["connect.method=straight"])
    assert {row.method for row in rows} == {"straight"}
    assert all(row.beads == 2 and row.grad_evals == 0 for row in rows)
    assert any(row.status == "NOT_FOUND" and "straight segment" in row.reason for row in rows)
    assert len(finished.sets()) == 2
    assert [line for line in comparable(finished) if line in before] == before


def test_pairs_and_levels_can_be_chosen(ring):
    run = train(ring())
    rows = connect(run, ["connect.pairs=disjoint"], levels=[0.1])
    assert [(r.a, r.b, r.level) for r in rows] == [(0, 1, 0.1), (2, 3, 0.1)]
    assert len(connect(run)) == 18  # the same set: the two are not searched again
    assert len(run.sets()) == 1
    with pytest.raises(ConfigError, match=r"0\.3 is not a level \(allowed: 1\.0, 0\.1, 0\.01\)"):
        connect(run, levels=[0.3])
    with pytest.raises(ConfigError, match="0-7"):
        connect(run, ["connect.pairs=0-7"])
    with pytest.raises(ConfigError, match="'y' matches none of: x"):
        connect(run, ["connect.length_over=y"])


def test_levels_out_of_reach_are_recorded_and_stop_nothing(ring, caplog):
    run = train(
        ring(levels={"values": [1.0, -1.0]}, connect={"target": 1.0}, train={"max_steps": 300})
    )
    statuses = [[entry.status for entry in model.levels] for model in run.models()]
    assert statuses == [["REACHED", "LEVEL_NOT_REACHED"]] * 4
    assert all(model.steps == 300 for model in run.models())
    assert "model 0 did not reach -1.0" in caplog.text
    rows = connect(run)
    assert [row.status for row in rows] == ["CONNECTED"] * 6 + ["LEVEL_NOT_REACHED"] * 6
    assert rows[-1].length is None and "model 2 and model 3" in rows[-1].reason
    assert verify(run) and all(record.agreed for record in verify(run))


def test_a_model_that_blows_up_is_marked_and_the_rest_goes_on(ring, workplace):
    source = (workplace / "ring_task.py").read_text()
    blown = source.replace(
        "return energy_task(lambda p: (jnp",
        "return energy_task(lambda p: jnp.where(p['x'][1] > 0.5, jnp.nan, 1.0) * (jnp",
    )
    (workplace / "blown_task.py").write_text(blown)
    run = train(ring(task={"factory": "blown_task:ring"}, train={"models": 8}))
    statuses = {model.status for model in run.models()}
    assert statuses == {"TRAINED", "NON_FINITE"}
    found = {row.status for row in connect(run)}
    assert "LEVEL_NOT_REACHED" in found and "CONNECTED" in found
    json.loads((run.directory / "models.json").read_text(), parse_constant=pytest.fail)


def test_verify_agrees(finished):
    records = verify(finished)
    assert len(records) == 18
    assert all(record.agreed and record.grid == 200 for record in records)
    with pytest.raises(RunError, match="certified on a grid of 50 or as good; 10 is coarser"):
        verify(finished, grid=10)


def test_verify_downgrades_what_a_finer_grid_breaks(ring, workplace, caplog):
    source = (workplace / "ring_task.py").read_text()
    # a needle that a grid of 50 and its zooms step over, on a path along the first axis
    needle = "jnp.where(jnp.abs(p['x'][0] - 0.31234) < 2e-5, 5.0, 0.0) + 0.1 * p['x'][0] ** 2"
    (workplace / "needle_task.py").write_text(
        source.replace('(jnp.sum(p["x"] ** 2) - radius**2) ** 2', needle)
    )
    ends = []
    for i, x in enumerate((-0.9, 1.0)):
        save_file({"x": np.array([x, 0.0], np.float32)}, workplace / f"{i}.safetensors")
        ends.append(f"{i}.safetensors")
    config = ring(
        task={"factory": "needle_task:ring"},
        train={"models": 2, "endpoints": ends},
        levels={"values": [0.2]},
    )
    run = train(config)
    (row,) = connect(run)
    assert (row.status, row.beads) == ("CONNECTED", 2)
    (record,) = verify(run, grid=200_000)
    assert not record.agreed and record.max_loss > 5
    (row,) = run.rows()
    assert row.status == "NOT_FOUND" and "grid 200000 found 5.0" in row.reason
    assert "NOT_FOUND" in run.results_file.read_text()
    assert "DOWNGRADED" in caplog.text


def test_networks_trained_elsewhere(ring, workplace):
    angles, radius = [0.1, 1.5, 3.0], [1.0, 1.02, 1.3]
    for i, (t, r) in enumerate(zip(angles, radius, strict=True)):
        save_file({"x": np.array([r * np.cos(t), r * np.sin(t)])}, workplace / f"m{i}.safetensors")
    ends = [f"m{i}.safetensors" for i in range(3)]
    run = train(ring(train={"models": 3, "endpoints": ends}))
    reached = [[e.status == "REACHED" for e in model.levels] for model in run.models()]
    assert reached == [[True] * 3, [True] * 3, [True, False, False]]
    rows = connect(run)
    assert [r.status for r in rows].count("CONNECTED") == 5
    (workplace / "m1.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"m1\.safetensors"):
        train(ring(train={"models": 3, "endpoints": ends}))
    save_file({"x": np.ones(1, np.float32)}, workplace / "m1.safetensors")
    with pytest.raises(
        ConfigError, match=r"m1\.safetensors: other shapes than the task's: x \(1,\), not \(2,\)"
    ):
        train(ring(train={"models": 3, "endpoints": ends}))
    save_file({"y": np.ones(2, np.float32)}, workplace / "m1.safetensors")
    with pytest.raises(ConfigError, match="missing: x; unknown: y"):
        train(ring(train={"models": 3, "endpoints": ends}))


def test_changed_code_is_noticed(finished, ring, workplace):
    source = (workplace / "ring_task.py").read_text()
    (workplace / "ring_task.py").write_text(source.replace("- radius**2", "- 0.7 * radius**2"))
    with pytest.raises(RunError, match="its code or data have changed since training"):
        connect(finished, ["connect.grid=60"])
    assert train(ring()).directory != finished.directory


def test_damage_is_told_and_nothing_is_lost(finished):
    results = finished.results_file.read_bytes()
    path = finished.model_file(2, 0.01)
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with pytest.raises(RunError, match=r"models/2/0\.01\.safetensors: damaged"):
        connect(finished, ["connect.grid=60"])
    path.write_bytes(whole)
    config = finished.config_file.read_text()
    finished.config_file.write_text(config.replace("models: 4", "models: 5"))
    with pytest.raises(RunError, match="altered"):
        connect(finished)
    finished.config_file.write_text(config)
    assert finished.results_file.read_bytes() == results


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"levels": {"metric": "accuracy"}}, r"levels\.metric: .*'accuracy' \(allowed: loss\)"),
        ({"levels": {"split": "test"}}, r"levels\.split: .*'test' \(allowed: train\)"),
        ({"train": {"batch_size": 8}}, r"train\.batch_size: a batch of 8 from 0"),
        ({"task": {"radius": "x"}}, r"task\.radius"),
    ],
)
def test_what_the_task_does_not_have(ring, sections, message):
    with pytest.raises(ConfigError, match=message):
        train(ring(**sections))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", "returned int, not a landscape.Task"),
        ("raise OSError('no data')", r"raised OSError at bad_task.py:\d+: no data"),
        (
            "return energy_task(lambda p: p, lambda key: jax.random.normal(key, (2,)))",
            "metric 'loss' has shape",
        ),
        (
            "return energy_task(lambda p: p[7]['a'].sum(), lambda key: jax.random.normal(key))",
            "the metric 'loss' raised",
        ),
    ],
)
def test_a_bad_factory(ring, workplace, body, message):
    (workplace / "bad_task.py").write_text(
        f"import jax\nfrom landscape import energy_task\ndef make():\n    {body}\n"
    )
    with pytest.raises(ConfigError, match=message):
        train(ring(task={"factory": "bad_task:make"}))
    assert not (workplace / "runs").exists()


def test_check_measures_and_writes_nothing(ring, workplace):
    found = check(ring())
    assert (found["parameters"], found["models"], found["pairs"]) == (2, 4, 6)
    assert found["optimizer"] == "polyak"
    for key in (
        "step_seconds",
        "bead_seconds",
        "profile_seconds",
        "plane_seconds",
        "train_seconds",
        "memory_bytes",
        "disk_bytes",
    ):
        assert found[key] > 0
    assert not (workplace / "runs").exists()


def test_precision(ring):
    run = train(ring(compute={"precision": "float64"}))
    rows = connect(run)
    assert {row.status for row in rows} == {"CONNECTED"}
    points, *_ = run.load_connection(rows[0])
    assert points["x"].dtype == np.float64
    assert trees.count(points) == rows[0].beads


def test_the_run_keeps_its_whole_config(finished, ring):
    assert load_config(finished.config_file).task == ring().task
    assert finished.meta().device and finished.meta().versions["jax"]
