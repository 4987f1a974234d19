"""MNIST in the IDX format (LeCun, Cortes, Burges)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from landscape.data.download import Remote
from landscape.data.errors import DataError
from landscape.data.reading import compare, read
from landscape.data.store import Store, Wanted, damaged, missing

Samples = tuple[np.ndarray, np.ndarray]

SIDE = 28
CLASSES = 10
MOST = 2**26  # bytes of an unpacked file; the largest has 47,040,016
PUBLISHED = {"train": 60_000, "test": 10_000}  # images
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = tuple(
    Remote(name, size, sha256, tuple(mirror + name for mirror in MIRRORS))
    for name, size, sha256 in (
        (
            "train-images-idx3-ubyte.gz",
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    )
)


def load(store: Store) -> dict[str, Samples]:
    """{train, test}: images uint8 [n, 28, 28] and labels uint8 [n] below 10.

    A user's own files, with or without `.gz`, are checked by structure, with a warning where there
    are more or fewer images than the published ones. Raises DataError.
    """
    wanted = [
        Wanted((file.name, file.name.removesuffix(".gz")), f"SHA-256 {file.sha256}")
        for file in FILES
    ]
    folders = store.folders("mnist")
    paths = store.find(wanted, folders)
    if not paths:
        try:
            paths = store.fetch("mnist", FILES)
        except DataError as error:
            raise missing("MNIST", [wanted], folders, f"no download: {error}") from None
    try:
        found = {"train": _samples(*paths[:2]), "test": _samples(*paths[2:])}
    except DataError as error:
        raise damaged(error, FILES, paths) from None
    for (split, (images, _)), file in zip(found.items(), paths[::2], strict=True):
        compare(file, f"{len(images)} images", f"{PUBLISHED[split]} images")
    return found


def _samples(images_file: Path, labels_file: Path) -> Samples:
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if images.shape[1:] != (SIDE, SIDE):
        shape = " × ".join(map(str, images.shape[1:]))
        raise DataError(f"{images_file}: images of {shape}, not of {SIDE} × {SIDE}")
    if len(images) != len(labels):
        raise DataError(f"{labels_file}: {len(labels)} labels for {len(images)} images")
    if labels.max() >= CLASSES:
        raise DataError(f"{labels_file}: label {labels.max()}, not below {CLASSES}")
    return images, labels


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """An array uint8 of so many dimensions from an IDX file, with or without gzip.

    Raises DataError for what is not exactly such a file.
    """
    content = read(path, MOST, "an IDX file")
    header = 4 + 4 * dimensions
    magic = bytes([0, 0, 8, dimensions])
    if len(content) < header or content[:4] != magic:
        raise DataError(f"{path}: not an IDX file of bytes in {dimensions} dimensions")
    shape = [int.from_bytes(content[4 + 4 * k : 8 + 4 * k], "big") for k in range(dimensions)]
    count = 1
    for side in shape:
        count *= side
    if count == 0 or count != len(content) - header:
        said = " × ".join(map(str, shape))
        raise DataError(f"{path}: its header says {said} bytes, {len(content) - header} follow")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
