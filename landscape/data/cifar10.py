"""CIFAR-10 in its binary format (Krizhevsky 2009)."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from landscape.data.download import Remote
from landscape.data.errors import DataError
from landscape.data.reading import read
from landscape.data.store import Store, Wanted, missing, plain

Samples = tuple[np.ndarray, np.ndarray]

SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
CLASSES = 10
MOST = 2**28  # bytes of a file or an unpacked archive; the canonical one has 184,380,000
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILES = ("test_batch.bin",)
ARCHIVE = Remote(
    "cifar-10-binary.tar.gz",
    170052171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
)


def load(
    store: Store,
    train_files: Sequence[str] = TRAIN_FILES,
    test_files: Sequence[str] = TEST_FILES,
) -> dict[str, Samples]:
    """{train, test}: images uint8 [n, 32, 32, 3] and labels uint8 [n] below 10.

    The files themselves, or the archive that has them, which is read in memory and never unpacked
    to disk. A user's own files are checked by structure. Raises DataError.
    """
    splits = {"train": train_files, "test": test_files}
    names = [plain(name, f"task.{split}_files") for split in splits for name in splits[split]]
    folders = store.folders("cifar10", ["cifar-10-batches-bin"])
    wanted = [Wanted((name,)) for name in names]
    paths = store.find(wanted, folders)
    if paths:
        found = {path.name: _samples(path, read(path, MOST, "CIFAR-10")) for path in paths}
    else:
        archive = Wanted((ARCHIVE.name,), ARCHIVE.sha256)
        packed = store.find([archive], folders)
        if not packed:
            try:
                packed = store.fetch("cifar10", [ARCHIVE])
            except DataError as error:
                why = f"no download: {error}"
                raise missing("CIFAR-10", [*wanted, archive], folders, why) from None
        (path,) = packed
        found = {name: _samples(path, raw) for name, raw in read_archive(path, names).items()}

    def joined(files: Sequence[str]) -> Samples:
        images, labels = zip(*(found[name] for name in files), strict=True)
        return np.concatenate(images), np.concatenate(labels)

    return {split: joined(files) for split, files in splits.items()}


def _samples(path: Path, content: bytes) -> Samples:
    if not content or len(content) % RECORD:
        raise DataError(f"{path}: {len(content)} bytes are not a number of records of {RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    labels = records[:, 0]
    if labels.max() >= CLASSES:
        raise DataError(f"{path}: label {labels.max()}, not below {CLASSES}")
    planes = records[:, 1:].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels.copy()


class _Bounded:
    """A stream that ends a tar bomb, also one of headers, before memory does."""

    def __init__(self, path: Path, stream: gzip.GzipFile) -> None:
        self.path, self.stream, self.left = path, stream, MOST

    def read(self, size: int) -> bytes:
        content = self.stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise DataError(f"{self.path}: holds more than {MOST} bytes, too many for CIFAR-10")
        return content


def read_archive(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The members of a tar file with these names, in whatever folder of it.

    Raises DataError for members that leave the archive, for wanted ones that are no files, missing
    or there twice, and for an archive that is damaged or too large.
    """
    found: dict[str, bytes] = {}
    try:
        with gzip.open(path) as unpacked:
            bounded: Any = _Bounded(path, unpacked)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                for member in archive:
                    _take(path, archive, member, names, found)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path}: damaged or unreadable archive: {error}") from None
    absent = [name for name in names if name not in found]
    if absent:
        raise DataError(f"{path}: has no {', '.join(absent)}")
    return found


def _take(
    path: Path,
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    names: Sequence[str],
    found: dict[str, bytes],
) -> None:
    inside = PurePosixPath(member.name)
    if inside.is_absolute() or ".." in inside.parts:
        raise DataError(f"{path}: its member {member.name} leaves the archive")
    if inside.name not in names:
        return
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise DataError(f"{path}: its member {member.name} is not a file")
    if inside.name in found:
        raise DataError(f"{path}: has {inside.name} twice")
    content = file.read()
    if len(content) != member.size:
        raise DataError(f"{path}: its member {member.name} is cut off")
    found[inside.name] = content
