"""CIFAR-10 from files and archives that are damaged, wrong or hostile."""

import gzip
import io
import os
import tarfile

import pytest

from landscape.data import Store, cifar10
from tests.data.samples import TWO, refused


def archive(members: list[tuple[str, bytes | None]], **about) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as packed:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = about["type"], "/etc/passwd"
            else:
                info.size = len(content)
            packed.addfile(info, io.BytesIO(content or b""))
    return made.getvalue()


def plain_tar(members: list[tuple[str, bytes | None]]) -> bytes:
    return gzip.decompress(archive(members))


def flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)


def load_cifar(folder):
    return cifar10.load(Store(folder), ["a.bin"], ["b.bin"])


def test_cifar_planes_become_pixels(tmp_path):
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(TWO)
    images, labels = load_cifar(tmp_path)["train"]
    assert images.shape == (2, 32, 32, 3) and labels.tolist() == [3, 9]
    assert images[0, 5, 7].tolist() == [(c * 1024 + 5 * 32 + 7) % 251 for c in range(3)]


def test_cifar_from_the_archive_is_the_same(tmp_path):
    members: list = [(f"cifar-10-batches-bin/{name}.bin", TWO) for name in "ab"]
    content = archive([("cifar-10-batches-bin/readme.html", b"x"), *members])
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(content)
    found = load_cifar(tmp_path)
    assert found["train"][0][0, 5, 7].tolist() == [(c * 1024 + 167) % 251 for c in range(3)]
    assert os.listdir(tmp_path) == ["cifar-10-binary.tar.gz"]  # nothing was unpacked


def test_cifar_of_several_files_keeps_their_order(tmp_path):
    for number, name in enumerate(("a.bin", "b.bin", "c.bin")):
        (tmp_path / name).write_bytes(bytes([number]) + bytes(3072))
    found = cifar10.load(Store(tmp_path), ["c.bin", "a.bin"], ["b.bin"])
    assert found["train"][1].tolist() == [2, 0] and found["test"][1].tolist() == [1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (TWO[:-1], "6145 bytes are not a number of records of 3073"),
        (TWO + b"\0", "6147 bytes are not"),
        (b"\x0a" + TWO[1:], "label 10, not below 10"),
    ],
)
def test_cifar_files_that_are_not(tmp_path, content, said):
    (tmp_path / "a.bin").write_bytes(TWO)
    (tmp_path / "b.bin").write_bytes(content)
    message = refused(load_cifar, tmp_path)
    assert message.startswith(f"{tmp_path / 'b.bin'}: ") and said in message


GOOD: list = [("x/a.bin", TWO), ("x/b.bin", TWO)]
ARCHIVES = {
    "not gzip": (b"no archive at all", "damaged or unreadable archive"),
    "empty": (gzip.compress(b""), "empty"),
    "cut off": (archive(GOOD)[:-40], "damaged gzip file"),
    "without its trailer": (archive(GOOD)[:-8], "damaged gzip file"),
    "of a checksum zeroed": (archive(GOOD)[:-8] + bytes(4) + archive(GOOD)[-4:], "CRC check"),
    "of another length": (archive(GOOD)[:-4] + bytes(4), "damaged gzip file"),
    "of a byte flipped": (flipped(archive(GOOD), -12), "damaged gzip file"),
    "cut off inside": (gzip.compress(plain_tar(GOOD)[:7000]), "unexpected end of data"),
    "cut off in the last file": (gzip.compress(plain_tar(GOOD)[:9000]), "'x/b.bin' is cut off"),
    "of noise": (gzip.compress(os.urandom(5000)), "damaged or unreadable archive"),
    "without a file": (archive(GOOD[:1]), "has no b.bin"),
    "with a file twice": (archive([*GOOD, ("y/b.bin", TWO)]), "has b.bin twice"),
    "climbing out": (archive([("../b.bin", TWO), *GOOD]), "'../b.bin' leaves the archive"),
    "climbing out inside": (archive([("x/../../b.bin", TWO)]), "leaves the archive"),
    "absolute": (archive([("/x/b.bin", TWO), *GOOD]), "'/x/b.bin' leaves the archive"),
    "with a link": (
        archive([GOOD[0], ("x/b.bin", None)], type=tarfile.SYMTYPE),
        "'x/b.bin' is not a file",
    ),
    "with a hard link": (archive([("x/b.bin", None)], type=tarfile.LNKTYPE), "is not a file"),
    "with a device": (archive([("x/b.bin", None)], type=tarfile.CHRTYPE), "is not a file"),
    "with a folder": (archive([("x/b.bin", None)], type=tarfile.DIRTYPE), "is not a file"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_that_are_not(tmp_path, name):
    content, said = ARCHIVES[name]
    file = tmp_path / "cifar-10-binary.tar.gz"
    file.write_bytes(content)
    message = refused(load_cifar, tmp_path)
    assert message.startswith(f"{file}: ") and said in message
    assert os.listdir(tmp_path) == [file.name]


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE, **more: bytes) -> bytes:
    """A header of tar, its size also one that no writer would write; more: bytes by offset."""
    made = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    made[124:136] = (
        b"\x80" + size.to_bytes(11, "big")
        if size >= 0
        else (b"\xff" + (2**88 + size).to_bytes(11, "big"))
    )
    made[156:157] = kind
    for offset, content in more.items():
        at = int(offset.removeprefix("at"))
        made[at : at + len(content)] = content
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made)


def extended(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return header("extended", len(records), kind) + records.ljust(
        -len(records) // 512 * -512, b"\0"
    )


def pax(key: str, value: str) -> bytes:
    record = f" {key}={value}\n"
    length = next(n for n in range(len(record), len(record) + 9) if n == len(str(n) + record))
    return f"{length}{record}".encode()


JUNK = header("x/junk", 512) + bytes(512)
SIZES = {"of 2^62 bytes": 2**62, "of 2^80 bytes": 2**80, "of negative size": -1024}
HOSTILE = {
    **{name: (header("x/junk", n), f"'x/junk' has {n} bytes") for name, n in SIZES.items()},
    "of 2^62 bytes by PAX": (
        extended(pax("size", str(2**62))) + JUNK,
        "'x/junk' has 4611686018427387904 bytes",
    ),
    "of negative size by PAX": (
        extended(pax("size", "-1536")) + JUNK,
        "'x/junk' has -1536 bytes",
    ),
    "with a long name of negative size": (
        header("x", -512, tarfile.GNUTYPE_LONGNAME),
        "'x' has -512 bytes",
    ),
    "with a long name of 2^62 bytes": (
        header("x", 2**62, tarfile.GNUTYPE_LONGNAME),
        "'x' has 4611686018427387904 bytes",
    ),
    "sparse, of 2^40 bytes": (
        header("x/b.bin", 0, tarfile.GNUTYPE_SPARSE, at483=b"\x80" + (2**40).to_bytes(11, "big")),
        "'x/b.bin' has type b'S'",
    ),
    "sparse by PAX": (
        extended(pax("GNU.sparse.map", "0,1") + pax("GNU.sparse.size", str(2**40))) + JUNK,
        "has a sparse member",
    ),
    "sparse by a malformed map": (
        extended(pax("GNU.sparse.map", "a,b")) + JUNK,
        "has a sparse member",
    ),
    "sparse by a malformed size": (
        extended(pax("GNU.sparse.size", "9" * 5000)) + JUNK,
        "has a sparse member",
    ),
    "sparse by a map among the data": (
        extended(pax("GNU.sparse.major", "1") + pax("GNU.sparse.minor", "0"))
        + header("x/b.bin", 2**20)
        + (b"9999999\n" + b"1\n" * 2**19)[: 2**20],
        "has a sparse member",
    ),
    "with a PAX record of 5,000 digits": (
        extended(b"9" * 5000 + b" path=x\n") + JUNK,
        "damaged or unreadable archive",
    ),
    "with a PAX record without end": (
        extended(b"9" * 4000 + b" path=x\n") + JUNK,
        "damaged or unreadable archive",
    ),
    "with 3,000 long names": (
        header("x", 512, tarfile.GNUTYPE_LONGNAME).ljust(1024, b"x") * 3000,
        "damaged or unreadable archive: maximum recursion depth",
    ),
    "with 3,000 PAX headers": (
        extended(pax("a", "b")) * 3000,
        "damaged or unreadable archive: maximum recursion depth",
    ),
    "with 3,000 global headers": (
        extended(pax("a", "b"), tarfile.XGLTYPE) * 3000,
        "'extended' has type b'g'",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_end_at_once(tmp_path, name):
    content, said = HOSTILE[name]
    file = tmp_path / "cifar-10-binary.tar.gz"
    first = plain_tar(GOOD[:1])[: 512 + -(-len(TWO) // 512) * 512]
    file.write_bytes(gzip.compress(first + content + plain_tar(GOOD[1:])))
    message = refused(load_cifar, tmp_path)
    assert message.startswith(f"{file}: ") and said in message


def test_names_that_are_long_or_odd_are_read(tmp_path):
    """As other context write them: PAX headers for times and names, GNU ones for long names."""
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w:gz", format=form) as packed:
            for name in "ab":
                folder = "y/x" if form == tarfile.USTAR_FORMAT else "ü" * 200
                info = tarfile.TarInfo(f"{folder}/{name}.bin")
                info.size = len(TWO)
                info.mtime = 1.5  # type: ignore[assignment]
                packed.addfile(info, io.BytesIO(TWO))
        (tmp_path / "cifar-10-binary.tar.gz").write_bytes(made.getvalue())
        assert load_cifar(tmp_path)["test"][1].tolist() == [3, 9]


def test_a_name_cannot_write_to_the_terminal(tmp_path):
    content = archive([("/\x1b[2Jx/b.bin", TWO)])
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(content)
    message = refused(load_cifar, tmp_path)
    assert "\x1b" not in message and "'/\\x1b[2Jx/b.bin' leaves" in message


def test_a_file_of_the_archive_is_named_with_it(tmp_path):
    file = tmp_path / "cifar-10-binary.tar.gz"
    file.write_bytes(archive([GOOD[0], ("x/b.bin", TWO[:-1])]))
    message = refused(load_cifar, tmp_path)
    assert message.startswith(f"{file}: b.bin: 6145 bytes are not")
    published = cifar10.ARCHIVE.sha256
    assert f"{file} is not the published file, whose SHA-256 is {published}: replace" in message


def test_a_part_of_cifar_is_used_with_a_warning(tmp_path, caplog):
    for name in ("data_batch_1.bin", "mine.bin"):
        (tmp_path / name).write_bytes(TWO)
    found = cifar10.load(Store(tmp_path), ["mine.bin"], ["data_batch_1.bin"])
    assert len(found["test"][1]) == 2
    assert caplog.messages == [
        f"{tmp_path / 'data_batch_1.bin'}: has 2 images, the published file has 10000 images; "
        "used as it is"
    ]
    (tmp_path / "data_batch_1.bin").unlink()
    members: list = [("x/mine.bin", TWO), ("x/test_batch.bin", TWO)]
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(archive(members))
    cifar10.load(Store(tmp_path), ["mine.bin"])
    assert "cifar-10-binary.tar.gz: test_batch.bin: has 2 images, the pub" in caplog.messages[-1]


def test_a_name_that_is_not_in_the_archive_downloads_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Store, "fetch", lambda *_: pytest.fail("a download"))
    message = refused(cifar10.load, Store(tmp_path), ["data_batch_l.bin"])
    assert "task.train_files: the published archive has no 'data_batch_l.bin'" in message
    message = refused(cifar10.load, Store(tmp_path), ["data_batch_1.bin"], ["test.bin"])
    assert "task.test_files: the published archive has no 'test.bin'" in message
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(archive(GOOD))
    message = refused(cifar10.load, Store(tmp_path), ["c.bin"], ["b.bin"])
    assert "has no c.bin (task.train_files, task.test_files)" in message


def test_where_others_unpack_the_archive(tmp_path):
    folder = tmp_path / "cifar10/cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name in ("a.bin", "b.bin"):
        (folder / name).write_bytes(TWO)
    assert load_cifar(tmp_path)["train"][1].tolist() == [3, 9]


def test_a_tar_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "MOST", 100_000)
    bombs = {
        "a large member": archive([("x/junk", bytes(10_000_000)), *GOOD]),
        "many members": archive([(f"x/{number}", b"x") for number in range(1000)]),
        "a header without end": archive([("x" * 10_000_000, b""), *GOOD]),
    }
    for content in bombs.values():
        (tmp_path / "cifar-10-binary.tar.gz").write_bytes(content)
        assert "holds more than 100000 bytes" in refused(load_cifar, tmp_path)
