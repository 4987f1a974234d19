"""Files that are damaged, wrong or hostile, and the search for those that are not."""

import gzip
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
    assert refused(mnist.load, Store(mnist_folder)) == f"{file}: images of 14 × 56, not of 28 × 28"


def test_sides_that_multiply_beyond_all_numbers(mnist_folder):
    file = mnist_folder / "train-images-idx3-ubyte.gz"
    file.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"\1")
    assert "4294967295 × 4294967295 × 4294967295" in refused(mnist.load, Store(mnist_folder))


def test_a_gzip_bomb_is_not_unpacked(mnist_folder, monkeypatch):
    monkeypatch.setattr(mnist, "MOST", 10_000)
    file = mnist_folder / "train-labels-idx1-ubyte"
    file.write_bytes(gzip.compress(bytes(10_000_000)))
    message = refused(mnist.load, Store(mnist_folder))
    assert message == f"{file}: holds more than 10000 bytes, too many for an IDX file"


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
    "cut off": (archive(GOOD)[:-40], "damaged or unreadable archive"),
    "of noise": (gzip.compress(os.urandom(5000)), "damaged or unreadable archive"),
    "without a file": (archive(GOOD[:1]), "has no b.bin"),
    "with a file twice": (archive([*GOOD, ("y/b.bin", TWO)]), "has b.bin twice"),
    "climbing out": (archive([("../b.bin", TWO), *GOOD]), "../b.bin leaves the archive"),
    "climbing out inside": (archive([("x/../../b.bin", TWO)]), "leaves the archive"),
    "absolute": (archive([("/x/b.bin", TWO), *GOOD]), "/x/b.bin leaves the archive"),
    "with a link": (
        archive([GOOD[0], ("x/b.bin", None)], type=tarfile.SYMTYPE),
        "x/b.bin is not a file",
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
    assert words == ("the", "<eos>", "<unk>") or set(words) == {"the", "<eos>", "<unk>"}
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
    assert ptb.SHA256["ptb.test.txt"] in message and str(tmp_path / "ptb") in message


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


def test_a_folder_that_is_not_there(tmp_path):
    message = refused(mnist.load, Store(tmp_path / "no"))
    assert message == f"data.dir: {tmp_path / 'no'}: no such folder"


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


def test_what_is_missing_is_downloaded_once(tmp_path, server, monkeypatch):
    import hashlib

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
