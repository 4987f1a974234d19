"""Files of data sets in miniature."""

import numpy as np
import pytest

from landscape.data import Store


def write_images(folder, drawn):
    """Six images of each split of MNIST and of CIFAR-10, with the labels 0 to 5."""
    for split in ("train", "t10k"):
        images, labels = drawn.integers(0, 256, (6, 28, 28)), np.arange(6)
        head = bytes([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 28, 0, 0, 0, 28])
        file = folder / f"{split}-images-idx3-ubyte"
        file.write_bytes(head + images.astype(np.uint8).tobytes())
        file = folder / f"{split}-labels-idx1-ubyte"
        file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 6]) + labels.astype(np.uint8).tobytes())
    for name in ("data_batch_1.bin", "test_batch.bin"):
        records = drawn.integers(0, 256, (6, 3073)).astype(np.uint8)
        records[:, 0] = np.arange(6)
        (folder / name).write_bytes(records.tobytes())


def write_texts(folder, drawn):
    """Texts of 1,500 and 1,000 words in lines of five, with 50 words and <eos>."""
    words = [f"w{number}" for number in range(50)]
    for name, lines in (("ptb.valid.txt", 250), ("ptb.test.txt", 200)):
        drawn_lines = (" ".join(drawn.choice(words, 5)) for _ in range(lines))
        (folder / name).write_text("".join(f"{line}\n" for line in drawn_lines))


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path, np.random.default_rng(0))
    return Store(tmp_path)


@pytest.fixture
def real_or_made(tmp_path, monkeypatch):
    """The data sets in $LSCAPE_DATA, and where it has none, small ones of noise."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = tmp_path / "lscape" / "data"
    cache.mkdir(parents=True)
    drawn = np.random.default_rng(0)
    write_images(cache, drawn)
    write_texts(cache, drawn)
    return Store()
