"""Configs that are wrong: what is said, and where."""

from __future__ import annotations

import time
from typing import Any

import pytest

from landscape.config.load import ConfigError, config_from, load_config
from tests.configs import MINIMAL, TOY, VALID, problem_of, problems, read

pytestmark = pytest.mark.usefixtures("toy_task")


def test_all_problems_at_once_in_file_order(tmp_path):
    text = """\
connect: {pairs: 0-0, grid: 1.5}
task: {name: toy, widht: 3, noise: {kind: normle, scal: 1}}
train:
  optimizer: adamm
  modles: 8
  learning_rate: -1
  learning_rate: 1
levels:
  values:
    - 0.5
    - abc
    - .nan
zzz: 1
compute:
"""
    found = problems(tmp_path, text, ["train.max_steps=0", "train.check=1"])
    assert [problem.split(": ")[:2] for problem in found] == [
        ["quickstart.yaml:1", "connect.pairs"],
        ["quickstart.yaml:1", "connect.grid"],
        ["quickstart.yaml:2", "task.width"],
        ["quickstart.yaml:2", "task.widht"],
        ["quickstart.yaml:2", "task.noise.kind"],
        ["quickstart.yaml:2", "task.noise.scal"],
        ["quickstart.yaml:4", "train.optimizer"],
        ["quickstart.yaml:5", "train.modles"],
        ["quickstart.yaml:7", "train.learning_rate"],
        ["quickstart.yaml:11", "levels.values[1]"],
        ["quickstart.yaml:12", "levels.values[2]"],
        ["quickstart.yaml:13", "zzz"],
        ["quickstart.yaml:14", "compute"],
        ["--set train.max_steps=0", "train.max_steps"],
        ["--set train.check=1", "train.check"],
    ]


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("trian", {}, "unknown key; did you mean 'train'? (allowed: task, train, levels, "),
        ("name", "x", "unknown key (allowed: task, "),
        ("train.modles", 8, "unknown key; did you mean 'models'? (allowed: endpoints, models, "),
        ("train.models", 1, "must be greater than or equal to 2, got 1"),
        ("train.models", "3", "expected a whole number, got '3'"),
        ("train.models", True, "expected a whole number, got true"),
        ("train.models", 2.5, "expected a whole number, got 2.5"),
        ("train.models", 10**30, "expected a whole number of at most 63 bits, got 1000"),
        ("train.optimizer", "adamm", "unknown optimizer 'adamm'; did you mean 'adam'? (allowed: "),
        ("train.learning_rate", 0, "must be greater than 0, got 0"),
        ("train.learning_rate", "1e-3", "expected a number, got '1e-3'"),
        ("train.learning_rate", float("inf"), "expected a finite number, got .inf"),
        ("train.batch_size", 0, "must be greater than or equal to 1, got 0"),
        ("train", None, "expected keys with values, got null"),
        ("train", [1], "expected keys with values, got [1]"),
        ("train.endpoints", ["a"], "must have at least 2 items, got 1"),
        ("levels.values", [], "must have at least 1 item, got 0"),
        ("levels.values", 0.5, "expected a list, got 0.5"),
        ("levels.values[1]", [1, None], "expected a number, got null"),
        ("levels.values[0]", [float("nan")], "expected a finite number, got .nan"),
        ("levels.values", [1, 0.5, 1.0], "1.0 is given more than once"),
        ("levels.values", [1, 0], "level 0 cannot be approached from above with connect.target"),
        ("levels.split", 3, "expected text, got 3"),
        ("connect.target", 1.5, "must be less than or equal to 1, got 1.5"),
        ("connect.tolerance", 0.9, "must be greater than or equal to 1, got 0.9"),
        ("connect.first_midpoint", "yes", "expected true or false, got 'yes'"),
        ("connect.first_midpoint", 1, "expected true or false, got 1"),
        ("connect.max_beads", 2, "must be greater than or equal to 3, got 2"),
        ("connect.pairs", "0-4", "there is no pair 0-4: the 4 models are 0 to 3"),
        ("connect.pairs", "0-1;0-2", "'0-1;0-2' is not a pair"),
        ("seed", -1, "must be greater than or equal to 0, got -1"),
        ("seed", "x" * 99, "expected a whole number, got 'xxxxx"),
        ("compute.precision", "float16", "one of 'float32', 'float64'; got 'float16'; did you"),
        ("task", 3, "expected keys with values, got 3"),
        ("task.name", 3, "expected text, got 3"),
        ("task.name", "tyo", "unknown task 'tyo'; did you mean 'toy'? (allowed: "),
        ("task.width", 0, "must be greater than or equal to 1, got 0"),
        ("task.wdth", 1, "unknown key; did you mean 'width'? (allowed: width, hidden, noise, "),
        ("task.hidden[1]", [3, "a"], "expected a whole number, got 'a'"),
        ("task.noise.scale", "1", "expected a number, got '1'"),
        ("task.noise.scal", 1, "unknown key; did you mean 'scale'? (allowed: kind, scale)"),
        ("task.size", "a", "expected a whole number, got 'a'; or expected a list, got 'a'"),
        ("task.act", "max", "must be callable, got 'max'"),
        ("task.label", "\ud800", "holds half of a surrogate pair"),
        ("task.factory", "my:make", "give either a name or a factory, not both"),
    ],
)
def test_a_wrong_key_is_named_with_what_is_allowed(key, value, said):
    mapping: dict[str, Any] = {**MINIMAL, "task": dict(TOY), "levels": {"values": [1]}}
    *parents, last = key.partition("[")[0].split(".")
    at = mapping
    for parent in parents:
        at = at.setdefault(parent, {})
    at[last] = value
    problem = problem_of(mapping)
    assert problem.startswith(f"{key}: ") and said in problem
    assert len(problem.splitlines()) == 1


@pytest.mark.parametrize(
    "mapping, problem",
    [
        ({"task": TOY}, "levels.values: missing"),
        (
            {"levels": {"values": [1]}},
            "task: missing; give a name (allowed: cifar10, digits, images, mnist",
        ),
        ({**MINIMAL, "task": {"width": 3}}, "task: missing; give a name (allowed: "),
        ({**MINIMAL, "task": {"nmae": "toy"}}, "task.nmae: unknown key; did you mean 'name'?"),
        ({**MINIMAL, "task": {"name": "toy"}}, "task.width: missing, and it has no default"),
        ({**MINIMAL, "train": {"endpoints": ["a", "b"]}}, "train.endpoints: needs task.factory"),
        ({**MINIMAL, "train": {"models": max}}, "not plain data: Unable to serialize"),
    ],
)
def test_something_missing(mapping, problem):
    assert problem_of(mapping).startswith(problem)


@pytest.mark.parametrize("name", ["", "a/b", ".."])
def test_a_name_that_is_no_directory(name):
    if name == "..":
        assert config_from(MINIMAL, name).name == name
    else:
        assert problem_of(MINIMAL, name).startswith("name: must be usable")


def test_a_seed_and_an_override_are_named_as_such():
    problem = problem_of(MINIMAL, overrides=["train={models: 1}"], seed=-3)
    assert problem.splitlines() == [
        "--set train={models: 1}: train.models: must be greater than or equal to 2, got 1",
        "--seed -3: seed: must be greater than or equal to 0, got -3",
    ]


@pytest.mark.parametrize(
    "override, said",
    [
        ("train.models", "--set train.models: expected key.path=value"),
        ("=3", "--set =3: expected key.path=value"),
        ("train..models=3", "expected key.path=value"),
        ("seed.a=3", "--set seed.a=3: seed is 5 and has no keys"),
        ("seed=[1", "--set seed=[1: malformed YAML: while parsing a flow sequence, expected"),
        ("connect.length_over=*", "found the end; text that begins with * or & needs quotes"),
    ],
)
def test_an_override_that_is_none(override, said):
    assert said in problem_of({**MINIMAL, "seed": 5}, overrides=[override])


@pytest.mark.parametrize(
    "text, said",
    [
        (
            "a: 1\nb: [1,\n",
            "quickstart.yaml:3: malformed YAML: while parsing a flow node, expected",
        ),
        ("a: 1\n\tb: 1\n", "quickstart.yaml:2: malformed YAML: while scanning for the next token"),
        ("a: 1\n--- 2\n", "quickstart.yaml:2: malformed YAML: expected a single document"),
        ("a: *b\n", "quickstart.yaml:1: malformed YAML: found undefined alias"),
        ("a: &b [*b]\n", "quickstart.yaml:1: malformed YAML: nested more than 50 deep"),
        ("a:\n b: \x00\n", "quickstart.yaml:2: malformed YAML: the character U+0000 is not"),
        ("[" * 100_000, "quickstart.yaml:1: malformed YAML: nested too deeply"),
        (b"a: 1\nb: \xff\n", "quickstart.yaml:2: not UTF-8 text: invalid start byte"),
        ("", "quickstart.yaml: empty; a config has at least"),
        ("# nothing\n", "quickstart.yaml: empty; a config has at least"),
        ("- 1\n", "quickstart.yaml: expected keys with values, got [1]"),
        ("3\n", "quickstart.yaml: expected keys with values, got 3"),
    ],
)
def test_a_file_that_is_no_yaml_mapping(tmp_path, text, said):
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(said)


@pytest.mark.parametrize(
    "text, said",
    [
        ("seed: 1\nseed: 2\n", "yaml:4: seed: duplicate key, given already at {path}:3"),
        ("1.5: 2\n", "quickstart.yaml: a key must be text, got 1.5 ({path}:3)"),
        ("[a]: 2\n", "quickstart.yaml: a key must be text, got a list or mapping ({path}:3)"),
        ("<<: {seed: 1}\n", "yaml:3: <<: unknown key"),
        ("seed: !!python/name:os.system x\n", "yaml:3: seed: the tag 'tag:yaml.org,2002:python"),
        ("seed: !mine {a: 1}\n", "yaml:3: seed: the tag '!mine' is not supported"),
        ("seed: !!int abc\n", "yaml:3: seed: expected a whole number of at most 63 bits, got abc"),
        ("seed: !!bool on\n", "yaml:3: seed: expected true or false, got on"),
        (f"seed: {'1' * 5000}\n", "yaml:3: seed: expected a whole number of at most 63 bits"),
    ],
)
def test_yaml_that_a_config_refuses(tmp_path, text, said):
    (problem,) = problems(tmp_path, VALID + text)
    assert said.format(path="quickstart.yaml") in problem


@pytest.mark.parametrize("what", ["missing", "directory"])
def test_a_file_that_cannot_be_read(tmp_path, what):
    path = tmp_path / "nothing.yaml" if what == "missing" else tmp_path
    with pytest.raises(ConfigError, match=r"read: (No such file|Is a directory)") as error:
        load_config(path)
    assert str(error.value).startswith(f"{path}: ")


def test_an_alias_bomb_is_refused_quickly(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    began = time.perf_counter()
    (problem,) = problems(tmp_path, "\n".join(lines))
    assert "malformed YAML: more than 10000 values" in problem
    assert time.perf_counter() - began < 2


def test_an_alias_is_welcome(tmp_path):
    config = read(tmp_path, VALID + "train: {models: &n 3}\nconnect: {grid: *n}\n")
    assert config.connect.grid == 3
