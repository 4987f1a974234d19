"""A text of the user's, by character."""

from __future__ import annotations

import numpy as np

from landscape.data.reading import decoded, read
from landscape.data.store import Store, Wanted, missing, plain

MOST = 2**26  # bytes


def load(store: Store, file: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The characters of a text by number, int32 [characters], and which they are, in the order of
    their codes. Line ends are as they are in the file. Raises DataError."""
    wanted, folders = [Wanted((plain(file, "task.file"),))], store.folders("text")
    paths = store.find(wanted, folders)
    if not paths:
        raise missing("the text", [wanted], folders, "it is yours")
    text = decoded(paths[0], read(paths[0], MOST, "a text"))
    codes, numbers = np.unique(np.array([ord(one) for one in text]), return_inverse=True)
    return numbers.astype(np.int32), tuple(map(chr, codes))
