"""Training down to levels, components and the disconnectivity graph, all in memory."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landscape as ls
from landscape.config.load import config_from
from landscape.tasks.digits import digits
from tests.analytic import double_well_energy


@pytest.fixture(scope="module")
def models():
    return ls.train_models(digits(hidden=(4,)), 3, [1.0, 1.5, 1e-9], max_steps=2000, progress=False)


def test_every_model_is_kept_where_it_first_met_a_level(models):
    landscape = ls.bind(digits(hidden=(4,)))
    for model in models:
        assert list(model.met) == [1.5, 1.0] and model.missed == (1e-9,)
        for level, (step, value, params) in model.met.items():
            assert value <= level and 0 < step <= 2000
            named = {f"{k}.{n}": x for k, layer in params.items() for n, x in layer.items()}
            assert float(landscape.level(named)) == pytest.approx(value, rel=1e-5)
        assert model.params is model.met[1.0][2]


def test_models_are_independent_and_the_same_alone(models):
    first = ls.train_models(digits(hidden=(4,)), 2, [1.5], max_steps=2000, progress=False)
    assert first[0].met[1.5][1] == models[0].met[1.5][1]
    assert first[0].met[1.5][1] != first[1].met[1.5][1]


PEOPLES = {
    "epochs": {"sampling": "epochs", "batch_size": 100},
    "averaged": {"ema": 0.9, "batch_size": 100},
    "bfloat16": {"precision": "bfloat16", "sampling": "epochs", "batch_size": 300, "ema": 0.5},
}


@pytest.mark.parametrize("name", PEOPLES)
def test_it_trains_as_the_command_does(name, tmp_path):
    given = {"models": 2, "max_steps": 400, "check_every": 20, **PEOPLES[name]}
    config = config_from(
        {
            "task": {"name": "digits", "hidden": [4]},
            "train": {**given, "optimizer": "adam", "learning_rate": 1e-2},
            "levels": {"values": [1.5, 1.0]},
        }
    )
    recorded = ls.train(config, runs_dir=tmp_path).models()
    found = ls.train_models(
        digits(hidden=(4,)), levels=[1.5, 1.0], optimizer=optax.adam(1e-2), progress=False, **given
    )
    plain = ls.train_models(
        digits(hidden=(4,)), 2, [1.5, 1.0], optimizer=optax.adam(1e-2), batch_size=100,
        max_steps=400, check_every=20, progress=False,
    )  # fmt: skip
    values = {(m, level): at[:2] for m, one in enumerate(found) for level, at in one.met.items()}
    assert values == {
        (row.model, at.level): (at.step, at.value)
        for row in recorded
        for at in row.levels
        if at.step is not None
    }
    assert values != {
        (m, level): at[:2] for m, one in enumerate(plain) for level, at in one.met.items()
    }


@pytest.mark.parametrize(
    "given, said",
    [
        ({"sampling": "epochs"}, "give batch_size"),
        ({"sampling": "epoch"}, r"sampling: 'epoch' is unknown \(allowed: epochs, None\)"),
        ({"precision": "half"}, r"precision: 'half' is unknown \(allowed: bfloat16, None\)"),
        ({"ema": 1.0}, "ema must be between 0 and 1, got 1.0"),
        ({"sampling": "epochs", "batch_size": 10_000}, "10,?000"),
    ],
)
def test_a_mistake_in_training_is_named(given, said):
    with pytest.raises(ValueError, match=said):
        ls.train_models(digits(hidden=(4,)), 2, [1.0], progress=False, **given)


@pytest.mark.parametrize(
    "given", [{"models": 0}, {"levels": []}, {"metric": "acc"}, {"split": "valid"}]
)
def test_a_mistake_is_named(given):
    with pytest.raises(ValueError, match=r"must be 1 or more|the task has metrics"):
        ls.train_models(**{"task": digits(hidden=(4,)), "models": 2, "levels": [1.0]} | given)


def test_wells_are_two_components_and_merge_at_the_barrier():
    def loss(params):
        return double_well_energy(params)

    points = [jnp.array(at) for at in ([1.0, 0.0], [1.0, 0.1], [-1.0, 0.0])]
    found = {
        pair: ls.find_path(
            loss, points[pair[0]], points[pair[1]], level=0.5, method="straight", progress=False
        )
        for pair in ((0, 1), (0, 2))
    }
    parts = ls.components(found)
    assert parts.components == [[0, 1], [2]] and (parts.pairs, parts.connected) == (2, 1)
    assert ls.components(found, limit=1.1).components == [[0, 1, 2]]
    graph = ls.disconnectivity_graph(found, {n: float(loss(p)) for n, p in enumerate(points)})
    assert [merge.height for merge in graph.merges] == pytest.approx([0.01, 1.0], abs=1e-3)
    assert graph.merges[-1].younger == (2,) or graph.merges[-1].older == (2,)
    assert np.isfinite(graph.merges[-1].height) and graph.apart == 0
    with pytest.raises(ValueError, match="no loss of model 2"):
        ls.disconnectivity_graph(found, {0: 0.0, 1: 0.01})
    with pytest.raises(ValueError, match="no paths"):
        ls.components({})


def test_tasks_and_landscapes_say_what_they_are():
    task = digits(hidden=(4,))
    assert repr(task) == "<Task with metrics loss, error; samples train 1,437, test 360>"
    assert repr(ls.bind(task)) == "<Landscape of 310 parameters in 4 arrays, 1,437 samples>"
