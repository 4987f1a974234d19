"""Files that may be anything: read whole, but never more than is sensible."""

from __future__ import annotations

import gzip
import hashlib
import logging
import zlib
from pathlib import Path

from landscape.data.errors import DataError

log = logging.getLogger("lscape")


def read(path: Path, most: int, what: str) -> bytes:
    """A file's bytes, decompressed if it is gzip. Raises DataError when they are none or more than
    `most`, or when the file cannot be read or decompressed."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if packed:
                with gzip.open(raw) as file:
                    content = file.read(most + 1)
            else:
                content = raw.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged gzip file: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not content:
        raise DataError(f"{path}: empty")
    if len(content) > most:
        raise DataError(f"{path}: holds more than {most} bytes, too many for {what}")
    return content


def decoded(path: Path, content: bytes) -> str:
    """A file's bytes as text. Raises DataError when they are none."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: not UTF-8 text: {error.reason}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}:{line}: not text: it has a zero byte")
    return text


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compare(where: Path | str, found: str, published: str) -> None:
    """Warn of a file that has a published one's name and something else in it."""
    if found != published:
        log.warning(f"{where}: has {found}, the published file has {published}; used as it is")
