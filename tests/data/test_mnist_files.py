"""MNIST from files that are packed, damaged, wrong or hostile."""

import gzip

import numpy as np
import pytest

from landscape.data import Store, mnist
from tests.data.samples import IMAGES, LABELS, idx, refused


@pytest.fixture
def mnist_folder(tmp_path):
    folder = tmp_path / "data/mnist"
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES)))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return folder


def test_mnist_packed_or_not(mnist_folder):
    for place in (mnist_folder, mnist_folder.parent):
        found = mnist.load(Store(place))
        assert np.array_equal(found["train"][0], IMAGES)
        assert np.array_equal(found["test"][1], LABELS)


HEADER = bytes([0, 0, 8, 1])
LABEL_FILES = {
    "empty": (b"", "empty"),
    "cut off in the header": (HEADER + b"\0\0", "not an IDX file"),
    "of images": (idx(IMAGES), "not an IDX file of bytes in 1 dim"),
    "of floats": (bytes([0, 0, 13, 1]) + b"\0\0\0\3" + bytes(12), "not an IDX file"),
    "truncated": (idx(LABELS)[:-1], "says 3 bytes, 2 follow"),
    "trailing": (idx(LABELS) + b"\0", "says 3 bytes, 4 follow"),
    "absurd": (HEADER + b"\xff\xff\xff\xff" + b"\1", "says 4294967295 bytes, 1 follow"),
    "none": (HEADER + b"\0\0\0\0", "says 0 bytes, 0 follow"),
    "html": (b"<html>not found</html>", "not an IDX file"),
    "too few": (idx(LABELS[:2]), "2 labels for 3 images"),
    "out of range": (idx(LABELS + 1), "label 10, not below 10"),
    "gzip cut off": (gzip.compress(idx(LABELS))[:-9], "damaged gzip file"),
    "gzip altered": (gzip.compress(idx(LABELS))[:-8] + bytes(8), "damaged gzip file"),
    "gzip of noise": (b"\x1f\x8b\x08\x00" + bytes(30), "damaged gzip file"),
}


@pytest.mark.parametrize("name", LABEL_FILES)
def test_labels_that_are_not(mnist_folder, name):
    content, said = LABEL_FILES[name]
    file = mnist_folder / "t10k-labels-idx1-ubyte"
    file.write_bytes(content)
    message = refused(mnist.load, Store(mnist_folder))
    assert message.startswith(f"{file}:") and said in message


def test_images_of_another_shape(mnist_folder):
    file = mnist_folder / "train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(idx(IMAGES.reshape(3, 14, 56))))
    message = refused(mnist.load, Store(mnist_folder))
    assert message.startswith(f"{file}: images of 14 × 56, not of 28 × 28\n")


def test_sides_that_multiply_beyond_all_numbers(mnist_folder):
    file = mnist_folder / "train-images-idx3-ubyte.gz"
    file.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"\1")
    assert "4294967295 × 4294967295 × 4294967295" in refused(mnist.load, Store(mnist_folder))


def test_a_gzip_bomb_is_not_unpacked(mnist_folder, monkeypatch):
    monkeypatch.setattr(mnist, "MOST", 10_000)
    file = mnist_folder / "train-labels-idx1-ubyte"
    file.write_bytes(gzip.compress(bytes(10_000_000)))
    message = refused(mnist.load, Store(mnist_folder))
    assert message.startswith(f"{file}: holds more than 10000 bytes, too many for an IDX file\n")


def test_fewer_images_than_the_published_ones_are_used_with_a_warning(mnist_folder, caplog):
    mnist.load(Store(mnist_folder))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert caplog.messages[0] == (
        f"{mnist_folder / 'train-images-idx3-ubyte.gz'}: has 3 images, "
        "the published file has 60000 images; used as it is"
    )
    assert "has 3 images, the published file has 10000 images" in caplog.messages[1]


def test_as_many_images_as_the_published_ones_need_no_warning(mnist_folder, caplog, monkeypatch):
    monkeypatch.setattr(mnist, "PUBLISHED", {"train": 3, "test": 3})
    mnist.load(Store(mnist_folder))
    assert caplog.messages == []


def test_what_to_do_about_a_damaged_file(mnist_folder, tmp_path):
    remote = next(file for file in mnist.FILES if file.name == "t10k-images-idx3-ubyte.gz")
    (mnist_folder / remote.name).write_bytes(b"\x1f\x8b\x08\x00" + bytes(30))
    said = f"{remote.name} is not the published file, whose SHA-256 is {remote.sha256}: "
    assert f"{said}replace it by that" in refused(mnist.load, Store(mnist_folder))
    cache = tmp_path / "cache/lscape/data/mnist"
    cache.parent.mkdir(parents=True)
    mnist_folder.rename(cache)
    message = refused(mnist.load, Store())
    assert message.startswith(f"{cache / remote.name}: damaged gzip file")
    assert f"{cache / said}delete it, and it is downloaded again" in message
