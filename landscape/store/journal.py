"""Records that are appended and synced, a line each, and read once. No JAX here."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from landscape.store.files import (
    ALTERED,
    RunError,
    checked,
    checksum,
    make_folder,
    place_of,
)
from landscape.store.records.base import Record, as_dict
from landscape.store.temporary import naming

log = logging.getLogger("lscape")

Kind = TypeVar("Kind", bound=Record)
SEAL = ', "sha256": "{}"}}'  # ends each line, over the JSON before it


class Journal(Generic[Kind]):
    """The records of a file of lines, of which one process at a time appends.

    A line that a crash cut off is the last; it is dropped, and said, before the next is appended.
    Any other damaged line is refused by its number.
    """

    def __init__(self, path: Path, kind: type[Kind], key: Callable[[Kind], Hashable]) -> None:
        self.path, self._kind, self._key = path, kind, key
        self._forget()

    def _forget(self) -> None:
        self._latest: dict[Hashable, Kind] = {}
        self._read = self._lines = 0
        self._place = ""

    def records(self) -> list[Kind]:
        """The latest record of each key. Only what was appended since the last call is read.

        Raises:
            RunError: A line is damaged or altered.
        """
        try:
            with self.path.open("rb") as file:
                if file.seek(0, os.SEEK_END) < self._read:
                    self._forget()
                file.seek(self._read)
                whole, _, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            self._forget()
            return []
        except OSError as error:
            raise RunError(f"{self.path}: unreadable: {error}") from None
        self._place = place_of(self.path)
        for line in whole.split(b"\n") if whole else ():
            record = self._parsed(line)
            self._latest[self._key(record)] = record
            self._read += len(line) + 1
            self._lines += 1
        return list(self._latest.values())

    def _parsed(self, line: bytes) -> Kind:
        where = f"{self.path}:{self._lines + 1}"
        body = line[: -len(SEAL.format("0" * 64))] + b"}"
        if line != sealed(body, self._place):
            raise RunError(f"{where}: does not match its checksum: {ALTERED}")
        try:
            record = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RunError(f"{where}: not JSON: {error}") from None
        return checked(self._kind, record, where)

    def append(self, records: Sequence[Kind], sync: bool = True) -> None:
        """Add records, and sync them together, unless a crash may lose them."""
        if not records:
            return
        lines = [json.dumps(record, allow_nan=False, default=as_dict) for record in records]
        make_folder(self.path.parent)
        with naming(self.path), self.path.open("a+b") as file:
            _drop_torn(file, self.path)
            place = place_of(self.path)
            file.write(b"".join(sealed(line.encode(), place) + b"\n" for line in lines))
            if sync:
                file.flush()
                os.fsync(file.fileno())


def sealed(body: bytes, place: str) -> bytes:
    """A record's JSON as a line of a journal at this place has it."""
    return body[:-1] + SEAL.format(checksum(body, place)).encode()


def _drop_torn(file: BinaryIO, path: Path) -> None:
    """Drop what is after the last newline."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    whole = file.read().rpartition(b"\n")[0]
    file.truncate(len(whole) + bool(whole))
    log.warning(f"{path}: its last line was cut off, and is dropped: what it said is found again")
