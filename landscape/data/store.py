"""Where the files of a data set are: the user's folders, the cache, or the net."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscape.data.download import Progress, Remote, download
from landscape.data.errors import DataError
from landscape.data.reading import sha256


def _silent(stage: str, done: float, total: float, **facts: Any) -> None:
    pass


@dataclass(frozen=True)
class Wanted:
    """A file that a data set needs: the names it may have, and its checksum where one is known."""

    names: tuple[str, ...]
    checksum: str | None = None  # "SHA-256 …"

    def within(self, folder: Path) -> Path | None:
        return next((folder / name for name in self.names if os.path.isfile(folder / name)), None)

    def lacking(self, folder: Path) -> str:
        """What a folder lacks that has no such file: its name, or what has its name."""
        for name in self.names:
            try:
                mode = os.stat(folder / name).st_mode
            except FileNotFoundError:
                continue
            except OSError as error:
                return f"{name} ({error.strerror or error})"
            if not stat.S_ISREG(mode):
                return f"{name} (what is there is no regular file)"
        return self.names[0]

    def __str__(self) -> str:
        return self.names[0] + (f" ({self.checksum})" if self.checksum else "")


@dataclass(frozen=True)
class Store:
    """Finds files: in `directory` (the config's data.dir), in $LSCAPE_DATA, in the user's cache."""

    directory: str | Path | None = None
    progress: Progress = _silent

    def folders(self, *names: str) -> list[Path]:
        """The folders that may hold a data set, in the order in which they are looked at: each of
        the places, then its sub-folders of these names."""
        places = [self.directory, os.environ.get("LSCAPE_DATA"), cache()]
        return [Path(place) / name for place in filter(None, places) for name in ("", *names)]

    def find(self, wanted: Sequence[Wanted], folders: Sequence[Path]) -> list[Path]:
        """Where the files are, in the first folder that has all of them; [] if there is none."""
        for folder in folders:
            found = [file.within(folder) for file in wanted]
            if all(found):
                return [path for path in found if path]
        return []

    def fetch(self, data_set: str, remotes: Sequence[Remote]) -> list[Path]:
        """The files in the user's cache, downloaded where they are missing. Raises DataError."""
        paths = [cache() / data_set / remote.name for remote in remotes]
        for remote, path in zip(remotes, paths, strict=True):
            if not os.path.exists(path):
                try:
                    download(remote, path, self.progress)
                except OSError as error:
                    said = error.strerror or error
                    raise DataError(f"{path}: cannot be written: {said}") from None
        return paths


def cache() -> Path:
    """The user's own folder for data sets."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "lscape" / "data"


def missing(
    data_set: str, choices: Sequence[Sequence[Wanted]], folders: Sequence[Path], why: str
) -> DataError:
    """The error that says which files are wanted, one choice of them or another, what each folder
    lacks of them, and what to do."""
    files = "\nor\n".join("\n".join(f"  {file}" for file in wanted) for wanted in choices)
    every = [file for wanted in choices for file in wanted]
    looked = "\n".join(f"  {folder}: {_state(folder, every)}" for folder in dict.fromkeys(folders))
    return DataError(
        f"no folder has all files of {data_set}, and {why}\n"
        f"wanted:\n{files}\nlooked in:\n{looked}\n"
        "put them into one folder and name it by data.dir in the config or by LSCAPE_DATA"
    )


def _state(folder: Path, wanted: Sequence[Wanted]) -> str:
    try:
        os.listdir(folder)
    except FileNotFoundError:
        return "no such folder"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    lacking = [file.lacking(folder) for file in wanted if not file.within(folder)]
    none = lacking == [file.names[0] for file in wanted]
    return "has none of them" if none else f"lacks {', '.join(lacking)}"


def damaged(error: DataError, remotes: Sequence[Remote], paths: Sequence[Path]) -> DataError:
    """The error, with what to do about files of a published one's name that are not it."""
    said = [str(error)]
    for remote, path in zip(remotes, paths, strict=True):
        with suppress(OSError):
            if path.name == remote.name and sha256(path) != remote.sha256:
                cached = path.is_relative_to(cache())
                said.append(
                    f"{path} is not the published file, whose SHA-256 is {remote.sha256}: "
                    + ("delete it, and it is downloaded again" if cached else "replace it by that")
                )
    return DataError("\n".join(said))


def plain(name: str, key: str) -> str:
    """A file's name that names nothing outside of its folder. Raises DataError."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise DataError(f"{key}: expected a file's name without folders, got {name!r}")
    return name
