"""`lscape schema`: it takes every config that we have, and refuses what a run would refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from landscape.config.load import config_from, load_config, load_sweep, resolved
from landscape.config.schema import config_schema
from landscape.config.validation import ConfigError
from landscape.config.yaml_source import read_file
from landscape.methods.registry import METHODS
from landscape.tasks.registry import TASKS
from tests.cli.commands import ROOT, lscape

CONFIGS = [
    *sorted(ROOT.glob("configs/**/*.yaml")),
    *sorted(ROOT.glob("examples/*.yaml")),
    *sorted(ROOT.glob("landscape/config/examples/*.yaml")),
]
DIGITS: dict[str, Any] = {"task": {"name": "digits"}, "levels": {"values": [0.5]}}


@pytest.fixture(scope="module")
def validator():
    schema = config_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_command_prints_it(validator):
    done = lscape("schema")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads(json.dumps(validator.schema))


@pytest.mark.parametrize("path", CONFIGS, ids=shown)
def test_it_takes_our_configs(validator, path, monkeypatch):
    monkeypatch.chdir(path.parent)  # where the factories are
    source, data = read_file(path)
    assert not source.problems
    assert [error.message for error in validator.iter_errors(data)] == []
    if load_sweep(path) is None:  # and all that is left out, with its defaults
        assert validator.is_valid(resolved(load_config(path)))


@pytest.mark.parametrize("path", CONFIGS, ids=shown)
def test_the_first_line_names_it(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    named = path.parent / first.partition("=")[2]
    at = ROOT if "landscape" not in shown(path) else path.parent
    assert named.resolve() == at / "lscape.schema.json"


@pytest.mark.parametrize("name", METHODS.names())
def test_it_knows_the_keys_of_every_method(validator, name):
    whole = resolved(config_from({**DIGITS, "connect": {"method": name}}))
    assert validator.is_valid(whole)
    whole["connect"]["max_beads"] = "many"
    assert not validator.is_valid(whole)


@pytest.mark.parametrize("name", TASKS.names())
def test_it_knows_the_keys_of_every_task(validator, name):
    assert not validator.is_valid({**DIGITS, "task": {"name": name, "no_such_key": 1}})


@pytest.mark.parametrize(
    "changed",
    [
        {"trian": {}},
        {"task": {}},
        {"task": {"name": "digits", "factory": "my:make"}},
        {"task": {"factory": "my_file.py"}},
        {"task": {"name": "digits", "hiden": [8]}},
        {"task": {"name": "digits", "hidden": [0]}},
        {"task": {"name": "digits", "hidden": 8}},
        {"task": {"name": "polynomial"}},
        {"task": {"name": "cifar10", "filters": [8]}},
        {"train": {"models": "4"}},
        {"train": {"models": True}},
        {"train": {"optimizer": "adamm"}},
        {"train": {"endpoints": []}},
        {"train": {"endpoints": [["a", 1], "b"]}},
        {"train": {"optimizer": {"name": "sgd", "momentm": 0.9}}},
        {"train": {"learning_rate": {"name": "cosine_decay_schedule", "init_value": 1}}},
        {"levels": {}},
        {"levels": {"values": []}},
        {"connect": {"method": "dsss"}},
        {"connect": {"grd": 9}},
        {"connect": {"insert": "middle"}},
        {"connect": {"method": "constrained", "max_beads": 1}},
        {"measure": {"also": ["no-such-measure"]}},
        {"measure": {"also": [{"beyond": 1}]}},
        {"measure": {"also": [{"name": "array-lengths", "no_such_key": 1}]}},
        {"sweep": {"over": {}}},
        {"sweep": {"over": {"seed": [0]}, "chart": "pie"}},
        {"seed": -1},
        {"compute": {"precision": "float16"}},
        {"compute": {"memory": True}},
    ],
    ids=json.dumps,
)
def test_it_refuses_what_a_run_refuses(validator, changed):
    broken = {**DIGITS, **changed}
    assert not validator.is_valid(broken)
    with pytest.raises(ConfigError):
        config_from(broken)


@pytest.mark.parametrize(
    "changed",
    [
        {"compute": {"memory": "2GiB"}},
        {"measure": {"over": "*kernel"}},
        {"measure": {"also": "array-lengths"}},
        {"measure": {"also": ["array-lengths", {"name": "array-lengths"}]}},
        {"connect": {"method": "straight", "insert": "max"}},  # a setting of another method
        {"train": {"endpoints": None}},
        {"train": {"optimizer": {"name": "sgd", "momentum": 0.9, "nesterov": True}}},
        {"train": {"learning_rate": {"name": "constant_schedule", "value": 1}}},
        {"connect": {"optimizer": "gauss-newton"}},
        {"task": {"name": "digits", "factory": None}},
        {"sweep": None},
    ],
    ids=json.dumps,
)
def test_it_takes_what_a_run_takes(validator, changed):
    assert validator.is_valid({**DIGITS, **changed})
    config_from({**DIGITS, **changed})


def test_a_sweep_may_bring_what_is_missing(validator):
    grid = {"levels.values": [[0.5], [0.1]], "task.coefficients": [[0, 1]]}
    swept = {"task": {"name": "polynomial"}, "sweep": {"over": grid}}
    assert validator.is_valid(swept)
    assert not validator.is_valid({**swept, "sweep": None})
