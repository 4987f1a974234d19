"""Arrays that together are larger than a part of memory lie in a file, as long as a run has a place
for it.

The file has no name: it goes with the last of its arrays, or with the process, however that ends.
What of it was looked at counts as the process's memory until it is let go of (`release`). No JAX
here.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

SHARE = 4  # of memory: arrays that together are larger lie in a file
BLOCK = 2**26  # bytes that are copied, or read, at a time
COLUMNS = 2**22  # scalars of a block in sums over parameters

_most: int = 2**31 // SHARE
_new_file: Callable[[], BinaryIO] | None = None
_mapped: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


@dataclass(frozen=True)
class Like:
    """What an array is to be."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def configure(memory: int) -> None:
    """How many bytes of memory there are for the models and paths that are worked on."""
    global _most
    _most = memory // SHARE


@contextlib.contextmanager
def files_from(new_file: Callable[[], BinaryIO]) -> Iterator[None]:
    """Within, large arrays lie in files; new_file: opens one, which has no name."""
    global _new_file
    before, _new_file = _new_file, new_file
    try:
        yield
    finally:
        _new_file = before


def is_large(size: int) -> bool:
    """Whether arrays of so many bytes together lie in a file."""
    return _new_file is not None and size > _most


def most_in_memory(item: int, count: int, fewest: int = 1) -> int:
    """At most how many bytes of memory arrays of `fewest` to `count` such items together take."""
    fit = count if _new_file is None else min(count, _most // item)
    return fit * item if fit >= fewest else 0


def empty(like: Sequence[Like]) -> list[np.ndarray]:
    """New arrays of these shapes and types, in memory or in a file. Raises OSError where the disk
    has no room for it."""
    if _new_file is None or not is_large(sum(one.nbytes for one in like)):
        return [np.empty(one.shape, one.dtype) for one in like]
    whole = [-(-one.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE for one in like]
    with _new_file() as file:
        _reserve(file.fileno(), sum(whole))
        pages = mmap.mmap(file.fileno(), sum(whole))
    _mapped.add(pages)
    starts = np.cumsum([0, *whole[:-1]])
    return [
        np.ndarray(one.shape, one.dtype, pages, int(start))
        for one, start in zip(like, starts, strict=True)
    ]


def _reserve(file: int, size: int) -> None:
    """Room on the disk now: a full one would end the process where it first writes."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)


def fill(whole: np.ndarray, some: Callable[[slice], Any]) -> None:
    """Write an array [n, ...], some of its items at a time; some: which → these items."""
    step = max(1, BLOCK // max(1, whole[:1].nbytes))
    for first in range(0, len(whole), step):
        part = slice(first, first + step)
        whole[part] = some(part)
        release()


def gather(whole: np.ndarray, array: np.ndarray, index: np.ndarray) -> None:
    """Write an array [n, ...] as the items of these numbers [n] of another, which has them."""
    step = max(1, BLOCK // max(1, whole[:1].nbytes))
    for first in range(0, len(whole), step):
        part = slice(first, first + step)
        if array.flags.c_contiguous:  # otherwise `take` copies all of it first
            np.take(array, index[part], 0, out=whole[part], mode="clip")  # `raise` copies twice
        else:
            whole[part] = array[index[part]]
        release()


def join(whole: np.ndarray, parts: Sequence[Any]) -> None:
    """Write an array as its parts [n, ...], one after the other."""
    if whole.nbytes <= BLOCK:
        np.concatenate(parts, out=whole)
        release()
        return
    first = 0
    for part in parts:
        fill(whole[first : first + len(part)], part.__getitem__)
        first += len(part)


def blocks(rows: np.ndarray, columns: int | None = None) -> Iterator[np.ndarray]:
    """Rows [n, scalars], so many columns of them at a time."""
    step = columns or max(1, COLUMNS // max(1, len(rows)))
    for first in range(0, max(1, rows.shape[1]), step):
        yield rows[:, first : first + step]
        release()


def parts(array: np.ndarray) -> Iterator[memoryview]:
    """The bytes of an array in its own order, some at a time."""
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for first in range(0, len(flat), BLOCK):
        yield flat[first : first + BLOCK].data
        release()


def in_use() -> bool:
    """Whether there are arrays in files."""
    return bool(_mapped)


def release() -> None:
    """Let go of what was looked at of arrays in files; it is read again where it is needed."""
    for pages in tuple(_mapped):
        if hasattr(pages, "madvise"):  # not on Windows
            pages.madvise(mmap.MADV_DONTNEED)
