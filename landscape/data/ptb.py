"""The Penn Treebank as Mikolov prepared it: lower case, 10,000 words, a sentence a line.

The text is licensed (LDC99T42), so it is neither here nor downloaded.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from landscape.data.errors import DataError
from landscape.data.reading import compare, decoded, read
from landscape.data.store import Store, Wanted, missing, plain

MOST = 2**26  # bytes of a text; the published training text has 5,101,618
END, UNKNOWN = "<eos>", "<unk>"
PUBLISHED = {
    "ptb.train.txt": "MD5 f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "ptb.valid.txt": "SHA-256 c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    "ptb.test.txt": "SHA-256 dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
}
HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
WHY = (
    "the Penn Treebank is licensed and is not downloaded: the files are in Mikolov's "
    "simple-examples.tgz; other texts can be named by task.train_file and task.test_file"
)


def load(
    store: Store,
    train_file: str = "ptb.train.txt",
    test_file: str = "ptb.test.txt",
    vocabulary: int = 10_000,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """{train, test}: the words of the texts by number, int32 [words]; and the words.

    The words are the training text's, from frequent to rare, so many of them at most, with <eos>,
    which ends a line, and <unk>, which stands for every other word. A text of a published one's
    name and with another checksum is used, with a warning. Raises DataError.
    """
    names = (plain(train_file, "task.train_file"), plain(test_file, "task.test_file"))
    wanted = [Wanted((name,), PUBLISHED.get(name)) for name in names]
    folders = store.folders("ptb")
    paths = store.find(wanted, folders)
    if not paths:
        raise missing("PTB", [wanted], folders, WHY)
    texts = dict(zip(("train", "test"), map(_words, paths), strict=True))
    counts = Counter(texts["train"])
    order = sorted(counts, key=lambda word: (-counts[word], word))
    kept = [word for word in order if word not in (END, UNKNOWN)][: max(vocabulary - 2, 0)]
    words = sorted([*kept, END, UNKNOWN], key=lambda word: (-counts[word], word))
    number = {word: index for index, word in enumerate(words)}
    unknown = number[UNKNOWN]
    tokens = {
        split: np.array([number.get(word, unknown) for word in text], np.int32)
        for split, text in texts.items()
    }
    return tokens, tuple(words)


def _words(path: Path) -> list[str]:
    content = read(path, MOST, "a text")
    if published := PUBLISHED.get(path.name):
        kind = published.partition(" ")[0]
        digest = HASHES[kind](content, usedforsecurity=False).hexdigest()
        compare(path, f"{kind} {digest}", published)
    lines = decoded(path, content).removesuffix("\n").split("\n")
    words = [word for line in lines for word in (*line.split(), END)]
    if len(words) == len(lines):
        raise DataError(f"{path}: has no words")
    return words
