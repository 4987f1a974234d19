"""CIFAR-10 in its binary format (Krizhevsky 2009)."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from landscape.data.download import Remote
from landscape.data.errors import DataError
from landscape.data.reading import compare, read
from landscape.data.store import Store, Wanted, damaged, missing, plain

Samples = tuple[np.ndarray, np.ndarray]

SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
CLASSES = 10
PUBLISHED = 10_000  # images of each file
MOST = 2**28  # bytes of a file or an unpacked archive; the canonical one has 184,380,000
EXTENSION = 2**13  # bytes of a header that extends a member's own
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILES = ("test_batch.bin",)
ARCHIVE = Remote(
    "cifar-10-binary.tar.gz",
    170052171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    (
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
    ),
)


def load(
    store: Store,
    train_files: Sequence[str] = TRAIN_FILES,
    test_files: Sequence[str] = TEST_FILES,
) -> dict[str, Samples]:
    """{train, test}: images uint8 [n, 32, 32, 3] and labels uint8 [n] below 10.

    The files themselves, or the archive that has them, which is read in memory and never unpacked
    to disk. A user's own files are checked by structure, with a warning where one of a published
    name has more or fewer images. Raises DataError.
    """
    splits = {"train": train_files, "test": test_files}
    names = [plain(name, f"task.{split}_files") for split in splits for name in splits[split]]
    folders = store.folders("cifar10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin")
    wanted = [Wanted((name,)) for name in dict.fromkeys(names)]
    archive = Wanted((ARCHIVE.name,), f"SHA-256 {ARCHIVE.sha256}")
    if paths := store.find(wanted, folders):
        found = {path.name: _samples(path, read(path, MOST, "CIFAR-10")) for path in paths}
    else:
        paths = store.find([archive], folders)
        if not paths:
            try:
                _check_published(splits)
                paths = store.fetch("cifar10", [ARCHIVE])
            except DataError as error:
                why = f"no download: {error}"
                raise missing("CIFAR-10", [wanted, [archive]], folders, why) from None
        try:
            found = _unpacked(paths[0], names)
        except DataError as error:
            raise damaged(error, [ARCHIVE], paths) from None

    def joined(files: Sequence[str]) -> Samples:
        images, labels = zip(*(found[name] for name in files), strict=True)
        return np.concatenate(images), np.concatenate(labels)

    return {split: joined(files) for split, files in splits.items()}


def _check_published(splits: dict[str, Sequence[str]]) -> None:
    for split, names in splits.items():
        for name in names:
            if name not in TRAIN_FILES + TEST_FILES:
                raise DataError(f"task.{split}_files: the published archive has no {name!r}")


def _unpacked(path: Path, names: Sequence[str]) -> dict[str, Samples]:
    files = read_archive(path, names)
    return {name: _samples(path, files[name], name) for name in names}


def _samples(path: Path, content: bytes, member: str | None = None) -> Samples:
    where = f"{path}: {member}" if member else str(path)
    if not content or len(content) % RECORD:
        raise DataError(f"{where}: {len(content)} bytes are not a number of records of {RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    labels = records[:, 0]
    if labels.max() >= CLASSES:
        raise DataError(f"{where}: label {labels.max()}, not below {CLASSES}")
    if (member or path.name) in TRAIN_FILES + TEST_FILES:
        compare(where, f"{len(records)} images", f"{PUBLISHED} images")
    planes = records[:, 1:].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels.copy()


class _Member(tarfile.TarInfo):
    """Refuses headers that could cost more than they are worth, before what follows is read."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        member = super().frombuf(buf, encoding, errors)
        if member.type in (tarfile.GNUTYPE_SPARSE, tarfile.XGLTYPE):
            raise tarfile.ReadError(f"its member {member.name!r} has type {member.type!r}")
        extends = (
            tarfile.XHDTYPE,
            tarfile.SOLARIS_XHDTYPE,
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
        )
        if member.type in extends and not 0 <= member.size <= EXTENSION:
            raise tarfile.ReadError(f"its header {member.name!r} has {member.size} bytes")
        return member


def read_archive(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The members of a tar file with these names, in whatever folder of it.

    Raises DataError for members that leave the archive, for wanted ones that are no files, missing
    or there twice, and for an archive that is damaged or too large.
    """
    content = read(path, MOST, "CIFAR-10")
    if b"GNU.sparse" in content:  # of a PAX header: tarfile would believe its map of any size
        raise DataError(f"{path}: has a sparse member")
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:", tarinfo=_Member) as archive:
            for member in archive:
                _take(path, member, content, names, found)
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        said = str(error) or type(error).__name__
        raise DataError(f"{path}: damaged or unreadable archive: {said}") from None
    absent = [name for name in names if name not in found]
    if absent:
        raise DataError(f"{path}: has no {', '.join(absent)} (task.train_files, task.test_files)")
    return found


def _take(
    path: Path,
    member: tarfile.TarInfo,
    content: bytes,
    names: Sequence[str],
    found: dict[str, bytes],
) -> None:
    if not 0 <= member.size <= MOST:  # before it is skipped: it might lead back to itself
        raise DataError(f"{path}: its member {member.name!r} has {member.size} bytes")
    inside = PurePosixPath(member.name)
    if inside.is_absolute() or ".." in inside.parts:
        raise DataError(f"{path}: its member {member.name!r} leaves the archive")
    if inside.name not in names:
        return
    if not member.isreg():
        raise DataError(f"{path}: its member {member.name!r} is not a file")
    if inside.name in found:
        raise DataError(f"{path}: has {inside.name} twice")
    file = content[member.offset_data : member.offset_data + member.size]
    if len(file) != member.size:
        raise DataError(f"{path}: its member {member.name!r} is cut off")
    found[inside.name] = file
