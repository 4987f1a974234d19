"""What is no parameter, sample or level is refused before anything runs, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape import (
    ConfigError,
    Outputs,
    Task,
    Variables,
    bind,
    config_from,
    connect,
    load_config,
    train,
)
from landscape.config.load import resolved, run_name
from landscape.core.state import look_like_state
from landscape.measures.function_space import make_function_length
from landscape.stages.build import build_landscape, build_task
from landscape.stages.check import check
from landscape.tasks.registry import load_builder

DOCUMENT = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()

NETWORKS = '''
import flax.linen as nn
import jax
import jax.numpy as jnp

from landscape import Task

X = jax.random.normal(jax.random.key(0), (12, 3, 4))
Y = jnp.sin(X.sum((1, 2)))


class BatchNet(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(5)(x))
        return nn.Dense(1)(nn.relu(x)).mean((1, 2))


class Attention(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = x + nn.MultiHeadDotProductAttention(num_heads=2)(nn.LayerNorm()(x))
        return nn.Dense(1)(nn.LayerNorm()(x).mean(1))[:, 0]


def mse(predicted, data):
    return jnp.mean((predicted - data[1]) ** 2)


def task(init, learn, predict):
    return Task(
        init=init,
        loss=lambda p, carry, batch, key: (mse(learn(p, batch[0]), batch), carry),
        metrics={"loss": lambda p, data: mse(predict(p, data[0]), data)},
        data={"train": (X, Y)},
    )


def running(holder: str = "") -> Task:
    """Evaluated by running sample_means; they are parameters by flax's names, or in other words."""
    net = BatchNet()
    names = {"": ("params", "batch_stats"), "own": ("weights", "extra")}.get(holder)

    def variables(p):
        if names is None:
            p = p[holder]
        return {"params": p[(names or ("params",))[0]],
                "batch_stats": p[(names or ("", "batch_stats"))[1]]}

    def init(key):
        v = net.init(key, X)
        made = dict(zip(names or ("params", "batch_stats"), (v["params"], v["batch_stats"])))
        return made if names else {holder: made}

    def learn(p, x):
        return net.apply(variables(p), x, train=True, mutable=["batch_stats"])[0]

    return task(init, jax.jit(learn), lambda p, x: net.apply(variables(p), x))


def attention() -> Task:
    net = Attention()
    return task(lambda key: net.init(key, X), net.apply, net.apply)


def plain(*, tree: dict) -> Task:
    """A sum of squares of all leaves, whatever they are called."""
    def predict(p, x):
        return x.sum((1, 2)) * sum(jnp.sum(leaf) for leaf in jax.tree.leaves(p))

    shaped = lambda t: {k: shaped(v) if isinstance(v, dict) else jnp.ones(v) for k, v in t.items()}
    return task(lambda key: shaped(tree), predict, predict)


def carried(reads: bool = False) -> Task:
    """A carry that the loss reads, or only makes anew."""
    def loss(p, carry, batch, key):
        return mse(p["w"] * X.sum((1, 2)) + reads * 0.1 * carry if reads
                   else p["w"] * X.sum((1, 2)), batch), carry + 1.0

    return Task(init=lambda key: {"w": jnp.ones(())}, loss=loss, carry=jnp.zeros(()),
                metrics={"loss": lambda p, data: mse(p["w"] * X.sum((1, 2)), data)},
                data={"train": (X, Y)})
'''


@pytest.fixture
def built(factory):
    module = factory(NETWORKS)

    def build(name, train=None, **task):
        mapping = {
            "task": {"factory": f"{module}:{name}", **task},
            "train": train or {},
            "levels": {"values": [0.1]},
        }
        return build_landscape(config_from(mapping))

    return build


# -- state among the parameters --------------------------------------------------------------------


@pytest.mark.parametrize(
    "holder, named",
    [("", "batch_stats.BatchNorm_0.mean"), ("net", "net.batch_stats.BatchNorm_0.var")],
)
def test_the_running_statistics_of_flax_are_no_coordinates(built, holder, named):
    with pytest.raises(ConfigError, match=r"task\.coordinates: all") as caught:
        built("running", holder=holder)
    assert named in str(caught.value) and "kernel" not in str(caught.value)
    allowed = built("running", holder=holder, coordinates="all")
    assert named in allowed.shapes


def test_arrays_that_the_metric_reads_and_nothing_trains(built):
    with pytest.raises(ConfigError, match="nothing trains them") as caught:
        built("running", holder="own")
    assert {*re.findall(r"\w+\.BatchNorm_0\.\w+", str(caught.value))} == {
        "extra.BatchNorm_0.mean", "extra.BatchNorm_0.var"
    }  # fmt: skip
    assert built("running", holder="own", coordinates="all")
    assert built("running", {"endpoints": ["a", "b"]}, holder="own"), "they were trained elsewhere"


@pytest.mark.parametrize(
    "tree",
    [
        {"params": {"w": [2]}, "scale": [1]},
        {"params": [3]},
        {"batch_stats": [2], "w": [2]},
        {"params": {"cache": {"kernel": [2]}, "batch_stats": [2]}},
        {"cache": {"params": [2]}},
        {"mean": [2], "var": [2], "running": [1]},
    ],
)
def test_names_alone_are_no_crime(built, tree):
    assert built("plain", tree=tree)


def test_a_network_with_layer_normalisation(built):
    assert any("LayerNorm" in name for name in built("attention").shapes)


def test_names_of_state():
    names = ["1.weight", "1.running_mean", "1.running_var", "a.params.w", "a.cache.k", "b.cache.k"]
    assert look_like_state(names) == ["1.running_mean", "1.running_var", "a.cache.k"]
    assert not look_like_state(["running_mean.kernel", "params.w", "params.batch_stats.w"])


def test_a_carry_that_only_evaluation_would_read(built, caplog):
    built("carried", reads=True)
    assert "carry" not in caplog.text
    built("carried")
    assert "does not read its carry" in caplog.text


def test_the_allowance_names_a_run_and_is_kept(factory):
    mapping = {
        "task": {"factory": f"{factory('def make(**keys): return keys')}:make"},
        "levels": {"values": [1]},
    }
    config = config_from(mapping)
    meant = config_from(mapping, overrides=["task.coordinates=all"])
    assert "coordinates" not in resolved(config)["task"] and run_name(meant) != run_name(config)
    assert config_from(resolved(meant)) == meant and "coordinates" not in meant.task.build_kwargs()
    with pytest.raises(ConfigError, match=r"task\.coordinates: expected 'all'; got 'some'"):
        config_from(mapping, overrides=["task.coordinates=some"])


@pytest.fixture
def batch_norm(tmp_path, monkeypatch):
    """The document's factory and config, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for text in re.findall(r"^```\w+\n(# batch_norm\.\w+\n.*?)^```$", DOCUMENT, re.M | re.S):
        name = text.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(text)
    return load_config("batch_norm.yaml")


def test_recomputed_statistics_are_those_of_the_training_data(batch_norm):
    """The metric is the network normalised by mean and variance of all training samples, for any
    split, by a forward pass written out here."""
    task = build_task(batch_norm)
    params = jax.tree.map(np.asarray, task.init(jax.random.key(3)))
    assert params.keys() == {"Dense_0", "Dense_1", "BatchNorm_0"}

    def hidden(x):
        return np.asarray(x) @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"]

    assert task.state is not None
    variables = Variables(params, task.state.recompute(params))
    seen = hidden(task.data["train"][0])
    for x, y in task.data.values():
        normal = (hidden(x) - seen.mean(0)) / np.sqrt(seen.var(0) + 1e-5)
        logits = np.maximum(normal, 0) @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"]
        expected = -np.mean(np.asarray(jax.nn.log_softmax(logits))[np.arange(len(y)), y])
        assert float(task.metrics["loss"](variables, (x, y))) == pytest.approx(expected, rel=1e-4)


def test_the_document_s_batch_normalisation_connects(batch_norm):
    run = train(batch_norm)
    assert [row.status for row in connect(run)] == ["CONNECTED"] * 2


# -- samples ---------------------------------------------------------------------------------------

PINN = """
import jax.numpy as jnp
from landscape import Outputs, Task

def make(average: bool = False, test: int = 7):
    data = {"inner": jnp.ones(7), "wall": jnp.ones(2), "wall_value": jnp.ones(2)}
    equal = {name: jnp.ones(7) for name in data}
    loss = lambda p, d: p["w"] ** 2 * (d["inner"].mean() + d["wall"].mean())
    return Task(init=lambda key: {"w": jnp.ones(())}, loss=lambda p, c, b, k: (loss(p, b), c),
                metrics={"loss": loss}, sample_means=("loss",) if average else (),
                data={"train": equal if test == 2 else data, "test": data})
"""


@pytest.mark.parametrize(
    "task, train, split, key",
    [
        ({}, {"batch_size": 3}, "train", "train.batch_size"),
        ({"average": True}, {}, "train", "task.factory"),
        ({"average": True, "test": 2}, {}, "test", "task.factory"),
    ],
)
def test_samples_are_not_taken_from_arrays_of_different_lengths(factory, task, train, split, key):
    spec = f"{factory(PINN)}:make"

    def build(task, train):
        levels = {"values": [0.1], "split": split}
        return build_landscape(
            config_from({"task": {"factory": spec, **task}, "train": train, "levels": levels})
        )

    with pytest.raises(ConfigError) as caught:
        build(task, train)
    said = str(caught.value)
    assert said.startswith(f"{key}: ") and f"'{split}'" in said
    assert "'inner' has 7, 'wall' has 2" in said and "wall_value" not in said
    landscape = build({"test": task.get("test", 7)}, {})
    assert float(landscape.level({"w": jnp.ones(())})) == 2, "whole data are the task's own affair"
    with pytest.raises(ValueError, match="'inner' has 7, 'wall' has 2"):
        bind(load_builder(spec)(**task), "loss", split, train.get("batch_size"))


def test_function_lengths_over_arrays_of_different_lengths_are_over_all_data():
    data = {"a": jnp.array([1.0, 2.0, 2.0]), "b": jnp.array([4.0])}
    task = Task(
        init=lambda key: {"w": jnp.zeros(())},
        loss=lambda p, c, b, k: (p["w"] ** 2, c),
        metrics={"loss": lambda p, d: p["w"] ** 2},
        data={"train": data},
        outputs=Outputs(lambda p, d: p["w"] * jnp.concatenate([d["a"], d["b"]]), "l2"),
    )
    measure = make_function_length(bind(task), 2)
    assert measure is not None
    found = measure({"w": np.array([0.0, 1.0, 3.0], np.float32)})
    assert found.length == pytest.approx(3 * 2.5) and found.samples == 4  # √(25/4) for each unit


MEANS = """
import jax.numpy as jnp
from landscape import Task

X = jnp.linspace(0.0, 1.0, 90)
WEIGHT = jnp.where(jnp.arange(90) < 45, 1.0, 3.0)

def make(alone: bool = True):
    def squares(p, d):
        if not alone and len(d[0]) == 1:
            raise ValueError("two samples are the least")
        return ((p["w"] * d[0] - jnp.sin(3 * d[0])) ** 2).mean()
    def each(p, d):
        return (p["w"] * d[0] - jnp.sin(3 * d[0])) ** 2
    metric = {
        "loss": squares,
        "with_decay": lambda p, d: squares(p, d) + 0.1 * p["w"] ** 2,
        "signed": lambda p, d: (d[0] - X.mean() + 1e-9 * p["w"]).mean(),
        "in_halves": lambda p, d: each(p, d).astype(jnp.bfloat16).mean().astype(jnp.float32),
        "rmse": lambda p, d: jnp.sqrt(squares(p, d)),
        "small": lambda p, d: 1e-5 * jnp.sqrt(squares(p, d)),
        "sum": lambda p, d: each(p, d).sum() / 90,
        "weighted": lambda p, d: (d[1] * each(p, d)).sum() / d[1].sum(),
        "unexplained": lambda p, d: each(p, d).sum() / ((d[0] - d[0].mean()) ** 2).sum(),
        "spread": lambda p, d: jnp.std(p["w"] * d[0], ddof=1),
    }
    return Task(init=lambda key: {"w": jnp.zeros(())}, loss=lambda p, c, b, k: (squares(p, b), c),
                metrics=metric, sample_means=tuple(metric), differentiable=tuple(metric),
                data={"train": (X, WEIGHT)})
"""
NO_MEAN = "over a few samples it is .*, and the mean of what each of these gives alone is"


@pytest.mark.parametrize(
    "task, metric, said",
    [
        *(({}, name, None) for name in ("loss", "with_decay", "signed", "in_halves")),
        *(
            ({}, name, NO_MEAN)
            for name in ("rmse", "small", "sum", "weighted", "unexplained", "spread")
        ),
        ({"alone": False}, "loss", "given one sample, raised .*: two samples are the least"),
    ],
)
def test_what_is_no_mean_over_samples_is_not_taken_for_one(factory, tmp_path, task, metric, said):
    spec = {"factory": f"{factory(MEANS)}:make", **task}
    levels = {"values": [0.5], "metric": metric}
    config = config_from({"task": spec, "train": {"max_steps": 20}, "levels": levels})
    for stage in check, lambda config: train(config, tmp_path / "runs"):
        if said is None:
            stage(config)
        else:
            with pytest.raises(ConfigError, match=f"task.factory: '{metric}'.*{said}"):
                stage(config)
            assert not (tmp_path / "runs").exists()


# -- the direction of a metric ---------------------------------------------------------------------

SCORES = '''
import jax
import jax.numpy as jnp
from landscape import Task

def make(metric: str = "score", declared: list | None = None, differentiable: bool = False):
    """1 - w² as a score; at the start it is at most 0.1."""
    loss = lambda p: jnp.sum(p["w"] ** 2)
    return Task(
        init=lambda key: {"w": 1 + 0.1 * jax.random.uniform(key, (1,))},
        loss=lambda p, carry, batch, key: (loss(p), carry),
        metrics={"loss": lambda p, d: loss(p), metric: lambda p, d: 1 - loss(p)},
        differentiable=("loss", metric) if differentiable else ("loss",),
        higher_is_better=None if declared is None else tuple(declared),
    )
'''


@pytest.fixture
def scored(factory):
    module = factory(SCORES)

    def make(metric="score", levels=(0.9, 0.5), declared=None, **keys):
        task = {"factory": f"{module}:make", "metric": metric, "declared": declared, **keys}
        return config_from(
            {
                "task": task,
                "train": {"models": 2, "max_steps": 20},
                "levels": {"metric": metric, "values": list(levels)},
            },
            name="scored",
        )

    return make


@pytest.mark.parametrize(
    "name",
    ["accuracy", "Accuracy", "top5_acc", "r2_score", "val-auroc", "log_likelihood", "test/f1"],
)
def test_a_metric_that_grows_by_its_name_is_refused(scored, name):
    with pytest.raises(ConfigError, match=r"^levels\.metric: by its name"):
        build_landscape(scored(name))
    assert build_landscape(scored(name, declared=[]))


@pytest.mark.parametrize(
    "name",
    ["error", "minus_accuracy", "1 - accuracy", "-accuracy", "neg_log_likelihood", "inaccuracy",
     "accuracy_gap", "one_minus_r2", "score"],
)  # fmt: skip
def test_other_names_are_not(scored, name):
    assert build_landscape(scored(name))
    with pytest.raises(ConfigError, match=r"^levels\.metric: the task says"):
        build_landscape(scored(name, declared=[name]))


@pytest.mark.parametrize("stage", [check, train])
def test_levels_that_every_untrained_model_meets_are_refused(scored, stage):
    with pytest.raises(ConfigError, match=r"^levels\.values: every level is met before any train"):
        stage(scored())
    assert not Path("runs").exists()


@pytest.mark.parametrize("keys", [{"declared": []}, {"differentiable": True}])
def test_where_the_task_says_that_it_falls_they_are_told(scored, keys, caplog):
    (note,) = (note for note in check(scored(**keys))["notes"] if "before any training" in note)
    run = train(scored(**keys))
    assert note in caplog.text and all(model.steps == 0 for model in run.models())


def test_a_level_that_is_not_met_at_once_is_no_sign(scored, caplog):
    config = scored(levels=(0.9, -2.0))
    assert not any("before any training" in note for note in check(config)["notes"])
    train(config)
    assert "before any training" not in caplog.text
