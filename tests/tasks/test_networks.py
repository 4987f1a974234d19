"""The built-in networks on digits, and what training does to the images and the labels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from landscape import ConfigError, config_from
from landscape.core import trees
from landscape.core.landscape import bind
from landscape.core.state import Variables
from landscape.data import DataError, Store
from landscape.networks.images import VGG, Mixer, Network, ResNet, ViT
from landscape.search.training_task import in_bfloat16
from landscape.tasks.images import augmented, images

NETWORKS: dict[str, Network] = {
    "resnet": ResNet(depth=8, width=8),
    "without norm": ResNet(depth=8, width=4, norm="none"),
    "vgg": VGG(name="vgg", channels=(4, 8), dense=8),
    "vit": ViT(name="vit", width=8, heads=2, depth=1),
    "mixer": Mixer(name="mixer", width=8, depth=1),
}


def made(network: Network, **given):
    return images(Store(None), network=network, train_images=64, test_images=8, **given)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_learns_and_its_samples_are_apart(name):
    task = made(NETWORKS[name])
    landscape = bind(task)
    params = landscape.init(jax.random.key(0))
    x, labels = task.data["train"]
    own = trees.from_named(jax.eval_shape(task.init, jax.random.key(0)), params)
    logits = logits_of(task, own, (x, labels))
    assert logits.shape == (64, 10)
    one = logits_of(task, own, (x[5:6], labels[5:6]))
    assert np.allclose(one[0], logits[5], atol=1e-4), "no statistics of the batch"
    assert landscape.level(trained(landscape, params, 30)) < 0.8 * landscape.level(params)


def trained(landscape, params, steps):
    optimizer = optax.adam(0.01)

    @jax.jit
    def step(params, memory):
        gradient = jax.grad(lambda p: landscape.loss(p, (), jax.random.key(0))[0])(params)
        update, memory = optimizer.update(gradient, memory)
        return optax.apply_updates(params, update), memory

    memory = optimizer.init(params)
    for _ in range(steps):
        params, memory = step(params, memory)
    return params


BATCH_NORM = ResNet(depth=8, width=4, norm="batch")


def test_batch_norm_is_of_the_training_images_where_it_is_judged():
    task = made(BATCH_NORM)
    landscape = bind(task)
    params = landscape.init(jax.random.key(0))
    assert landscape.state is not None and landscape.state.samples == 64
    x = np.asarray(task.data["train"][0], float)
    seen = jnp.asarray((x - x.mean()) / x.std(), jnp.float32)
    kernel = params["Conv_0.kernel"]
    out = jax.lax.conv_general_dilated(
        seen, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    found = landscape.state.recompute(params)
    for name, own in (("mean", out.mean((0, 1, 2))), ("var", out.var((0, 1, 2)))):
        assert np.allclose(found[f"batch_stats.BatchNorm_0.{name}"], own, rtol=1e-3, atol=1e-5)
    # what follows a batch norm does not see the scale of what is before it, wherever it is judged
    double = params | {"Conv_0.kernel": 2 * kernel}
    assert float(landscape.level(double)) == pytest.approx(float(landscape.level(params)), rel=1e-3)
    whole = task.loss(trees_of(task, params), (), task.data["train"], jax.random.key(0))[0]
    assert float(whole) == pytest.approx(float(landscape.level(params)), rel=1e-4)


def test_batch_norm_is_of_its_batch_where_it_is_trained():
    task = made(BATCH_NORM)
    params = task.init(jax.random.key(0))
    few = jax.tree.map(lambda leaf: leaf[:8], task.data["train"])

    def loss_of(batch):
        return float(task.loss(params, (), batch, jax.random.key(0))[0])

    whole = few[0].at[:].set(few[0][0]), few[1]
    assert loss_of(few) != pytest.approx(loss_of(whole), rel=1e-3)
    assert task.state is not None
    state = jax.tree.map(np.asarray, task.state.recompute(params))
    metric = float(task.metrics["loss"](Variables(params, state), few))
    assert metric != pytest.approx(loss_of(few), rel=1e-3)


def test_a_batch_norm_network_learns():
    landscape = bind(made(BATCH_NORM))
    params = landscape.init(jax.random.key(0))
    assert landscape.level(trained(landscape, params, 20)) < 0.5 * landscape.level(params)


@pytest.mark.parametrize(
    "network, samples, said",
    [
        (BATCH_NORM, 65, "task.samples: statistics of 65 of the 64 training samples"),
        (BATCH_NORM, 8, "task.samples: statistics of 8 of the 64 training samples"),
        (NETWORKS["vit"], 64, "task.samples: the network has no batch norm"),
    ],
)
def test_samples_of_statistics(network, samples, said):
    with pytest.raises(DataError) as caught:
        made(network, samples=samples)
    assert str(caught.value).startswith(said)


def trees_of(task, named):
    return trees.from_named(jax.eval_shape(task.init, jax.random.key(0)), named)


def logits_of(task, params, batch):
    assert task.outputs is not None
    return task.outputs.predict(params, batch)


@pytest.mark.parametrize(
    "network, parameters",
    [
        # 3×3 convolutions, two numbers a channel of each of 19 norms, and the dense layer
        (
            ResNet(),
            9 * (16 + 6 * 256 + 512 + 5 * 1024 + 2048 + 5 * 4096) + 2 * (7 * 16 + 6 * 96) + 650,
        ),
        (Mixer(name="mixer", width=8, depth=1), 40 + 16 + 1072 + 16 + 280 + 16 + 90),
    ],
    ids=["resnet-20", "mixer"],
)
def test_the_parameters_are_as_many_as_the_papers_say(network, parameters):
    shapes = jax.eval_shape(made(network).init, jax.random.key(0))
    counted = sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    assert counted == parameters


def test_a_block_without_norm_begins_as_its_shortcut():
    task = made(NETWORKS["without norm"])
    params = task.init(jax.random.key(0))
    zero = [name for name, leaf in trees.to_named(params).items()
            if name.endswith("kernel") and not np.any(leaf)]  # fmt: skip
    assert zero == ["Conv_2.kernel", "Conv_4.kernel", "Conv_6.kernel"]


def test_label_smoothing_is_its_formula_and_of_training_alone():
    network, smoothing = NETWORKS["vgg"], 0.2
    plain, smooth = made(network), made(network, label_smoothing=smoothing)
    params, key = plain.init(jax.random.key(0)), jax.random.key(1)
    batch = plain.data["train"]
    labels = np.asarray(batch[1])
    logs = np.asarray(jax.nn.log_softmax(logits_of(plain, params, batch)))
    hard = -logs[np.arange(len(labels)), labels].mean()
    found = float(smooth.loss(params, (), batch, key)[0])
    assert found == pytest.approx((1 - smoothing) * hard - smoothing * logs.mean(), rel=1e-5)
    assert float(plain.loss(params, (), batch, key)[0]) == pytest.approx(hard, rel=1e-5)
    for task in (plain, smooth):
        assert float(task.metrics["loss"](params, batch)) == pytest.approx(hard, rel=1e-5)


def test_images_are_mirrored_and_shifted_and_nothing_else():
    image = jnp.arange(1.0, 13).reshape(1, 3, 4, 1)
    many = jnp.repeat(image, 400, axis=0)
    seen = np.asarray(augmented(many, jax.random.key(0), flip=True, crop=1))
    possible = []
    for mirrored in (np.asarray(image[0]), np.asarray(image[0])[:, ::-1]):
        room = np.pad(mirrored, ((1, 1), (1, 1), (0, 0)))
        possible += [room[i : i + 3, j : j + 4] for i in range(3) for j in range(3)]
    kinds = [next(n for n, one in enumerate(possible) if np.array_equal(one, it)) for it in seen]
    assert set(kinds) == set(range(18))
    counts = np.bincount(kinds)
    assert ((counts - 400 / 18) ** 2 / (400 / 18)).sum() < 45  # χ² of 17: 1 in 4,000
    assert np.array_equal(augmented(many, jax.random.key(0), flip=False, crop=0), many)


def test_metrics_see_the_images_as_they_are():
    task = made(NETWORKS["mixer"], crop=2, flip=True)
    params, batch = task.init(jax.random.key(0)), task.data["train"]
    assert task.metrics["loss"](params, batch) == task.metrics["loss"](params, batch)
    losses = {float(task.loss(params, (), batch, jax.random.key(k))[0]) for k in range(3)}
    assert len(losses) == 3


@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_training_in_bfloat16_multiplies_in_bfloat16(name):
    task = in_bfloat16(made(NETWORKS[name]))
    params, batch = task.init(jax.random.key(0)), task.data["train"]
    traced = jax.make_jaxpr(lambda p: task.loss(p, (), batch, jax.random.key(0))[0])(params)
    products = [line for line in str(traced).splitlines() if " = dot_general" in line]
    products += [line for line in str(traced).splitlines() if " = conv_general" in line]
    wide = [line for line in products if "bf16" not in line]
    assert products and not wide
    value, gradient = jax.value_and_grad(lambda p: task.loss(p, (), batch, jax.random.key(0))[0])(
        params
    )
    assert value.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    "network, said",
    [
        ({"name": "resnet", "depth": 9}, "task.network.depth: must be 6n + 2, as 8, 20, 32 or 56"),
        ({"name": "vit", "width": 10, "heads": 4}, "task.network.heads: must divide the width 10"),
        ({"name": "vit", "layers": 4}, "task.network.layers: unknown key"),
        ({"name": "resnext"}, "task.network"),
    ],
)
def test_mistakes(network, said):
    mapping = {"task": {"name": "images", "network": network}, "levels": {"values": [1.0]}}
    with pytest.raises(ConfigError) as caught:
        config_from(mapping)
    assert str(caught.value).startswith(said)
