"""Where files are looked for, and what is said where they are not."""

import gzip
import hashlib
import os

import numpy as np
import pytest

from landscape.data import Store, cifar10, mnist, ptb, reading
from landscape.data.download import Remote
from tests.data.samples import IMAGES, LABELS, TWO, idx, refused


def test_the_published_files_are_within_the_bounds():
    assert 60_000 * 28 * 28 + 16 < mnist.MOST <= 2**26
    assert 5_101_618 < ptb.MOST <= 2**26
    assert 6 * 10_000 * cifar10.RECORD < cifar10.MOST <= 2**28


def test_a_folder_in_place_of_a_file(tmp_path):
    assert "cannot be read: Is a directory" in refused(reading.read, tmp_path, 10, "a text")


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
