"""Where the files of a data set are: the user's folders, the cache, or the net."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscape.data.download import Progress, Remote, download
from landscape.data.errors import DataError


def _silent(stage: str, done: float, total: float, **facts: Any) -> None:
    pass


@dataclass(frozen=True)
class Wanted:
    """A file that a data set needs: the names it may have, and its checksum where one is known."""

    names: tuple[str, ...]
    sha256: str | None = None

    def within(self, folder: Path) -> Path | None:
        return next((folder / name for name in self.names if (folder / name).is_file()), None)

    def __str__(self) -> str:
        return self.names[0] + (f" (SHA-256 {self.sha256})" if self.sha256 else "")


@dataclass(frozen=True)
class Store:
    """Finds files: in `directory` (the config's data.dir), in $LSCAPE_DATA, in the user's cache."""

    directory: str | Path | None = None
    progress: Progress = _silent

    def folders(self, data_set: str, also: Sequence[str] = ()) -> list[Path]:
        """The folders that may hold a data set, in the order in which they are looked at.

        Raises DataError when the folder that was asked for is none.
        """
        given = [self.directory] if self.directory is not None else []
        if given and not Path(given[0]).is_dir():
            raise DataError(f"data.dir: {given[0]}: no such folder")
        places = [*given, *filter(None, [os.environ.get("LSCAPE_DATA")]), cache()]
        return [Path(place) / name for place in places for name in ("", data_set, *also)]

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
            if not path.exists():
                try:
                    download(remote, path, self.progress)
                except OSError as error:
                    raise DataError(f"{path}: cannot be written: {error.strerror}") from None
        return paths


def cache() -> Path:
    """The user's own folder for data sets."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "lscape" / "data"


def missing(
    data_set: str, wanted: Sequence[Wanted], folders: Sequence[Path], why: str
) -> DataError:
    """The error that says which files are wanted, where they were looked for, and what to do."""
    files = "\n".join(f"  {file}" for file in wanted)
    looked = "\n".join(f"  {folder}" for folder in dict.fromkeys(folders))
    return DataError(
        f"no folder has all files of {data_set}, and {why}\n"
        f"wanted:\n{files}\nlooked in:\n{looked}\n"
        "put them into one folder and name it by data.dir in the config or by LSCAPE_DATA"
    )


def plain(name: str, key: str) -> str:
    """A file's name that names nothing outside of its folder. Raises DataError."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise DataError(f"{key}: expected a file's name without folders, got {name!r}")
    return name
