"""Files of named arrays in the safetensors format, of which little is in memory at a time. The
library's own functions hold whole files; they check the header (`safe_open`). No JAX here.

References:
    The format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401  (NumPy knows its types then)
import numpy as np

from landscape.core import large

CODES = {  # by NumPy's names
    "float64": "F64", "float32": "F32", "float16": "F16", "bool": "BOOL",
    "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8",
    "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
    "uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8",
}  # fmt: skip
NAMES: dict[str, str] = {code: name for name, code in CODES.items()}

Arrays = dict[str, np.ndarray]


class Stored(NamedTuple):
    """An array of a file: its type and shape as `kind_of` has them, and where it begins."""

    kind: str
    shape: tuple[int, ...]
    start: int


def kind_of(dtype: str, shape: Iterable[int]) -> str:
    """As `float32[10, 64]`."""
    return f"{dtype}{list(shape)}"


def in_parts(arrays: Arrays, metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """The bytes of a file of these arrays."""
    header: dict[str, Any] = {"__metadata__": metadata}
    # the widest first, so that all are aligned
    ordered = sorted(arrays.items(), key=lambda one: (-one[1].dtype.itemsize, one[0]))
    ends = np.cumsum([0, *(array.nbytes for _, array in ordered)]).tolist()
    for (name, array), *offsets in zip(ordered, ends[:-1], ends[1:], strict=True):
        kind = {"dtype": CODES[array.dtype.name], "shape": array.shape}
        header[name] = {**kind, "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for _, array in ordered:
        yield from large.parts(array)


def listed(path: Path) -> dict[str, Stored]:
    """The arrays of a file whose header is known to be one."""
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(start - 8))
    header.pop("__metadata__", None)
    return {
        name: Stored(
            kind_of(NAMES.get(one["dtype"]) or str(one["dtype"]), one["shape"]),
            tuple(one["shape"]),
            start + one["data_offsets"][0],
        )
        for name, one in header.items()
    }


def read(path: Path, wanted: Mapping[str, Stored]) -> Arrays:
    """Some of the arrays that a file has, of types that NumPy knows."""
    like = [large.Like(one.shape, np.dtype(one.kind.partition("[")[0])) for one in wanted.values()]
    arrays = dict(zip(wanted, large.empty(like), strict=True))
    with path.open("rb") as file:
        for name, array in arrays.items():
            file.seek(wanted[name].start)
            for part in large.parts(array):
                file.readinto(part)
    return arrays
