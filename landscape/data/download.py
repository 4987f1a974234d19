"""One file over HTTPS: resumed where it broke off, checked before it is used, moved into place."""

from __future__ import annotations

import http.client
import logging
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import AcquireReturnProxy, FileLock, Timeout

from landscape.data.errors import DataError
from landscape.data.reading import sha256

log = logging.getLogger("lscape")

Progress = Callable[..., None]

TIMEOUT = 20.0  # seconds without a byte
ATTEMPTS = 4  # at one address, in a row, that bring nothing new
PAUSE = 1.0  # seconds before the second attempt, doubled before each further one
BLOCK = 2**16
LOOPBACK = ("127.0.0.1", "localhost")
TRANSIENT = (408, 416, 429)  # statuses below 500 that are worth another attempt


@dataclass(frozen=True)
class Remote:
    """A file that is known: its size in bytes, its checksum, and the addresses that have it."""

    name: str
    size: int
    sha256: str
    addresses: tuple[str, ...]


class _Refused(Exception):
    """Why an address does not give the file."""


class _BrokeOff(Exception):
    """Why an address did not give the file this time."""


class _OnlySafe(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str):
        _check_address(newurl, local=req.origin_req_host in LOOPBACK)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_address(address: str, local: bool) -> None:
    parts = urlsplit(address)
    http = local and parts.scheme == "http" and parts.hostname in LOOPBACK
    if parts.scheme != "https" and not http:
        raise _Refused(f"{address} is not HTTPS")


def download(remote: Remote, target: Path, progress: Progress) -> None:
    """Fetch a file to `target`, complete and with the right checksum, or not at all.

    What has come of it so far stays in `<target>.part`, also for the next process. Raises DataError
    saying what each address answered, OSError for what the disk refuses.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with _alone(target):
        if os.path.exists(target):
            return
        answers = []
        for address in remote.addresses:
            try:
                _fetch(address, remote, part, progress)
            except _Refused as refused:
                answers.append(f"{address}: {refused}")
            else:
                os.replace(part, target)
                return
    raise DataError("; ".join(answers))


def _alone(target: Path) -> AcquireReturnProxy:
    """Hold the target for one process, waiting for another that does."""
    # the system's own lock, which ends with the process that holds it
    lock = FileLock(target.with_name(target.name + ".lock"), fallback_to_soft=False)
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        log.info(f"{target}: another process is downloading it, waiting for that")
        return lock.acquire()


def _fetch(address: str, remote: Remote, part: Path, progress: Progress) -> None:
    """Make the part the whole and right file."""
    _check_address(address, local=True)
    while True:
        resumed = _size(part) > 0
        _complete(address, remote, part, progress)
        if sha256(part) == remote.sha256:
            return
        part.unlink()
        if not resumed:  # what was there before may have been another address's
            raise _Refused(f"its SHA-256 is not {remote.sha256}")


def _complete(address: str, remote: Remote, part: Path, progress: Progress) -> None:
    if _size(part) > remote.size:
        part.unlink()
    most, fruitless = _size(part), 0
    while _size(part) != remote.size:
        why = "the connection broke off"
        try:
            _read_on(address, remote, part, progress)
        except _BrokeOff as broke_off:
            why = str(broke_off)
        got = _size(part)
        if got > remote.size:
            part.unlink()
            raise _Refused(f"sends more than the {remote.size} bytes of {remote.name}")
        if got > most:
            most, fruitless = got, 0
        else:
            fruitless += 1
        if fruitless == ATTEMPTS:
            raise _Refused(f"{why} ({got} of {remote.size} bytes, {ATTEMPTS} attempts)")
        if fruitless:
            time.sleep(PAUSE * 2 ** (fruitless - 1))


def _read_on(address: str, remote: Remote, part: Path, progress: Progress) -> None:
    have = _size(part)
    with _ask(address, have, part) as answer:
        have = _start(answer, have, remote)
        with part.open("ab") as file:
            file.truncate(have)
            for block in _blocks(answer):
                file.write(block)
                have += len(block)
                progress(f"downloading {remote.name}", min(have, remote.size), remote.size)
                if have > remote.size:
                    break
            file.flush()
            os.fsync(file.fileno())


def _ask(address: str, have: int, part: Path) -> Any:
    """The answer to a request for what follows the bytes that are there."""
    request = urllib.request.Request(address, headers={"User-Agent": "lscape"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        return urllib.request.build_opener(_OnlySafe).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # a part that does not belong to this file
            part.unlink(missing_ok=True)
        again = error.code >= 500 or error.code in TRANSIENT
        raise (_BrokeOff if again else _Refused)(f"HTTP {error.code} {error.reason}") from None
    except urllib.error.URLError as error:  # nobody there, or nobody to trust
        raise _Refused(str(error.reason)) from None
    except (ValueError, http.client.InvalidURL) as error:  # led to what is no address
        raise _Refused(_said(error)) from None
    except (OSError, http.client.HTTPException) as error:
        raise _BrokeOff(_said(error)) from None


def _start(answer: Any, have: int, remote: Remote) -> int:
    """Where in the file the answer begins: with the rest that was asked for, or at 0."""
    start, total = 0, None
    if answer.status == 206:
        said = answer.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", said)
        if match is None or int(match[1]) not in (0, have):
            raise _Refused(f"sends another range than was asked for: {said[:80]!r}")
        start = int(match[1])
        total = None if match[2] == "*" else int(match[2])
    if total is None and answer.length is not None:
        total = start + answer.length
    if total not in (None, remote.size):
        raise _Refused(f"has a file of {total} bytes, {remote.name} has {remote.size}")
    return start


def _blocks(answer: Any) -> Iterator[bytes]:
    """What comes, as it comes, so that what breaks off is kept up to its last byte."""
    while True:
        try:
            block = answer.read1(BLOCK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _BrokeOff(_said(error)) from None
        if not block:
            return
        yield block


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
