"""Configs that are right: what they become, are written as and named by; factories."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.config.load import (
    ConfigError,
    config_from,
    dump_config,
    dump_section,
    resolved,
    revised,
    run_hash,
    run_name,
)
from landscape.config.naming import set_name
from landscape.config.sections import Connect, pair_list
from landscape.config.yaml_source import CONTROLS
from landscape.methods.constrained import Constrained
from tests.configs import MINIMAL, TOY, VALID, Noise, problem_of, problems, read, toy, yaml_value

pytestmark = pytest.mark.usefixtures("toy_task")


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


def test_the_builder_may_take_what_only_looks_like_text_or_keys(factory):
    """An enumeration by its value, a path, a data class, a set: plain data stand for them; numbers
    within are as strict as elsewhere."""
    name = factory(
        "from dataclasses import dataclass\n"
        "from enum import Enum\n"
        "from pathlib import Path\n"
        "class Kind(Enum):\n"
        "    A = 'a'\n"
        "@dataclass\n"
        "class Size:\n"
        "    width: int\n"
        "def make(kind: Kind, file: Path, size: Size, some: set[int], rate: float): pass\n"
    )
    keys = {"kind": "a", "file": "x/y", "size": {"width": 3}, "some": [1, 2], "rate": 1}
    config = config_from(with_factory(f"{name}:make", **keys))
    made = config.task.build_kwargs()
    assert made["kind"].value == "a" and made["file"] == Path("x/y") and made["some"] == {1, 2}
    assert made["size"].width == 3 and type(made["rate"]) is float
    assert config_from(resolved(config)) == config
    for key, value, place in [
        ("size", {"width": "3"}, "task.size.width"), ("some", [True], "task.some[0]"),
        ("rate", "1", "task.rate"),
    ]:  # fmt: skip
        assert problem_of(with_factory(f"{name}:make", **keys | {key: value})).startswith(place)


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


def test_a_method_takes_the_settings_that_it_shares_with_the_one_before(tmp_path):
    config = read(tmp_path, VALID + "connect: {method: dss, jitter: 0.5, retries: 2}\n")
    again = revised(config, ["connect.method=constrained", "connect.zeta=0.25"])
    assert again.connect.finder == Constrained(jitter=0.5, zeta=0.25)
    with pytest.raises(ConfigError, match=r"connect\.retry: unknown key"):
        revised(config, ["connect.method=constrained", "connect.retry=3"])


def test_a_method_must_not_take_the_names_that_every_search_has(tmp_path, factory):
    source = (
        "from landscape import Method\nclass M(Method):\n    name = 'm'\n    tries: int = 3\n"
        "    def bind(self, problem, level): ...\n"
    )
    text = VALID + f"connect: {{method: '{factory(source)}:M'}}\n"
    (problem,) = problems(tmp_path, text)
    assert "connect.method: " in problem and "tries" in problem


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
        ("def make(): pass", "maek", "has no 'maek'; did you mean 'make'?"),
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
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).filter(
        lambda text: not CONTROLS.search(text)
    ),
    st.sampled_from(["a\n\tb", "\x85", "on", "1e-3", "0o7", "~", "", "<<", "*", "- a", "null"]),
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
    code = "import sys, landscape.config.load; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
