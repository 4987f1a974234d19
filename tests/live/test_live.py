"""Following a run: what is new at each look, and what is logged of it."""

import struct
import subprocess
import sys
import types

import pytest

from landscape.config.load import ConfigError
from landscape.live.following import Follower
from landscape.live.log import Log, logged
from landscape.live.scalars import scalars_of
from landscape.store.run import Run


def test_a_look_finds_what_is_new_and_nothing_twice(searched):
    run, follower, first, second = searched
    assert [(one.model, one.step, one.value) for one in first.lines] == [
        (one.model, one.step, one.value)
        for one in sorted(run.history(), key=lambda one: (one.step, one.model))
    ]
    assert not first.rows and not second.lines
    assert len(second.rows) == len(run.rows()) == 6
    assert {one.place for one in second.rounds} == {
        (row.set, row.level, row.a, row.b) for row in run.rows()
    }
    assert not follower.look()


def test_searches_with_a_verdict_are_not_under_way(searched):
    assert searched[1].under_way == {}


def test_a_line_that_is_being_written_is_left_for_the_next_look(trained, tmp_path):
    run = Run(tmp_path)
    (tmp_path / "history.jsonl").write_text(
        '{"model": 0, "step": 1, "value": 2.0}\n{"model": 0, "st'
    )
    follower = Follower(run)
    assert [one.step for one in follower.look().lines] == [1]
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('ep": 2, "value": 1.5}\n')
    assert [one.value for one in follower.look().lines] == [1.5]


def test_scalars_are_what_the_report_says(searched):
    run, follower, _, second = searched
    found = {(one.name, one.step): one.value for one in scalars_of(second, follower)}
    name = run.sets()[0]
    for level in (0.3, 0.2):
        rows = [row for row in run.rows() if row.level == level]
        where = f"{name}/{level}"
        assert found[f"{where}/share_connected", 3] == 1
        assert found[f"{where}/gradients", 3] == sum(row.grad_evals for row in rows)
        assert found[f"{where}/losses", 3] == sum(row.loss_evals for row in rows)
        mean = sum(row.normalized_length for row in rows) / 3
        assert found[f"{where}/normalized_length", 3] == pytest.approx(mean)
        assert found[f"{where}/normalized_length_count", 3] == 3


def events_of(folder):
    """The scalars of TensorBoard's event files: records of length, its checksum, data, checksum."""
    from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (size,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + size])
            found += [(v.tag, event.step, v.simple_value) for v in event.summary.value]
            at += 16 + size
    return found


def test_tensorboard_has_every_number_once_however_often_it_is_logged(searched):
    run, _, first, _ = searched
    for _ in range(2):
        with logged(lambda *a, **k: None, "tensorboard", run.directory) as told:
            told("connecting", 1, 2)
            told("connecting", 2, 2)
    found = events_of(run.directory / "tensorboard")
    assert len({(tag, step) for tag, step, _ in found}) == len(found)
    curve = {(tag, step): value for tag, step, value in found}
    for line in first.lines:
        assert curve[f"train/model-{line.model}", line.step] == pytest.approx(line.value)
    assert any(tag.endswith("0.2/share_connected") for tag, _, _ in found)


def test_wandb_is_given_steps_of_its_own(searched, monkeypatch):
    run, follower, first, second = searched
    told, metrics = [], {}

    class Started:
        log = staticmethod(told.append)
        finish = staticmethod(lambda: told.append("finished"))

        @staticmethod
        def define_metric(name, step_metric):
            metrics[name] = step_metric

    fake = types.SimpleNamespace(init=lambda **given: Started, Error=RuntimeError)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    log = Log("wandb", run.directory)
    log.close()
    assert told.pop() == "finished"
    assert metrics["train/model-0"] == "train/step"
    assert {"train/model-0": first.lines[0].value, "train/step": 0} in told
    assert len(told) == len(first.lines) + len(scalars_of(second, follower))


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_a_missing_package_is_named_before_anything_runs(kind, tmp_path, monkeypatch):
    package = {"tensorboard": "tensorboardX", "wandb": "wandb"}[kind]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=f"--log {kind} needs the package {package}"):
        Log(kind, tmp_path)


def test_a_look_at_whether_it_is_held_does_not_stop_the_next_stage(trained):
    """`in_use` holds the lock itself for a moment; a stage that begins then waits for it."""
    look = (
        "import sys, time; from pathlib import Path; from landscape.store.run import Run\n"
        f"run = Run(Path({str(trained.directory)!r}))\n"
        "import fcntl; file = run.lock_file.open('rb'); fcntl.flock(file, fcntl.LOCK_SH)\n"
        "print(flush=True); time.sleep(0.1)"
    )
    with subprocess.Popen([sys.executable, "-c", look], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.read(1)
        with trained.stage("looked"):
            pass
