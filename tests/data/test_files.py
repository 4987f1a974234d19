"""Files that are damaged, wrong or hostile, and the search for those that are not."""

import gzip
import hashlib
import io
import os
import tarfile

import numpy as np
import pytest

from landscape.data import DataError, Store, cifar10, mnist, ptb, reading
from landscape.data.download import Remote


def idx(array: np.ndarray) -> bytes:
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sides + array.tobytes()


IMAGES = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
LABELS = np.array([7, 0, 9], np.uint8)


@pytest.fixture
def mnist_folder(tmp_path):
    folder = tmp_path / "data/mnist"
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES)))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return folder


def refused(load, *arguments) -> str:
    with pytest.raises(DataError) as error:
        load(*arguments)
    return str(error.value)


# -- MNIST -----------------------------------------------------------------------------------------


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


def test_the_published_files_are_within_the_bounds():
    assert 60_000 * 28 * 28 + 16 < mnist.MOST <= 2**26
    assert 5_101_618 < ptb.MOST <= 2**26
    assert 6 * 10_000 * cifar10.RECORD < cifar10.MOST <= 2**28


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


def test_a_folder_in_place_of_a_file(tmp_path):
    assert "cannot be read: Is a directory" in refused(reading.read, tmp_path, 10, "a text")


# -- CIFAR-10 --------------------------------------------------------------------------------------

RECORDS = np.zeros((2, 3073), np.uint8)
RECORDS[:, 0] = 3, 9
RECORDS[0, 1:] = np.arange(3072) % 251
TWO = RECORDS.tobytes()


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
    """As other tools write them: PAX headers for times and names, GNU ones for long names."""
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


# -- Penn Treebank ---------------------------------------------------------------------------------


def load_text(folder, text: bytes, vocabulary=10_000):
    (folder / "a.txt").write_bytes(text)
    (folder / "b.txt").write_bytes(b" the new cat\n sat \n")
    return ptb.load(Store(folder), "a.txt", "b.txt", vocabulary)


def test_words_are_counted_in_the_training_text(tmp_path):
    tokens, words = load_text(tmp_path, b" the cat the dog\n\n the <unk> cat\r\n")
    assert words == ("<eos>", "the", "cat", "<unk>", "dog")
    assert tokens["train"].dtype == np.int32
    assert [words[t] for t in tokens["train"]] == (
        ["the", "cat", "the", "dog", "<eos>", "<eos>", "the", "<unk>", "cat", "<eos>"]
    )
    assert [words[t] for t in tokens["test"]] == ["the", "<unk>", "cat", "<eos>", "<unk>", "<eos>"]


def test_the_vocabulary_is_bounded(tmp_path):
    tokens, words = load_text(tmp_path, b"the cat the dog\n", vocabulary=3)
    assert words == ("the", "<eos>", "<unk>")  # by how often the text has them
    assert [words[t] for t in tokens["train"]] == ["the", "<unk>", "the", "<unk>", "<eos>"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "a.txt: empty"),
        (b"\n \n\n", "a.txt: has no words"),
        (b"one\ntwo\xff\n", "a.txt:2: not UTF-8 text"),
        (b"one\ntwo\nth\0ree\n", "a.txt:3: not text: it has a zero byte"),
    ],
)
def test_texts_that_are_not(tmp_path, text, said):
    message = refused(load_text, tmp_path, text)
    assert message.startswith(f"{tmp_path}{os.sep}{said}")


def test_a_text_too_long_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(ptb, "MOST", 100)
    assert "a.txt: holds more than 100 bytes" in refused(load_text, tmp_path, b"word " * 1000)


def test_ptb_is_asked_for_and_never_downloaded(tmp_path):
    message = refused(ptb.load, Store(tmp_path))
    assert "licensed" in message and "ptb.train.txt" in message and "task.train_file" in message
    for name in ("ptb.train.txt", "ptb.test.txt"):
        assert f"{name} ({ptb.PUBLISHED[name]})" in message
    assert str(tmp_path / "ptb") in message


def test_a_published_text_that_was_altered_is_used_with_a_warning(tmp_path, caplog):
    text = b"the cat sat on the mat\n"
    for name in ("ptb.train.txt", "ptb.test.txt", "mine.txt"):
        (tmp_path / name).write_bytes(text)
    ptb.load(Store(tmp_path), "ptb.train.txt", "ptb.test.txt")
    kinds = {"ptb.train.txt": ("MD5", hashlib.md5), "ptb.test.txt": ("SHA-256", hashlib.sha256)}
    assert caplog.messages == [
        f"{tmp_path / name}: has {kind} {of(text).hexdigest()}, the published file has "
        f"{ptb.PUBLISHED[name]}; used as it is"
        for name, (kind, of) in kinds.items()
    ]
    caplog.clear()
    ptb.load(Store(tmp_path), "mine.txt", "mine.txt")
    assert caplog.messages == []


# -- where files are looked for --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../a.bin", "/etc/passwd", "x/a.bin", "..", "", "a\\b", "a\0b"])
def test_a_name_cannot_lead_out_of_its_folder(tmp_path, name):
    assert "task.train_files" in refused(cifar10.load, Store(tmp_path), [name], ["b.bin"])
    assert "task.test_file" in refused(ptb.load, Store(tmp_path), "a.txt", name)


def test_the_first_folder_that_has_all_is_used(tmp_path, monkeypatch):
    places = {}
    for number, name in enumerate(("given", "environment", "cache/lscape/data")):
        places[name] = tmp_path / name / "cifar10"
        places[name].mkdir(parents=True)
        for file in ("a.bin", "b.bin"):
            (places[name] / file).write_bytes(bytes([number]) + bytes(3072))
    monkeypatch.setenv("LSCAPE_DATA", str(tmp_path / "environment"))

    def used(directory) -> int:
        return int(cifar10.load(Store(directory), ["a.bin"], ["b.bin"])["train"][1][0])

    assert used(tmp_path / "given") == 0 and used(None) == 1
    (places["given"] / "b.bin").unlink()
    assert used(tmp_path / "given") == 1  # one file alone does not make a data set
    monkeypatch.delenv("LSCAPE_DATA")
    assert used(None) == 2


@pytest.fixture
def offline(monkeypatch):
    """Every address leads to a port where nobody listens."""
    nobody = ("http://127.0.0.1:9/one", "http://127.0.0.1:9/two")
    files = tuple(Remote(f.name, f.size, f.sha256, nobody) for f in mnist.FILES)
    monkeypatch.setattr(mnist, "FILES", files)
    archive = cifar10.ARCHIVE
    remote = Remote(archive.name, archive.size, archive.sha256, nobody)
    monkeypatch.setattr(cifar10, "ARCHIVE", remote)


@pytest.mark.parametrize("data_set", [mnist, cifar10])
def test_offline_it_says_what_to_put_where(tmp_path, offline, data_set):
    message = refused(data_set.load, Store(tmp_path))
    wanted = mnist.FILES if data_set is mnist else [cifar10.ARCHIVE]
    for remote in wanted:
        assert remote.name in message and remote.sha256 in message
    assert str(tmp_path) in message and str(tmp_path / "cache/lscape/data") in message
    assert "data.dir" in message and "LSCAPE_DATA" in message
    assert "127.0.0.1:9/one" in message and "127.0.0.1:9/two" in message


def test_what_each_folder_lacks_is_said(tmp_path, offline):
    (tmp_path / "a.bin").write_bytes(TWO)
    (tmp_path / "b.bin").mkdir()
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar-10-batches-bin").write_text("")
    lines = refused(cifar10.load, Store(tmp_path), ["a.bin"], ["b.bin", "c.bin"]).split("\n")
    wanted = lines.index("wanted:")
    archive = f"cifar-10-binary.tar.gz (SHA-256 {cifar10.ARCHIVE.sha256})"
    assert lines[wanted + 1 : wanted + 7] == [
        *("  a.bin", "  b.bin", "  c.bin", "or", f"  {archive}"), "looked in:"
    ]  # fmt: skip
    assert lines[wanted + 7 : wanted + 11] == [
        f"  {tmp_path}: lacks b.bin (what is there is no regular file), c.bin, "
        "cifar-10-binary.tar.gz",
        f"  {tmp_path / 'cifar10'}: has none of them",
        f"  {tmp_path / 'cifar-10-batches-bin'}: cannot be read: Not a directory",
        f"  {tmp_path / 'cifar10/cifar-10-batches-bin'}: no such folder",
    ]


def test_names_and_folders_that_the_system_refuses_are_said(tmp_path, monkeypatch):
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("LSCAPE_DATA", str(tmp_path / "loop"))
    message = refused(ptb.load, Store(tmp_path), "a" * 5000, "b.txt")
    assert f"{tmp_path}: lacks {'a' * 5000} (File name too long), b.txt" in message
    assert f"{tmp_path / 'loop'}: cannot be read: Too many levels of symbolic links" in message


def test_a_folder_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    stat, listdir = os.stat, os.listdir

    def forbidden(path, call, *arguments, **named):
        if str(path).startswith(str(tmp_path / "ptb")):
            raise PermissionError(13, "Permission denied", str(path))
        return call(path, *arguments, **named)

    monkeypatch.setattr(os, "stat", lambda path, *a, **k: forbidden(path, stat, *a, **k))
    monkeypatch.setattr(os, "listdir", lambda path: forbidden(path, listdir))
    message = refused(ptb.load, Store(tmp_path))
    assert f"{tmp_path / 'ptb'}: cannot be read: Permission denied" in message


def test_what_is_missing_is_downloaded_once(tmp_path, server, monkeypatch):
    content = {f.name: gzip.compress(idx(IMAGES if "images" in f.name else LABELS), mtime=0)
               for f in mnist.FILES}  # fmt: skip
    files = tuple(
        Remote(name, len(c), hashlib.sha256(c).hexdigest(), (server.url(name),))
        for name, c in content.items()
    )
    monkeypatch.setattr(mnist, "FILES", files)

    def answer(handler):
        body = content[handler.path[1:]]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server.answer, told = answer, []
    store = Store(None, lambda *said: told.append(said))
    for _ in range(2):
        assert np.array_equal(mnist.load(store)["test"][0], IMAGES)
    assert [path for path, _ in server.asked] == [f"/{name}" for name in content]
    assert {stage for stage, *_ in told} == {f"downloading {name}" for name in content}


def test_a_cache_that_cannot_be_written(tmp_path, offline, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "cannot be written: Not a directory" in refused(mnist.load, Store())
