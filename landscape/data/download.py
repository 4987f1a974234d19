"""One file over HTTPS: resumed where it broke off, checked before it is used, moved into place."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from landscape.data.errors import DataError

Progress = Callable[..., None]

TIMEOUT = 20.0  # seconds without a byte
ATTEMPTS = 4  # at one address that breaks off
BLOCK = 2**16
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Remote:
    """A file that is known: its size in bytes, its checksum, and the addresses that have it."""

    name: str
    size: int
    sha256: str
    addresses: tuple[str, ...]


class _Refused(Exception):
    """Why an address did not give the file."""


class _OnlySafe(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str):
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise _Refused(f"{address} is not HTTPS")


def download(remote: Remote, target: Path, progress: Progress) -> None:
    """Fetch a file to `target`, complete and with the right checksum, or not at all.

    What has come of it so far stays in `<target>.part`, also for the next process. Raises DataError
    saying what each address answered, OSError (a full disk).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with target.with_name(target.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be fetching the same
        if target.exists():
            return
        answers = []
        for address in remote.addresses:
            try:
                _check_address(address)
                resumed = part.exists()
                _fetch(address, remote, part, progress)
                if not _matches(remote, part):
                    if not resumed:
                        raise _Refused(f"its SHA-256 is not {remote.sha256}")
                    _fetch(address, remote, part, progress)  # what was there was not its
                    if not _matches(remote, part):
                        raise _Refused(f"its SHA-256 is not {remote.sha256}")
            except _Refused as refused:
                answers.append(f"{address}: {refused}")
                continue
            os.replace(part, target)
            return
    raise DataError("; ".join(answers))


def _fetch(address: str, remote: Remote, part: Path, progress: Progress) -> None:
    why = ""
    for _ in range(ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        if before == remote.size:
            return
        try:
            _read_on(address, remote, part, progress)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # a part that does not belong to this file
                part.unlink(missing_ok=True)
            elif error.code < 500:
                raise _Refused(f"HTTP {error.code} {error.reason}") from None
            why = f"HTTP {error.code} {error.reason}"
        except urllib.error.URLError as error:
            if isinstance(error.reason, _Refused):
                raise error.reason from None
            why = str(error.reason)
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            why = f"{type(error).__name__}: {error}"
        else:
            why = "the connection broke off"
        got = part.stat().st_size if part.exists() else 0
        if got == remote.size:
            return
        if got > remote.size:
            part.unlink()
            raise _Refused(f"sends more than the {remote.size} bytes of {remote.name}")
    raise _Refused(f"{why} ({got} of {remote.size} bytes, {ATTEMPTS} attempts)")


def _read_on(address: str, remote: Remote, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have > remote.size:
        have = 0
    request = urllib.request.Request(address, headers={"User-Agent": "lscape"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    opener = urllib.request.build_opener(_OnlySafe)
    with opener.open(request, timeout=TIMEOUT) as answer:
        if not _continues(answer, have):
            have = 0
        with part.open("ab") as file:
            file.truncate(have)
            while have <= remote.size:
                block = answer.read(min(BLOCK, remote.size + 1 - have))
                if not block:
                    break
                file.write(block)
                have += len(block)
                progress(f"downloading {remote.name}", min(have, remote.size), remote.size)
            file.flush()
            os.fsync(file.fileno())


def _continues(answer: Any, have: int) -> bool:
    """Whether the answer is the rest that was asked for, and not the whole file again."""
    said = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return answer.status == 206 and said is not None and int(said[1]) == have


def _matches(remote: Remote, part: Path) -> bool:
    """Whether the part is the file; one that is not is deleted."""
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != remote.sha256:
        part.unlink()
    return found == remote.sha256
