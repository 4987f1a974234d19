"""A run by several workers is the run by one, bit for bit, whatever happens to a worker."""

# pyright: reportArgumentType=false
# a worker that has no process fails a test without that

import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from landscape.config.load import ConfigError, revised
from landscape.stages.build import config_of, silent
from landscape.stages.connect import connect
from landscape.stages.descents import descend
from landscape.stages.measure.run import measure
from landscape.stages.shared import opened, shared_run
from landscape.stages.train import train
from landscape.stages.train_tasks import prepare
from landscape.stages.verify import verify
from landscape.store.files import RunError, load_arrays
from landscape.store.run import create_run, open_run

TWO = ["compute.workers=2"]


@pytest.fixture
def copied(ring):
    """A trained run, and copies of it."""
    run = train(ring(train={"models": 4}))

    def copy(name):
        place = run.directory.parent.parent / name / run.directory.name
        shutil.copytree(run.directory, place)
        return open_run(place)

    return copy


def without_time(run):
    return [replace(row, seconds=None) for row in run.rows()]


def strings(run):
    return [load_arrays(path)[0] for path in sorted(run.directory.glob("sets/*/*/*/*.safetensors"))]


def same(one, other):
    assert without_time(one) == without_time(other)
    for mine, theirs in zip(strings(one), strings(other), strict=True):
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
    lines = [run.rows_file(run.sets()[0]).read_text().count("\n") for run in (one, other)]
    assert len(set(lines)) == 1, "a row twice"
    assert not other.task_files(other.sets()[0])


def killing(signal_number):
    """Progress that ends a worker as soon as a task is done."""
    killed = []

    def progress(stage, done, total, **facts):
        if done and not killed:
            killed.append(multiprocessing.active_children()[0])
            os.kill(killed[0].pid, signal_number)

    return progress, killed


def test_two_workers_and_two_of_which_one_is_killed(copied):
    whole, two, cut = map(copied, ("whole", "two", "cut"))
    connect(whole)
    connect(two, TWO)
    same(whole, two)
    progress, killed = killing(signal.SIGKILL)
    rows = connect(cut, TWO, None, progress)
    assert killed and len(rows) == 18
    same(whole, cut)


def parameters(run):
    files = sorted(run.directory.glob("models/*/*.safetensors"))
    return [str(path.relative_to(run.directory)) for path in files], [*map(load_arrays, files)]


def same_models(one, other):
    """All but the steps of the history, which the clock chooses."""
    assert one.models() == other.models()
    (names, mine), (others, theirs) = map(parameters, (one, other))
    assert names == others and len(names) > 0
    for (arrays, record), (others, again) in zip(mine, theirs, strict=True):
        assert record == again and arrays.keys() == others.keys()
        assert all(np.array_equal(arrays[name], others[name]) for name in arrays)
    values = {(line.model, line.step): line.value for line in one.history()}
    common = [line for line in other.history() if (line.model, line.step) in values]
    assert {line.model for line in other.history()} == {model for model, _ in values}
    assert common and all(values[line.model, line.step] == line.value for line in common)
    assert not other.training_directory.exists()


@pytest.fixture
def trainings(ring):
    """Trains the same models in a folder of its own, with a config of six networks and more."""

    def make(name, progress=silent, workers=1, **more):
        section = {"models": 6, "check_every": 5, "optimizer": "adam", **more}
        levels = {"values": [1.0, 0.1, 0.01, 1e-4]}
        asked = ring(train=section, levels=levels, compute={"workers": workers})
        return train(asked, name, progress)

    return make


def test_models_are_trained_by_two_workers_and_two_of_which_one_is_killed(trainings):
    whole = trainings("whole")
    same_models(whole, trainings("two", workers=2))
    progress, killed = killing(signal.SIGKILL)
    cut = trainings("cut", progress, workers=2)
    assert killed
    same_models(whole, cut)


def test_twins_and_averages_are_trained_by_two_workers(trainings):
    more = {"ema": 0.9, "endpoints": "permuted", "permute": {"units": [1, 0], "axes": {"x": 0}}}
    whole = trainings("whole", **more)
    assert len(whole.models()) == 6
    same_models(whole, trainings("two", workers=2, **more))


@pytest.mark.parametrize("workers", [(1, 2), (2, 1)])
def test_training_that_was_interrupted_is_resumed_by_another_number_of_workers(trainings, workers):
    """By as many models a call as there are then: each has its own checkpoint."""
    whole, (first, then) = trainings("whole"), workers
    seen = []

    def stopping(stage, done, total, **facts):
        seen.append(done)
        if done >= total / 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainings("cut", stopping, workers=first)
    (left,) = Path("cut").iterdir()
    kept = sorted(open_run(left).training_directory.iterdir())
    assert kept and max(seen) > 0
    same_models(whole, trainings("cut", workers=then))


def test_a_models_checkpoint_goes_on_by_whichever_process(trainings):
    """A worker that dies in the middle of a model leaves what the next one begins from."""
    whole = trainings("whole")
    config = config_of(whole)
    cut = create_run(Path("cut/run"), whole.config_file.read_text(), {"models": 6})
    steps = []

    def dies(lines):
        steps.extend(line.step for line in lines)
        if max(steps) > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        descend(prepare(shared_run(cut, config)), [1, 2], dies, silent)
    assert {path.name for path in cut.training_directory.iterdir()} >= {"1.safetensors"}
    went_on = []
    records = descend(prepare(shared_run(cut, config)), [0, 1], went_on.extend, silent)
    assert records == whole.models()[:2]
    begun = {model: min(line.step for line in went_on if line.model == model) for model in (0, 1)}
    assert begun[0] == 0 < begun[1]


def test_interrupted_and_resumed_by_another_number_of_workers(copied):
    whole, cut = map(copied, ("whole", "cut"))
    connect(whole)

    def stopping(stage, done, total, **facts):
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        connect(cut, TWO, None, stopping)
    assert cut.stage_status(f"connect {cut.sets()[0]}") == "interrupted"
    assert 0 < len(cut.rows()) < 18
    connect(cut)
    same(whole, cut)


def test_a_tree_by_two_workers(copied):
    whole, two = map(copied, ("whole", "two"))
    tree = ["connect.pairs=tree"]
    connect(whole, tree)
    connect(two, tree + TWO)
    same(whole, two)
    name = whole.sets()[0]
    assert whole.tree(name) == two.tree(name)


def test_measures_by_two_workers(copied):
    whole, two = map(copied, ("whole", "two"))
    for run, asked in ((whole, []), (two, TWO)):
        connect(run)
        measure(run, [*asked, "measure.points=1", "measure.max_sweeps=20"])
    for records in ("string_measures", "model_measures", "barriers", "snapshots"):
        mine, theirs = (
            [replace(one, seconds=0.0) for one in getattr(run, records)()] for run in (whole, two)
        )
        assert mine and mine == theirs
    for record in whole.string_measures():
        mine, theirs = (run.load_measures(record) for run in (whole, two))
        assert all(np.array_equal(mine[name], theirs[name], equal_nan=True) for name in mine)
    assert not list(two.directory.glob("measures/*/shortening-*"))


def test_verified_by_two_workers(copied):
    """A string whose certificate is too low is found by either."""
    whole, two = map(copied, ("whole", "two"))
    verdicts = []
    for run, asked in ((whole, []), (two, TWO)):
        connect(run)
        low = run.rows()[3]
        run.append_rows([replace(low, max_loss=0.5 * low.max_loss)])
        verdicts.append(verify(run, overrides=asked))
    assert verdicts[0] == verdicts[1] and len(verdicts[0]) == 18
    assert without_time(whole) == without_time(two)
    assert [row.verified for row in two.rows()].count(None) == 17


def test_a_worker_with_other_code_or_without_the_run_says_so(copied, workplace):
    run = copied("whole")
    shared = shared_run(run, config_of(run))
    assert opened(shared)[0].directory == run.directory.resolve()
    code = workplace / "ring_task.py"
    kept = code.read_text()
    code.write_text(kept + "\n# another\n")
    with pytest.raises(RunError, match=r"task\.factory: its code, .*are others here"):
        opened(shared)
    code.unlink()
    with pytest.raises(ConfigError, match=r"task\.factory: .*no module 'ring_task'"):
        opened(shared)
    code.write_text(kept)
    with pytest.raises(RunError, match="no such run directory"):
        opened(replace(shared, run=str(workplace / "elsewhere")))


def test_memory_is_shared_by_workers_of_one_machine(ring):
    run = train(ring(train={"models": 2}))
    config = revised(config_of(run), ["compute.workers=4", "compute.memory=1GiB"])
    assert opened(shared_run(run, config))[1].compute.memory == 2**28
    config = revised(config, ["compute.scheduler=tcp://10.0.0.1:8786"])
    assert opened(shared_run(run, config))[1].compute.memory == 2**30
