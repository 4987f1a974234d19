"""`lscape init`: configs to begin from. What is written is right, whole, and runs."""

from __future__ import annotations

import shlex
import subprocess
import sys

import jax
import pytest

from landscape.config.begin import EXAMPLES, example
from landscape.config.load import load_config
from landscape.store.run import open_run
from tests.cli.commands import ENVIRONMENT, lscape

pytestmark = pytest.mark.usefixtures("unpainted")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [*EXAMPLES.values(), "mine"]:
        sys.modules.pop(name, None)


@pytest.fixture
def as_users_have_it():
    """Our own code must not promote ranks (tests/conftest.py); a user's may."""
    with jax.numpy_rank_promotion("allow"):
        yield


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_default_is_digits(folder):
    done = lscape("init")
    assert done.exit_code == 0, done.output
    assert names(folder) == ["digits.yaml"] and "  lscape run digits.yaml\n" in done.stdout
    assert load_config("digits.yaml").task.name == "digits"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_name_of_ones_own(folder, name):
    """The files have it, the config finds its code by it, and nothing is left of the old one."""
    done = lscape("init", "mine", "--from", name)
    assert done.exit_code == 0, done.output
    code = [] if name == "digits" else ["mine.py"]
    assert names(folder) == [*code, "mine.yaml"]
    own = EXAMPLES[name]
    if name != "digits":
        assert own not in "".join(path.read_text() for path in folder.iterdir())
        assert own not in done.stdout
    config = load_config("mine.yaml")
    assert config.task.factory == ("mine:make_task" if code else None)
    assert config.task.name == (None if code else "digits")
    assert f"  lscape run mine.yaml{' --trust' * bool(code)}\n" in done.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_may_be_asked_for_alone(folder, name):
    assert lscape("init", name).exit_code == 0
    assert f"{EXAMPLES[name]}.yaml" in names(folder)


def test_a_suffix_is_no_part_of_the_name(folder):
    assert lscape("init", "mine.yaml").exit_code == 0
    assert names(folder) == ["mine.yaml"]


@pytest.mark.parametrize("there", ["mine.yaml", "mine.py"])
def test_nothing_is_overwritten_and_nothing_half_written(folder, there):
    (folder / there).write_text("precious")
    done = lscape("init", "mine", "--from", "flax")
    assert done.exit_code == 2 and not done.stdout
    assert done.stderr.startswith(f"error: {there}: there already; nothing was written")
    assert names(folder) == [there] and (folder / there).read_text() == "precious"


def test_a_folder_that_cannot_be_written(folder, monkeypatch):
    """Both files or none: the second one fails here."""
    opened = []

    def failing(path, *arguments, **more):
        opened.append(path)
        if len(opened) == 2:
            raise PermissionError(13, "Permission denied", str(path))
        return open(path, *arguments, **more)

    monkeypatch.setattr("pathlib.Path.open", failing)
    done = lscape("init", "mine", "--from", "flax")
    assert done.exit_code == 1
    assert done.stderr == f"error: {opened[1]}: Permission denied\n"
    monkeypatch.undo()
    assert names(folder) == []


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["a/b"], "expected a name of letters"),
        ([""], "expected a name of letters"),
        (["my-task", "--from", "flax"], "the name of a Python module"),
        (["class", "--from", "flax"], "the name of a Python module"),
        (["jax", "--from", "flax"], "jax.py would hide"),
        (["json", "--from", "function"], "json.py would hide"),
        (["mine", "--from", "flex"], "'flex' is not one of digits, flax, function, networks"),
    ],
)
def test_names_that_will_not_do(folder, arguments, said):
    done = lscape("init", *arguments)
    assert done.exit_code == 2 and said in done.stderr
    assert names(folder) == []


def test_the_list_has_a_sentence_each(folder):
    done = lscape("init", "--list")
    lines = [line.strip() for line in done.stdout.splitlines()]
    for name in EXAMPLES:
        about = example(name).about
        assert about.endswith(".") and any(
            line.split(maxsplit=1) == [name, about] for line in lines
        )
    assert names(folder) == []


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "networks")) for name in EXAMPLES],
)
def test_each_runs_by_the_commands_that_it_tells(folder, name, as_users_have_it):
    told = lscape("init", "--from", name).stdout.splitlines()
    block = told[told.index("Next:") + 1 :]
    commands = [line.strip() for line in block[: block.index("")]]
    for command in commands:
        program, *arguments = shlex.split(command)
        if program == "python":
            subprocess.run([sys.executable, *arguments], check=True, env=ENVIRONMENT)
        else:
            assert program == "lscape"
            done = lscape(*arguments)
            assert done.exit_code == 0, done.output
    (directory,) = (folder / "runs").iterdir()
    run = open_run(directory)
    statuses = {(row.level, row.status) for row in run.rows()}
    levels = {level for level, _ in statuses}
    assert levels == set(load_config(f"{EXAMPLES[name]}.yaml").levels.values)
    if name == "function":  # two wells, with a barrier of 1 between them
        assert {status for level, status in statuses if level > 1} == {"CONNECTED"}
        assert {"NOT_FOUND", "CONNECTED"} == {s for level, s in statuses if level < 1}
    else:
        assert {status for _, status in statuses} == {"CONNECTED"}
