"""How everything on disk is written and read: whole or not at all, and checked. No JAX here."""

from __future__ import annotations

import contextlib
import csv
import errno
import functools
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open

from landscape.core import large
from landscape.store.records.base import Record, as_dict
from landscape.store.records.runs import Contents, Header
from landscape.store.temporary import naming, temporary_beside
from landscape.store.tensors import Arrays, in_parts, kind_of, listed, read

FORMAT = 3
META, CONFIG = "meta.json", "config.yaml"
ALTERED = "it was altered, or is of another place or run"
PROFILE = ("profile.position", "profile.loss")

Value = TypeVar("Value")
Kind = TypeVar("Kind", bound=Record)


class RunError(Exception):
    """A run directory that cannot be used as asked: the message names the path and the reason."""


_held: list[Path] = []


@contextlib.contextmanager
def holding(directory: Path) -> Iterator[None]:
    """Within, the directory is not made again where somebody removes it."""
    _held.append(directory)
    try:
        yield
    finally:
        _held.remove(directory)


def is_held(directory: Path) -> bool:
    """Whether it is within `holding`."""
    return directory.resolve() in [held.resolve() for held in _held]


def make_folder(folder: Path) -> None:
    """Raises FileNotFoundError where the held directory that it is in has been removed."""
    for held in _held:
        if held in (folder, *folder.parents) and not held.is_dir():
            said = "removed while lscape was working in it"
            raise FileNotFoundError(errno.ENOENT, said, str(held))
    folder.mkdir(parents=True, exist_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write the whole file or none of it: a temporary file beside it, fsync, rename.

    Raises OSError (full or read-only disk) with the old file, if any, untouched.
    """
    write_parts(path, [content])


def write_parts(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """`write_bytes` of content that comes in parts, of which one at a time is in memory."""
    make_folder(path.parent)
    handle, temporary = temporary_beside(path)
    try:
        with naming(path), os.fdopen(handle, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            if os.name == "nt":
                file.close()  # Windows moves no open file
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


_adapter = functools.cache(TypeAdapter)


@overload
def checked(kind: type[Value], value: Any, place: object) -> Value: ...
@overload
def checked(kind: object, value: Any, place: object) -> Any: ...
def checked(kind: Any, value: Any, place: object) -> Any:
    """What was read, as a value of this kind, a type of landscape/store/records. Raises RunError,
    naming the place, the key and what is allowed there, for what is none."""
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        got = "" if first["type"] == "missing" else f", got {first['input']!r:.60}"
        is_record = first["type"] == "dataclass_type"
        said = "Input should be a valid dictionary" if is_record else first["msg"]
        raise RunError(f"{place}: {key}{': ' * bool(key)}{said}{got}") from None


def place_of(path: Path) -> str:
    """Which file of which run this is, by the run's config; nothing for what is in no run, and for
    meta.json, which says which run it is.

    Raises OSError for a config that is there and cannot be read: a checksum without it would refuse
    the file ever after.
    """
    if path.name == META:
        return ""
    for folder in path.absolute().parents:
        if (folder / META).is_file():
            with contextlib.suppress(FileNotFoundError), naming(folder / CONFIG):
                config = hashlib.sha256((folder / CONFIG).read_bytes()).hexdigest()
                return f"{config}/{path.absolute().relative_to(folder).as_posix()}"
    return ""


def checksum(content: bytes, place: str = "") -> str:
    """The SHA-256 of a file's content and its place, so that it holds nowhere else."""
    return hashlib.sha256(place.encode() + content).hexdigest()


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """JSON, of records too, with the checksum of the rest of it under `sha256`."""
    whole = {**record, "sha256": checksum(_canonical(record), place_of(path))}
    text = json.dumps(whole, indent=2, allow_nan=False, default=as_dict)
    write_bytes(path, f"{text}\n".encode())


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Keep a list of records as JSON."""
    write_json(path, {"records": list(records)})


def read_records(path: Path, kind: object) -> list[Any]:
    """What `write_records` kept. Raises RunError."""
    return checked(kind, read_json(path).get("records"), f"{path}: records")


def read_if_there(path: Path, kind: object) -> list[Any]:
    return read_records(path, kind) if path.exists() else []


def _canonical(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), default=as_dict).encode()


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` kept. Raises RunError when the file is missing, is not JSON or altered."""
    record = parsed_json(path)
    known = record.pop("sha256", None) if isinstance(record, dict) else None
    if known is None or known != checksum(_canonical(record), place_of(path)):
        raise RunError(f"{path}: does not match its checksum: {ALTERED}")
    return record


def parsed_json(path: Path) -> Any:
    """The JSON of a file, unchecked. Raises RunError when it is missing or is not JSON."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise RunError(f"{path}: missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged or unreadable: {error}") from None


def digest(arrays: Arrays) -> str:
    """The SHA-256 of named arrays."""
    whole = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        whole.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        for part in large.parts(array):
            whole.update(part)
    return whole.hexdigest()


def finite(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """JSON and CSV have no NaN: what is not finite does not apply."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in numbers.items()
    }


def save_arrays(path: Path, arrays: Arrays, record: Mapping[str, Any]) -> str:
    """Keep arrays and JSON, of records too, in one safetensors file, with checksums of both in its
    header; that of the arrays."""
    kinds = {name: kind_of(array.dtype.name, array.shape) for name, array in arrays.items()}
    each = {name: digest({name: array}) for name, array in arrays.items()}
    contents = Contents(arrays=kinds, arrays_sha256=digest(arrays), each_sha256=each)
    text = json.dumps({**record, **as_dict(contents)}, allow_nan=False, default=as_dict)
    metadata = {
        "format": str(FORMAT),
        "record": text,
        "sha256": checksum(text.encode(), place_of(path)),
    }
    write_parts(path, in_parts(arrays, metadata))
    return contents.arrays_sha256


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any], Contents]]:
    try:
        with safe_open(path, framework="np") as file:
            record = _record_in(file.metadata() or {}, path)
            yield file, record, checked(Contents, record, path)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: damaged or unreadable: {error}") from None


def _record_in(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    if "record" not in metadata:
        raise RunError(f"{path}: not written by lscape (no record in its header)")
    header = checked(Header, metadata, f"{path}: header")
    if int(header.format) > FORMAT:
        raise RunError(f"{path}: format {header.format} is newer than this lscape ({FORMAT})")
    if header.sha256 != checksum(header.record.encode(), place_of(path)):
        raise RunError(f"{path}: its record does not match its checksum: {ALTERED}")
    try:
        return json.loads(header.record)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: its record is not JSON: {error}") from None


def _taken(names: Iterable[str], contents: Contents, path: Path) -> Arrays:
    """The arrays of these names of a file that was opened, if they are as the record lists them."""
    there, wanted = listed(path), {}
    for name in names:
        if name not in there or there[name].kind != contents.arrays.get(name):
            raise RunError(f"{path}: {name} is not as its record lists it: it was altered")
        wanted[name] = there[name]
    try:
        return read(path, wanted)
    except TypeError as error:  # a type that NumPy does not know
        raise RunError(f"{path}: unreadable: {error}") from None


def read_record(path: Path) -> dict[str, Any]:
    """The JSON beside a file's arrays, without reading these. Raises RunError."""
    with _opened(path) as (_, record, _):
        return record


def read_contents(path: Path) -> Contents:
    """What arrays a file has, without reading them. Raises RunError."""
    with _opened(path) as (_, _, contents):
        return contents


def load_arrays(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and the JSON beside them. Raises RunError for a truncated or altered file."""
    with _opened(path) as (file, record, contents):
        arrays = _taken(file.keys(), contents, path)
        if digest(arrays) != contents.arrays_sha256:
            raise RunError(f"{path}: its arrays do not match their checksum: it was altered")
        return arrays, record


def load_some(path: Path, wanted: Callable[[str], bool]) -> Arrays:
    """The arrays whose names are wanted, without reading the others. Raises RunError for an altered
    file, and for arrays that are missing or of another type or shape than its record lists."""
    with _opened(path) as (_, _, contents):
        arrays = _taken(filter(wanted, contents.arrays), contents, path)
        for name, array in arrays.items():
            if digest({name: array}) != contents.each_sha256.get(name):
                raise RunError(f"{path}: {name} does not match its checksum: it was altered")
        return arrays


def part(record: Mapping[str, Any], section: str, kind: type[Kind], path: Path) -> Kind:
    """A section of the JSON beside a file's arrays. Raises RunError."""
    return checked(kind, record.get(section), f"{path}: {section}")


def in_place(path: Path, place: Path, record: Kind) -> Kind:
    """The record, if it belongs where it was found. Raises RunError."""
    if path != place:
        raise RunError(f"{path}: its record is that of {place}")
    return record


def beside(profile: np.ndarray) -> Arrays:
    """A profile [points, 2] as arrays beside a path's."""
    return dict(zip(PROFILE, np.asarray(profile).T.copy(), strict=True))


def profile_in(arrays: Arrays, path: Path) -> np.ndarray:
    """The profile [points, 2], taken out of the arrays. Raises RunError where there is none."""
    parts = [arrays.pop(name, np.zeros(())) for name in PROFILE]
    if parts[0].ndim != 1 or parts[0].shape != parts[1].shape:
        raise RunError(f"{path}: no profile ({', '.join(PROFILE)}, of one length)")
    return np.stack(parts, axis=1)


def append_lines(path: Path, records: Sequence[Record | Mapping[str, Any]]) -> None:
    """Add a line of JSON a record."""
    make_folder(path.parent)
    with naming(path), path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")  # after a line that a kill cut off
        for record in records:
            text = json.dumps(record, allow_nan=False, default=as_dict)
            file.write(text.encode() + b"\n")


def new_lines(path: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """The records of a JSON-lines file from a byte on, and from which byte on others will be. A
    last line that is not whole yet is left for then."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < offset:
                offset = 0  # another file has its place
            file.seek(offset)
            whole, end, _ = file.read().rpartition(b"\n")
    except FileNotFoundError:
        return [], 0
    records = []
    for line in whole.split(b"\n") if whole else ():
        with contextlib.suppress(ValueError, RecursionError):
            records.append(json.loads(line))
    return records, offset + len(whole) + len(end)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file as texts, by the columns' names; [] where there is none. Raises
    RunError for one that is damaged."""
    if not path.exists():
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"{path}: damaged or unreadable: {error}") from None
    if any(None in row or None in row.values() for row in rows):
        raise RunError(f"{path}: damaged: a row has not as many columns as the first line")
    return rows


def table_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV with a line of the columns' names. What rows have beside these, as the facts of a
    construction, is left to their own files."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    write_bytes(path, table_text(columns, rows).encode())
