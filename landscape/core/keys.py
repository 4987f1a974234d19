"""Keys for random numbers that depend on nothing but what they are for."""

from __future__ import annotations

import hashlib

import numpy as np


def key_data(*words: object) -> np.ndarray:
    """Key data (uint32 [2]) that depends on the words alone: the seed, what, pair, level, place.

    A cryptographic hash, so that no batch order, process or Python version can change it.
    """
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return np.frombuffer(digest[:8], dtype=np.uint32).copy()
