"""How everything on disk is written and read: whole or not at all, and checked. No JAX here."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

FORMAT = 1

Arrays = dict[str, np.ndarray]
Row = dict[str, Any]


class RunError(Exception):
    """A run directory that cannot be used as asked: the message names the path and the reason."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write the whole file or none of it: a temporary file beside it, fsync, rename.

    Raises OSError (full or read-only disk) with the old file, if any, untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_json(path: Path, value: Any) -> None:
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Raises RunError when the file is missing or is not JSON."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise RunError(f"{path}: missing") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: damaged or unreadable: {error}") from None


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def finite(numbers: Row) -> Row:
    """JSON and CSV have no NaN: what is not finite does not apply."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in numbers.items()
    }


def save_arrays(path: Path, arrays: Arrays, record: Mapping[str, Any]) -> None:
    """Arrays and a JSON record in one safetensors file, with checksums of both in its header."""
    text = json.dumps({**record, "arrays_sha256": _digest(arrays)}, allow_nan=False)
    metadata = {
        "format": str(FORMAT),
        "record": text,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    # not ascontiguousarray, which gives a scalar an axis
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_bytes(path, save(contiguous, metadata=metadata))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            text = metadata.get("record")
            if text is None:
                raise RunError(f"{path}: not written by lscape (no record in its header)")
            if int(metadata["format"]) > FORMAT:
                raise RunError(
                    f"{path}: format {metadata['format']} is newer than this lscape ({FORMAT})"
                )
            if hashlib.sha256(text.encode()).hexdigest() != metadata.get("sha256"):
                raise RunError(f"{path}: its record does not match its checksum: it was altered")
            yield file, json.loads(text)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: damaged or unreadable: {error}") from None


def read_record(path: Path) -> dict[str, Any]:
    """The checked JSON record of a file, without reading its arrays. Raises RunError."""
    with _opened(path) as (_, record):
        return record


def load_arrays(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and record, both checked. Raises RunError for a truncated or altered file."""
    with _opened(path) as (file, record):
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if _digest(arrays) != record["arrays_sha256"]:
            raise RunError(f"{path}: its arrays do not match their checksum: it was altered")
        return arrays, record


def load_some(path: Path, wanted: Callable[[str], bool]) -> Arrays:
    """The arrays whose names are wanted, without reading the others; so their checksum, which is of
    all of them, is not looked at. Raises RunError for an altered record."""
    with _opened(path) as (file, _):
        return {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118


def append_lines(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # after a line that a kill cut off
        file.writelines(json.dumps(r, allow_nan=False).encode() + b"\n" for r in records)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON-lines file; a last line cut off by a kill is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text().splitlines():
        with contextlib.suppress(ValueError):
            records.append(json.loads(line))
    return records


def table_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """CSV with a line of the columns' names. What rows have beside these, as the facts of a
    construction, is left to their own files."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    write_bytes(path, table_text(columns, rows).encode())
