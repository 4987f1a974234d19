"""The tasks on images, on a handful of them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core.landscape import bind
from landscape.data import DataError
from landscape.tasks.cifar10 import cifar10, distorted, standardised
from landscape.tasks.mnist import mnist

DRAWN = np.random.default_rng(0)


@pytest.fixture(params=["mnist", "cifar10"])
def task(request, folder):
    if request.param == "mnist":
        return mnist(folder, filters=(2, 3), dense=5)
    return cifar10(folder, filters=(2, 3), dense=(5, 4), train_files=("data_batch_1.bin",))


@pytest.fixture
def params(task):
    return task.init(jax.random.key(0))


def test_metrics_are_deterministic_and_training_is_not(task, params):
    batch = task.data["train"]
    losses = [float(task.loss(params, (), batch, jax.random.key(k))[0]) for k in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]  # dropout, or distortion
    for metric in task.metrics.values():
        assert metric(params, task.data["test"]) == metric(params, task.data["test"])


def test_the_error_counts_what_is_wrong(task, params):
    images, labels = task.data["test"]
    error = float(task.metrics["error"](params, (images, labels)))
    assert error == pytest.approx(100 * round(error / 100 * 6) / 6, abs=1e-4)
    wrong = [float(task.metrics["error"](params, (images[i : i + 1], labels[i : i + 1])))
             for i in range(6)]  # fmt: skip
    assert set(wrong) <= {0, 100} and error == pytest.approx(np.mean(wrong), abs=1e-4)


def test_an_untrained_network_knows_nothing(folder):
    task = cifar10(folder, filters=(2, 3), dense=(5, 192), train_files=("data_batch_1.bin",))
    loss = task.metrics["loss"](task.init(jax.random.key(0)), task.data["test"])
    assert float(loss) == pytest.approx(np.log(10), abs=0.02)


def test_it_can_be_bound_and_learns(task):
    landscape = bind(task, "loss", "train", batch_size=4)
    params = landscape.init(jax.random.key(1))

    def step(i, params):
        grad, _ = jax.grad(landscape.loss, has_aux=True)(params, (), jax.random.key(i))
        return {name: leaf - 0.05 * grad[name] for name, leaf in params.items()}

    after = jax.lax.fori_loop(0, 60, step, params)
    assert landscape.level(after) < landscape.level(params)


def test_a_part_is_evenly_spaced(folder):
    whole, part = mnist(folder, filters=(2, 3), dense=5), None
    part = mnist(folder, filters=(2, 3), dense=5, train_images=2, test_images=3)
    assert part.data["train"][1].tolist() == [0, 3] and part.data["test"][1].tolist() == [0, 2, 4]
    assert np.array_equal(part.data["test"][0], whole.data["test"][0][::2])
    with pytest.raises(DataError, match=r"train_images: 7 are asked for, the train split has 6"):
        mnist(folder, train_images=7)


def test_what_the_network_sees_of_cifar():
    image = DRAWN.integers(0, 128, (32, 32, 3)) + np.array([0, 60, 120])
    keys = jax.random.split(jax.random.key(0), 100)
    seen = jax.jit(jax.vmap(distorted, (None, 0)))(jnp.asarray(image, jnp.uint8), keys)
    assert seen.shape == (100, 24, 24, 3)
    assert np.allclose(seen.mean((1, 2, 3)), 0, atol=1e-4)
    assert np.allclose(seen.std((1, 2, 3)), 1, atol=1e-4)

    # Contrast being scaled about each channel's mean and brightness undone by standardising, a
    # channel of what is seen is, up to its own scale and shift, a crop of the image or its mirror.
    places = list(itertools.product(range(9), range(9), (1, -1)))
    crops = np.stack([image[i : i + 24, j : j + 24][:, ::way] for i, j, way in places])

    def profile(x):
        channel = np.asarray(x[..., 0], float).reshape(len(x), -1)
        channel -= channel.mean(1, keepdims=True)
        return channel / np.linalg.norm(channel, axis=1, keepdims=True)

    alike = profile(seen) @ profile(crops).T
    assert np.allclose(alike.max(1), 1, atol=1e-4) and np.sort(alike)[:, -2].max() < 0.9
    found = [places[at] for at in alike.argmax(1)]
    rows, columns, ways = map(set, zip(*found, strict=True))
    assert rows == columns == set(range(9)) and ways == {1, -1}

    def between_to_within(x):
        means = x.mean((1, 2))
        return (means[:, 1] - means[:, 0]) / x[..., 0].std((1, 2))

    contrast = between_to_within(crops[alike.argmax(1)]) / between_to_within(seen)
    assert 0.2 <= contrast.min() < 0.3 and 1.7 < contrast.max() <= 1.8


def test_half_of_the_units_are_dropped_while_training_and_none_in_a_metric(folder):
    task = mnist(folder, filters=(2, 3))
    one = jax.tree.map(lambda leaf: leaf[:1], task.data["train"])
    params = jax.jit(task.init)(jax.random.key(0))
    hidden, out = params["Dense_0"], params["Dense_1"]
    params["Dense_0"] = {"kernel": 0 * hidden["kernel"], "bias": 0 * hidden["bias"] + 1}

    def dropped(loss):
        """The hidden units, all at 1, whose weights the loss does not depend on."""
        weights = jax.grad(lambda k: loss(params | {"Dense_1": out | {"kernel": k}}))(out["kernel"])
        return (weights == 0).all(1)

    def while_training(key):
        return dropped(lambda params: task.loss(params, (), one, key)[0])

    keys = jax.random.split(jax.random.key(1), 2)
    first, second = jax.jit(jax.vmap(while_training))(keys)
    for units in (first, second, first ^ second):
        assert len(units) == 1024 and float(units.mean()) == pytest.approx(0.5, abs=0.06)
    assert not dropped(lambda params: task.metrics["loss"](params, one)).any()


def test_an_even_image_does_not_divide_by_zero():
    even = jnp.full((24, 24, 3), 7.0)
    assert float(abs(standardised(even)).max()) == 0
