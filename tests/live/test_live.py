"""Following a run: what is new at each look, and what is logged of it."""

import struct
import subprocess
import sys
import types

import pytest

from landscape.config.load import ConfigError
from landscape.live import log
from landscape.live.following import Follower
from landscape.live.log import Log, logged
from landscape.live.scalars import scalars_of
from landscape.store.files import RunError
from landscape.store.records.models import Line
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
    path = tmp_path / "history.jsonl"
    run.append_history([Line(model=0, step=1, value=2.0), Line(model=0, step=2, value=1.5)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    follower = Follower(run)
    assert [one.step for one in follower.look().lines] == [1]
    path.write_bytes(whole)
    assert [one.value for one in follower.look().lines] == [1.5]


def test_an_altered_curve_is_refused_and_a_wild_event_left_out(trained, tmp_path):
    run = Run(tmp_path)
    run.append_history([Line(model=0, step=1, value=2.0)])
    path = tmp_path / "history.jsonl"
    path.write_text(path.read_text().replace("2.0", "3.0"))
    with pytest.raises(RunError, match=r"history.jsonl:1: does not match its checksum"):
        Follower(run).look()
    path.unlink()
    run.events_file("dss-1").parent.mkdir(parents=True)
    run.events_file("dss-1").write_text("[" * 200_000 + "\n" + '{"event": "round"}\n')
    assert not Follower(run).look()


def test_curves_of_workers_at_work_are_followed(tmp_path):
    run = Run(tmp_path)
    run.append_task_history(3, [Line(model=3, step=1, value=2.0), Line(model=4, step=1, value=1.0)])
    follower = Follower(run)
    assert {one.model for one in follower.look().lines} == {3, 4}
    run.take_task_history(3)
    assert not follower.look(), "the same lines are in the run's own file then"


class Full:
    """A writer on a full disk."""

    def __init__(self, run):
        pass

    def write(self, scalars):
        raise OSError("no space left")

    def close(self):
        raise OSError("no space left")


def test_a_log_that_fails_ends_and_the_work_goes_on(searched, monkeypatch, caplog):
    run = searched[0]
    monkeypatch.setitem(log.WRITERS, "tensorboard", ("tensorboardX", Full))
    monkeypatch.setattr(log, "SECONDS", 0.0)
    with logged(lambda *a, **k: None, "tensorboard", run.directory) as told, run.stage("looked"):
        told("connecting", 1, 2)
        told("connecting", 2, 2)
    (said,) = [one.getMessage() for one in caplog.records]
    assert "no space left" in said and "the work goes on" in said


def test_a_log_does_not_hide_why_the_work_ended(searched, monkeypatch):
    run = searched[0]
    monkeypatch.setitem(log.WRITERS, "tensorboard", ("tensorboardX", Full))
    with (
        pytest.raises(KeyboardInterrupt),
        logged(lambda *a, **k: None, "tensorboard", run.directory),
        run.stage("looked"),
    ):
        raise KeyboardInterrupt


def test_a_command_that_another_process_keeps_out_leaves_that_ones_log(searched):
    """Its own log begins with the work, and not before."""
    run = searched[0]
    folder = run.directory / "tensorboard"
    folder.mkdir(exist_ok=True)
    kept = folder / "events.out.tfevents.of-another"
    kept.write_bytes(b"")
    with (
        pytest.raises(RunError),
        logged(lambda *a, **k: None, "tensorboard", run.directory) as told,
    ):
        told("building", 0, 1)
        raise RunError("in use by another lscape process")
    assert kept.exists()
    kept.unlink()


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
        with (
            logged(lambda *a, **k: None, "tensorboard", run.directory) as told,
            run.stage("looked"),
        ):
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
    made = Log("wandb", run.directory)
    with run.stage("looked"):
        made.close()
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
