"""The real files, where $LSCAPE_DATA has them."""

import os

import numpy as np
import pytest

from landscape.data import DataError, Store, cifar10, mnist, ptb

FOLDER = os.environ.get("LSCAPE_DATA")


def real(load, *arguments):
    if FOLDER is None:
        pytest.skip("LSCAPE_DATA is not set")
    store = Store(FOLDER)
    try:
        return load(store, *arguments)
    except DataError as error:
        if "no folder has" not in str(error):
            raise
        pytest.skip(str(error).partition("\n")[0])


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def fetch(*_):
        raise DataError("tests download nothing")

    monkeypatch.setattr(Store, "fetch", fetch)


def test_mnist():
    found = real(mnist.load)
    assert [len(found[split][1]) for split in ("train", "test")] == [60_000, 10_000]
    assert found["train"][1][:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(found["test"][1]).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert round(found["train"][0].mean() / 255, 4) == 0.1307  # everybody's normalisation


def test_cifar10():
    found = real(cifar10.load, ["data_batch_1.bin"])
    images, labels = found["train"]
    assert images.shape == (10_000, 32, 32, 3) and len(found["test"][1]) >= 2_000
    assert abs(np.bincount(labels, minlength=10) - 1000).max() < 100
    assert abs(images.mean((0, 1, 2)) / 255 - [0.491, 0.482, 0.447]).max() < 0.01


def test_ptb():
    tokens, words = real(ptb.load, "ptb.valid.txt")
    assert len(tokens["train"]) == 73_760 and len(tokens["test"]) == 82_430  # Mikolov's counts
    assert words[:2] == ("the", "<unk>") and "<eos>" in words
