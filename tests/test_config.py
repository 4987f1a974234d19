from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, count
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from landscape.config import (
    Config,
    ConfigError,
    config_from,
    dump_config,
    dump_section,
    load_config,
    resolved,
    revised,
    run_hash,
    run_name,
    set_name,
)
from landscape.settings import Connect, pair_list
from landscape.source import Source
from landscape.tasks import TASKS

VALID = "task: {name: toy, width: 3}\nlevels: {values: [1.0, 0.5]}\n"
TOY = {"name": "toy", "width": 3}
MINIMAL: dict[str, Any] = {"task": TOY, "levels": {"values": [1.0, 0.5]}}
MODULES = count()


class Noise(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["normal", "uniform"] = "normal"
    scale: float = 1.0


NOISE = Noise()


def toy(
    *,
    width: Annotated[int, Field(ge=1)],
    hidden: tuple[int, ...] = (4, 4),
    noise: Noise | None = NOISE,
    label: str = "a",
    size: int | tuple[int, ...] = 1,
    free: Any = None,
    act: Callable = max,
) -> None:
    """Stands for a task's builder."""


@pytest.fixture(autouse=True, scope="module")
def _toy_task():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "toy", f"{__name__}:toy")
        yield


@pytest.fixture
def factory(tmp_path, monkeypatch):
    """Write a module into the working directory; returns its name."""
    monkeypatch.chdir(tmp_path)
    written = []

    def write(source: str) -> str:
        written.append(f"a_factory_{next(MODULES)}")
        (tmp_path / f"{written[-1]}.py").write_text(source)
        return written[-1]

    yield write
    for name in written:
        sys.modules.pop(name, None)


def read(tmp_path: Path, text: str | bytes, *args: Any, **kwargs: Any) -> Config:
    path = tmp_path / "quickstart.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(path, *args, **kwargs)


def problems(tmp_path: Path, text: str | bytes, *args: Any) -> list[str]:
    """The problems of a config file, without the directory of its path."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, *args)
    assert str(caught.value).splitlines() == list(caught.value.problems)
    return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def problem_of(mapping: dict[str, Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config_from(mapping, *args, **kwargs)
    return str(caught.value)


def yaml_value(text: str) -> Any:
    source = Source("")
    value = source.read(text, "key", str)
    assert not source.problems, source.problems
    return value


# -- what a right config becomes -------------------------------------------------------------------


def test_everything_but_the_task_and_the_levels_has_a_default(tmp_path):
    config = read(tmp_path, VALID)
    assert config.name == "quickstart"
    assert config.task.name == "toy" and config.task.factory is None
    assert config.task.keys == {
        "width": 3, "hidden": [4, 4], "noise": {"kind": "normal", "scale": 1.0}, "label": "a",
        "size": 1, "free": None,
    }  # fmt: skip
    assert (config.train.models, config.train.batch_size, config.seed) == (4, None, 0)
    assert (config.connect.target, config.connect.tolerance) == (0.95, 1.0)
    assert config.compute.precision == "float32"


def test_the_builder_is_called_with_what_its_annotations_say():
    config = config_from({**MINIMAL, "task": {**TOY, "noise": {"scale": 2}, "size": [1, 2]}})
    assert config.task.build_kwargs() == {
        "width": 3, "hidden": (4, 4), "noise": Noise(scale=2.0), "label": "a", "size": (1, 2),
        "free": None,
    }  # fmt: skip
    assert config.task.builder() is toy


def test_levels_descend():
    config = config_from({**MINIMAL, "levels": {"values": (-1.5, 2, 0.5)}})
    assert config.levels.values == (2.0, 0.5, -1.5)


@pytest.mark.parametrize(
    "pairs, expected",
    [
        ("all", [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]),
        ("disjoint", [(0, 1), (2, 3)]),
        ("tree", list(combinations(range(5), 2))),
        ("3-1, 0-2,1-3", [(1, 3), (0, 2)]),
    ],
)
def test_pairs(pairs, expected):
    assert pair_list(pairs, 5) == expected


@pytest.mark.parametrize(
    "pairs, message",
    [
        ("0-1,2-2", "'2-2' is not a pair"),
        ("some", "'some' is not a pair of two models (allowed: all, disjoint, tree, or a list"),
        ("0-1,", "'' is not a pair"),
        ("-1-2", "'-1-2' is not a pair"),
        ("0-7", "no pair 0-7: the 5 models are 0 to 4"),
    ],
)
def test_bad_pairs(pairs, message):
    with pytest.raises(ValueError, match="pair") as caught:
        pair_list(pairs, 5)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-3", 0.001), ("1E3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-0.0", 0.0), ("010", 10),
        ("0o17", 15), ("0x1F", 31), ("+3", 3), ("-3", -3), ("~", None), ("", None), ("null", None),
        ("true", True), ("False", False), ("'1'", "1"), ("!!str 1", "1"), ("!!float 1", 1.0),
        *((word, word) for word in ("on", "yes", "off", "no", "y", "1_000", "1:30", "0-1", "e5")),
        *((word, word) for word in ("2024-01-01", "0b11", ".", "0o8", "=", "<<", "1e")),
    ],
)  # fmt: skip
def test_yaml_1_2_scalars(text, value):
    assert type(yaml_value(text)) is type(value) and yaml_value(text) == value


def test_overrides_are_yaml_laid_over_the_file(tmp_path):
    overrides = [
        "train.models=8", "train.learning_rate=1e-2", "levels.values=[3, 4]", "train.batch_size=",
        "task.noise.kind=uniform", "connect={grid: 7}", "task.label='*'", "train.models=6",
    ]  # fmt: skip
    config = read(tmp_path, VALID + "train: {batch_size: 5}\n", overrides, seed=9)
    assert (config.train.models, config.train.learning_rate, config.seed) == (6, 0.01, 9)
    assert config.levels.values == (4.0, 3.0)
    assert config.train.batch_size is None
    assert config.task.keys["noise"] == {"kind": "uniform", "scale": 1.0}
    assert config.task.keys["label"] == "*"
    assert config.connect == Connect(grid=7)


def test_an_override_mends_what_is_wrong_in_the_file(tmp_path):
    text = VALID + "train: {models: .nan}\nconnect: {pairs: [1, 2]}\n"
    config = read(tmp_path, text, ["train.models=3", "connect.pairs=all"])
    assert config.train.models == 3


def test_revised_changes_only_what_it_is_told_and_is_validated(tmp_path):
    config = read(tmp_path, VALID + "train:\n  models: 3\n", ["connect.grid=9"])
    again = revised(config, ["connect.target=0.9"])
    assert again == replace(config, connect=Connect(grid=9, target=0.9))
    said = "--set connect.pairs=0-3: connect.pairs: there is no pair 0-3: the 3 models are 0 to 2"
    with pytest.raises(ConfigError, match=f"^{said}$"):
        revised(config, ["connect.pairs=0-3"])


def test_a_later_problem_names_the_line_of_its_key_or_of_what_holds_it(tmp_path):
    config = read(tmp_path, "task: {name: toy, width: 3}\nlevels:\n  values: [1]\n", ["seed=1"])
    path = tmp_path / "quickstart.yaml"
    for key, place in {
        "levels.values[0]": f"{path}:3",
        "levels.metric": f"{path}:2",
        "connect.grid": str(path),
        "seed": "--set seed=1",
    }.items():
        assert str(config.problem(key, "is odd")) == f"{place}: {key}: is odd"


# -- what is wrong, and where ----------------------------------------------------------------------


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
        ("train.optimizer", "adamm", "one of 'adam', 'sgd'; got 'adamm'; did you mean 'adam'?"),
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
            "task: missing; give a name (allowed: cifar10, digits, mnist",
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
        ("1: 2\n", "quickstart.yaml: a key must be text, got 1 ({path}:3)"),
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


# -- factories -------------------------------------------------------------------------------------


def with_factory(spec: str, **keys: Any) -> dict[str, Any]:
    return {**MINIMAL, "task": {"factory": spec, **keys}}


def test_a_factory_from_the_working_directory(factory):
    name = factory(
        "from dataclasses import dataclass\n"
        "def make(size, *, hidden=(4, 4), act=len, rate: float = 1, none: int = None): pass\n"
        "def any_key(first=1, *args, **rest): pass\n"
        "@dataclass\n"
        "class Made:\n"
        "    size: int\n"
    )
    path = list(sys.path)
    config = config_from(with_factory(f"{name}:make", size=3))
    assert sys.path == path
    assert config.task.keys == {"size": 3, "hidden": [4, 4], "rate": 1.0, "none": None}
    assert config.task.build_kwargs()["hidden"] == (4, 4)
    assert config_from(with_factory(f"{name}:any_key", more=[1])).task.keys == {
        "first": 1,
        "more": [1],
    }
    assert "task.size: expected a whole number" in problem_of(
        with_factory(f"{name}:Made", size="a")
    )
    again = config_from(resolved(config))
    assert again == config and run_hash(again) == run_hash(config)


@pytest.mark.parametrize(
    "source, function, said",
    [
        ("def make(): pass", "maek", "has no function 'maek'; did you mean 'make'?"),
        ("make = 3", "make", "is not a function: it is of type int"),
        ("x = 1\ny = 1 / 0", "make", "raised ZeroDivisionError at {file}:2: division by zero"),
        ("import sys\nsys.exit(3)", "make", "raised SystemExit at {file}:2: 3"),
        ("def make(:", "make", "raised SyntaxError: invalid syntax ({name}.py, line 1)"),
        ("\nimport nosuch", "make", "ModuleNotFoundError at {file}:2: No module named 'nosuch'"),
        ("def make(x, /): pass", "make", "cannot be keys of a config: 'x' is positional-only"),
        ("def make(*, name=1): pass", "make", "cannot be keys of a config: 'name' is"),
        ("def make(x: 'Nope'): pass", "make", "of a config: name 'Nope' is not defined"),
    ],
)
def test_a_factory_that_fails(tmp_path, factory, source, function, said):
    name = factory(source)
    text = f"levels: {{values: [1]}}\ntask:\n  factory: '{name}:{function}'\n"
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("quickstart.yaml:3: task.factory: ")
    assert said.format(file=f"{name}.py", name=name) in problem


@pytest.mark.parametrize(
    "spec, said",
    [
        ("no_such_module:make", "no module 'no_such_module' in "),
        ("landscape.no_such:make", "no module 'landscape.no_such' in "),
        ("my_module.py", "expected 'module:function', got 'my_module.py'"),
        ("", "expected 'module:function', got ''"),
    ],
)
def test_a_factory_that_is_nowhere(spec, said):
    assert problem_of(with_factory(spec)).startswith(f"task.factory: {said}")


def test_endpoints_count_the_models(factory):
    task = with_factory(f"{factory('def make(): pass')}:make")
    ends = ["a.safetensors", "b.safetensors", "c.safetensors"]
    config = config_from({**task, "train": {"endpoints": ends}})
    assert config.train.models == 3 and config.train.endpoints == tuple(ends)
    assert config_from(resolved(config)) == config
    problem = problem_of({**task, "train": {"models": 4, "endpoints": ends}})
    assert problem == "train.models: must be left out or 3, as the endpoints are; got 4"
    assert "no pair 0-3" in problem_of(
        {**task, "train": {"endpoints": ends}, "connect": {"pairs": "0-3"}}
    )


# -- written out, and named ------------------------------------------------------------------------

TEXT = st.one_of(
    st.text(max_size=30), st.sampled_from(["on", "1e-3", "0o7", "~", "", "<<", "*", "- a", "null"])
)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
RATE = st.floats(min_value=1e-300, max_value=1e300)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


def section(**keys: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries({}, optional=keys)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "task": st.fixed_dictionaries(
                {"name": st.just("toy"), "width": st.integers(1, 9)},
                optional={"label": TEXT, "free": PLAIN, "hidden": st.lists(st.integers(0, 99))},
            ),
            "levels": st.fixed_dictionaries(
                {"values": st.lists(NUMBER.filter(bool), min_size=1, unique=True)},
                optional={"metric": TEXT, "split": TEXT},
            ),
        },
        optional={
            "train": section(learning_rate=RATE, batch_size=st.none() | st.integers(1, 9)),
            "connect": section(
                target=st.floats(0.01, 1), length_over=TEXT, seed=st.none() | st.integers(0, 2**62)
            ),
            "seed": st.integers(0, 2**63 - 1),
        },
    )
)
def test_a_dumped_config_loads_back_equal(tmp_path_factory, mapping):
    config = config_from(mapping, "quickstart")
    again = read(tmp_path_factory.getbasetemp(), dump_config(config))
    assert again == config
    assert run_name(again) == run_name(config)
    assert dump_config(again) == dump_config(config)
    assert set(yaml_value(dump_config(config))) == set(resolved(config))
    assert yaml_value(dump_section(config.connect)) == yaml_value(dump_config(config))["connect"]


def test_a_run_is_named_by_what_its_training_depends_on(tmp_path):
    config = read(tmp_path, VALID)
    assert run_name(config) == f"quickstart-{run_hash(config)}"
    # pinned: the same settings must find the run of an earlier day and version
    assert run_hash(config) == "ed4c6ff6"
    same = ["connect.grid=7", "seed=0", "levels.values=[0.5, 1]", "task.noise={scale: 1}"]
    others = ["seed=1", "levels.split=test", "task.width=4", "train.max_steps=7"]
    others += ["compute.precision=float64"]
    assert {run_hash(revised(config, [override])) for override in same} == {run_hash(config)}
    hashes = {run_hash(revised(config, [override])) for override in others} | {run_hash(config)}
    assert len(hashes) == len(others) + 1


def test_changed_code_or_endpoints_are_another_run(tmp_path, factory):
    name = factory("def make(): pass\n")
    for end in "ab":
        (tmp_path / end).write_bytes(end.encode())
    mapping = {**with_factory(f"{name}:make"), "train": {"endpoints": ["a", "b"]}}
    config = config_from(mapping)
    hashes = [run_hash(config), run_hash(config_from(mapping))]
    (tmp_path / "b").write_bytes(b"c")
    hashes.append(run_hash(config))
    with (tmp_path / f"{name}.py").open("a") as file:
        file.write("# changed\n")
    hashes.append(run_hash(config))
    assert hashes[0] == hashes[1] and len(set(hashes)) == 3
    (tmp_path / "b").unlink()
    with pytest.raises(ConfigError, match=r"train.endpoints\[1\]: b: cannot be read: No such file"):
        run_hash(config)


def test_a_set_is_named_by_its_settings_but_not_its_pairs():
    name = set_name(Connect())
    assert name.startswith("dss-") and len(name) == len("dss-") + 6
    assert set_name(Connect(pairs="0-1")) == set_name(Connect(pairs="tree", tries=9)) == name
    assert set_name(Connect(target=0.9)) != name
    assert set_name(Connect(method="straight")).startswith("straight-")


def test_the_config_needs_no_jax():
    code = "import sys, landscape.config; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
