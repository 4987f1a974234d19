"""Small files as the data sets have them, and what a refusal says."""

import numpy as np
import pytest

from landscape.data import DataError


def idx(array: np.ndarray) -> bytes:
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sides + array.tobytes()


IMAGES = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
LABELS = np.array([7, 0, 9], np.uint8)

RECORDS = np.zeros((2, 3073), np.uint8)
RECORDS[:, 0] = 3, 9
RECORDS[0, 1:] = np.arange(3072) % 251
TWO = RECORDS.tobytes()


def refused(load, *arguments) -> str:
    with pytest.raises(DataError) as error:
        load(*arguments)
    return str(error.value)
