"""Networks trained elsewhere whose files have other arrays than the task."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from landscape import ConfigError, config_from, connect, train
from landscape.config.load import resolved, run_name
from landscape.stages.check import check

ENDS = ["0.safetensors", "1.safetensors"]
POINTS = [np.array([1.0, 0.1], np.float32), np.array([0.1, 1.0], np.float32)]


@pytest.fixture
def given(ring, workplace):
    """A config of the ring with two end points whose arrays are named as `names` says."""

    def make(names=("module.net.x", "module.net.x"), more=(), **asked):
        for path, name, point in zip(ENDS, names, POINTS, strict=True):
            extra = {other: np.arange(3) for other in more}
            save_file({name: point, **extra}, workplace / path)
        return ring(train={"models": 2, "endpoints": {"files": ENDS, **asked}})

    return make


def test_extra_arrays_are_left_out_and_others_renamed(given):
    config = given(
        more=("module.net.batches", "optimizer.x"),
        ignore="*.batches, optimizer.*",
        rename={r"^module\.net\.(\w)$": r"\1"},
    )
    assert config_from(resolved(config), name="ring") == config
    run = train(config)
    losses = [model.value for model in run.models()]
    assert losses == pytest.approx([(np.sum(point**2) - 1) ** 2 for point in POINTS], rel=1e-4)
    from landscape.store.files import load_arrays

    for model, point in enumerate(POINTS):
        arrays, _ = load_arrays(run.model_file(model, 0.1))
        assert arrays.keys() == {"x"} and np.array_equal(arrays["x"], point)


def test_what_a_training_keeps_beside_the_network_is_left_out(given, caplog):
    names = ("state_dict.module.x", "state_dict.module.x")
    beside = ("optimizer.state.0.exp_avg", "opt_state/0/mu", "epoch")
    with caplog.at_level("INFO", logger="lscape"):
        run = train(given(names, more=beside))
    losses = [model.value for model in run.models()]
    assert losses == pytest.approx([(np.sum(point**2) - 1) ** 2 for point in POINTS], rel=1e-4)
    said = [record.message for record in caplog.records if "beside the network" in record.message]
    assert len(said) == 2 and all(": epoch, opt_state, optimizer" in line for line in said)


@pytest.mark.parametrize(
    "more, ignore",
    [
        ("state_dict.y", r"state_dict\.y"),  # not the network with it
        ("head.weight", r"head\.\*"),
        ("ema_state_dict.x", r"ema_state_dict\.\*"),  # a second network
        ("opt2/mu", r"opt2/\*"),
    ],
)
def test_nothing_else_is_left_out_unasked(given, more, ignore):
    names = ("state_dict.x", "state_dict.x")
    with pytest.raises(ConfigError, match=rf'unknown: .*ignore: "{ignore}" leaves'):
        train(given(names, more=(more, "optimizer.x")))
    found = train(given(names, more=(more, "optimizer.x"), ignore=ignore.replace("\\", "")))
    assert len(found.models()) == 2


def test_check_says_where_networks_stand(given):
    config = given(("x", "x"))
    save_file({"x": 2 * POINTS[1]}, ENDS[1])
    found = check(config)
    run = train(config)
    assert found["given"] == run.models()
    missed = [met.level for met in found["given"][1].levels if met.status != "REACHED"]
    assert missed == list(config.levels.values)
    assert f"model 1 did not reach {', '.join(map(str, missed))}" in found["notes"][0]
    assert found["notes"][0].endswith(f"in {ENDS[1]})")
    assert found["notes"][1].startswith("no two models reached")
    assert {row.reason.partition(" (")[0] for row in connect(run)} == {
        "model 1 did not reach the level"
    }


def test_files_may_differ_in_what_a_pattern_matches(given):
    assert len(train(given(("module.x", "x"), rename={r"module\.": ""})).models()) == 2


def test_a_list_and_files_without_patterns_are_the_same_networks(given, ring):
    config = given(("x", "x"))
    plain = ring(train={"models": 2, "endpoints": ENDS})
    assert train(config).models() == train(plain).models()
    assert run_name(config) != run_name(given(("x", "x"), ignore="y"))


@pytest.mark.parametrize(
    "names, more, asked, problem",
    [
        (
            "ab", (), {"ignore": "z*"},
            "train.endpoints.ignore: 'z*' matches none of: a, b",
        ),
        (
            "ab", (), {"rename": {"^z": "x"}},
            "train.endpoints.rename: '^z' matches none of: a, b",
        ),
        (
            "xx", ("y",), {"ignore": "y", "rename": {"y": "x"}},
            "train.endpoints.rename: 'y' matches none of: x",
        ),
        (
            "xx", ("y",), {"rename": {"y": "x"}},
            "train.endpoints.rename: 0.safetensors: x, y would all be x",
        ),
        (
            ("ab", "ab"), (), {"rename": {"a": "x", "b": "x"}},
            "train.endpoints.rename: 0.safetensors: 'a' and 'b' match ab",
        ),
        (
            "xx", ("y",), {},
            "train.endpoints.files[0]: 0.safetensors: other parameters than the task's "
            "(unknown: y); `ignore` and `rename`",
        ),
    ],
)  # fmt: skip
def test_patterns_that_cannot_be_meant(given, names, more, asked, problem):
    config = given(tuple(names), more, **asked)
    for stage in (train, check):
        with pytest.raises(ConfigError) as caught:
            stage(config)
        assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    "endpoints, problem",
    [
        ({"files": ["a"]}, "train.endpoints.files: must have at least 2 items, got 1"),
        ({"files": ENDS, "ignored": "a"}, "train.endpoints.ignored: unknown key; did you mean"),
        ({"files": ENDS, "rename": {"(": ""}}, "train.endpoints.rename: '(: ' is no regular"),
        ({"files": ENDS, "rename": {"a": r"\1"}}, r"train.endpoints.rename: 'a: \1' is no regular"),
        ({"files": ENDS, "rename": ["a"]}, "train.endpoints.rename: expected keys with values"),
    ],
)
def test_mistakes_in_the_config(ring, endpoints, problem):
    with pytest.raises(ConfigError) as caught:
        ring(train={"models": 2, "endpoints": endpoints})
    assert str(caught.value).splitlines()[0].startswith(problem)


def test_they_count_the_models_and_name_a_file_that_is_not_there(ring):
    config = ring(train={"endpoints": {"files": [*ENDS, "2.safetensors"]}, "models": 3})
    assert config.train.files == tuple((file,) for file in (*ENDS, "2.safetensors"))
    with pytest.raises(ConfigError, match=r"train\.endpoints\.files\[0\]: 0\.safetensors: cannot"):
        run_name(config)
    with pytest.raises(ConfigError, match=r"train\.models: must be left out or 2"):
        ring(train={"endpoints": {"files": ENDS}, "models": 3})
