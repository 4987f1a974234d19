"""Penn Treebank from texts that are odd or wrong."""

import hashlib
import os

import numpy as np
import pytest

from landscape.data import Store, ptb
from tests.data.samples import refused


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
