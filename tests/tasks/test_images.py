"""The tasks on images, on a handful of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.base import bind
from landscape.data import DataError, Store
from landscape.tasks.cifar10 import cifar10, distorted, standardised
from landscape.tasks.mnist import mnist

DRAWN = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path):
    """Six images of each split and data set."""
    for split in ("train", "t10k"):
        images, labels = DRAWN.integers(0, 256, (6, 28, 28)), np.arange(6)
        head = bytes([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 28, 0, 0, 0, 28])
        file = tmp_path / f"{split}-images-idx3-ubyte"
        file.write_bytes(head + images.astype(np.uint8).tobytes())
        file = tmp_path / f"{split}-labels-idx1-ubyte"
        file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 6]) + labels.astype(np.uint8).tobytes())
    for name in ("data_batch_1.bin", "test_batch.bin"):
        records = DRAWN.integers(0, 256, (6, 3073)).astype(np.uint8)
        records[:, 0] = np.arange(6)
        (tmp_path / name).write_bytes(records.tobytes())
    return Store(tmp_path)


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
    image = jnp.asarray(DRAWN.integers(0, 256, (32, 32, 3)), jnp.uint8)
    for k in range(5):
        seen = distorted(image, jax.random.key(k))
        assert seen.shape == (24, 24, 3)
        assert float(seen.mean()) == pytest.approx(0, abs=1e-4)
        assert float(seen.std()) == pytest.approx(1, abs=1e-4)
    # with the contrast about each channel's mean and the brightness undone by standardising, a
    # channel of the crop is, up to its own scale and shift, a crop of the image or its mirror
    channel = np.asarray(seen[..., 0])
    crops = [
        np.asarray(image[i : i + 24, j : j + 24, 0], float)[:, ::step]
        for i in range(9) for j in range(9) for step in (1, -1)
    ]  # fmt: skip
    alike = [np.corrcoef(crop.ravel(), channel.ravel())[0, 1] for crop in crops]
    assert max(alike) == pytest.approx(1, abs=1e-4) and sorted(alike)[-2] < 0.9


def test_an_even_image_does_not_divide_by_zero():
    even = jnp.full((24, 24, 3), 7.0)
    assert float(abs(standardised(even)).max()) == 0
