"""Scikit-learn's 1,797 real handwritten digits, 8 × 8 pixels: the data set that needs no download.

E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
"""

from __future__ import annotations

import numpy as np

Samples = tuple[np.ndarray, np.ndarray]

TEST_SAMPLES = 360


def load(seed: int) -> dict[str, Samples]:
    """{train, test}: 1,437 and 360 images [n, 8, 8] from 0 to 16, shuffled by the seed before they
    are split, and labels int32 [n] below 10."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    images, labels = images[order].reshape(-1, 8, 8), labels[order].astype(np.int32)
    cut = len(labels) - TEST_SAMPLES
    return {"train": (images[:cut], labels[:cut]), "test": (images[cut:], labels[cut:])}
