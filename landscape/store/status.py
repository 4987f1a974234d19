"""What a run was made with, how far it is, and which process holds it. No JAX here."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from landscape.config.validation import ConfigError
from landscape.config.yaml_source import read_file
from landscape.core import large
from landscape.store.files import (
    ALTERED,
    FORMAT,
    RunError,
    checked,
    checksum,
    holding,
    is_held,
    place_of,
    read_json,
    write_bytes,
    write_json,
)
from landscape.store.layout import Layout
from landscape.store.records.runs import KeptConfig, Meta
from landscape.store.temporary import remove_leftovers, unnamed_file

WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)

LOOK_SECONDS = 0.5  # `in_use` holds the lock for a moment: that is no other process at work
SEAL = "# sha256: "  # begins the last line of settings
LEFT_OUT = {
    "figures",
    "pictures",
    "tensorboard",
    "training",
    "wandb",
}  # folders that the report writes, or that go
UNFINISHED = ("search-", "task-")  # begin the names of what is there for a while
KEPT = {".json", ".jsonl", ".safetensors", ".yaml"}


def _keys_and_values(path: Path) -> dict[str, Any]:
    """The plain data of a YAML file. Raises RunError."""
    try:
        source, data = read_file(path)
    except ConfigError as error:
        raise RunError(str(error)) from None
    if source.problems or not isinstance(data, dict):
        key, said = source.problems[0] if source.problems else ("", "it has no keys with values")
        raise RunError(f"{path}: unreadable: {key}{': ' * bool(key)}{said}")
    return data


class StatusFiles(Layout):
    """Reads and writes meta.json, reads the config and holds the lock."""

    def meta(self) -> Meta:
        """What the run was made with, and how far it is. Raises RunError."""
        return checked(Meta, read_json(self.meta_file), self.meta_file)

    def checked_config_file(self) -> Path:
        """The config, if it is what the run was made with. Raises RunError if it was altered."""
        try:
            content = self.config_file.read_bytes()
        except OSError as error:
            raise RunError(f"{self.config_file}: unreadable: {error}") from None
        if hashlib.sha256(content).hexdigest() != self.meta().config_sha256:
            raise RunError(
                f"{self.config_file}: altered since the run was made; another config is another "
                "run, and other search settings go on the command line (--set connect.key=value)"
            )
        return self.config_file

    def config(self) -> dict[str, Any]:
        """The config as plain data. Raises RunError if it was altered or cannot be read."""
        data = _keys_and_values(self.checked_config_file())
        checked(KeptConfig, data, self.config_file)
        return data

    def length_over(self, set_name: str) -> str:
        """The parameters that a set's lengths and chords are over. Raises RunError."""
        path = self.settings_file(set_name)
        self.settings_text(path)
        over = _keys_and_values(path).get("length_over")
        return checked(str, over, f"{path}: length_over")

    def write_settings(self, path: Path, text: str) -> None:
        """Keep the settings of a set or of measures, as YAML, with their checksum below."""
        write_bytes(path, f"{text}{SEAL}{checksum(text.encode(), place_of(path))}\n".encode())

    def settings_text(self, path: Path) -> str:
        """What `write_settings` kept. Raises RunError where it is gone or altered."""
        try:
            text, seal, known = path.read_text().rpartition(SEAL)
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: unreadable: {error}") from None
        if not seal or known != f"{checksum(text.encode(), place_of(path))}\n":
            raise RunError(f"{path}: does not match its checksum: {ALTERED}")
        return text

    def files(self) -> dict[str, int]:
        """How many files the run's stages have written, by the folder that they are in; of paths
        and models that are listed elsewhere, which are many, none."""
        counts: Counter[str] = Counter()
        for place, folders, names in os.walk(self.directory):
            folder = Path(place).relative_to(self.directory)
            folders[:] = [name for name in folders if not _is_listed(folder / name)]
            for name in names:
                if Path(name).suffix in KEPT and not name.startswith((".", *UNFINISHED)):
                    counts[folder.parts[0] if folder.parts else name] += 1
        return dict(counts)

    def lost_files(self) -> dict[str, int]:
        """Of how many files each folder is short since the last stage ended."""
        known, there = self.meta().files or {}, self.files()
        short = {name: count - there.get(name, 0) for name, count in known.items()}
        return {name: count for name, count in short.items() if count > 0}

    def update_meta(self, **changes: Any) -> None:
        before: dict[str, Any] = {"format": FORMAT, "stages": {}}
        if self.meta_file.exists():
            before = read_json(self.meta_file)
            checked(Meta, before, self.meta_file)
        write_json(self.meta_file, {**before, **changes})

    def keep_changes(self, name: str, changes: Sequence[str]) -> None:
        """Keep what a set or measures have other than the config, to be made again by it."""
        self.update_meta(changed={**(self.meta().changed or {}), name: list(changes)})

    def stage_status(self, stage: str) -> str | None:
        return self.meta().stages.get(stage)

    @property
    def lock_file(self) -> Path:
        return self.directory / "lock"

    def in_use(self) -> bool:
        """Whether a process holds the run; True where its lock may not be looked at."""
        if not self.lock_file.exists():
            return False
        try:
            import fcntl
        except ImportError:  # on Windows
            try:
                with self.held():
                    return False
            except RunError:
                return True
        try:
            with self.lock_file.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # closing lets go of it
        except OSError as error:
            return error.errno not in WITHOUT_LOCKS  # without them no process works on a run
        return False

    def is_held_here(self) -> bool:
        """Whether this process holds the run."""
        return is_held(self.directory)

    def held(self) -> contextlib.AbstractContextManager[object]:
        """Hold the run for one process.

        Raises RunError when another process holds it, and on a disk without locks.
        """
        from filelock import FileLock, Timeout  # here: whoever only reads does not wait for it

        # the system's own lock, which ends with the process that holds it
        lock = FileLock(self.lock_file, timeout=LOOK_SECONDS, fallback_to_soft=False)
        try:
            return lock.acquire()
        except Timeout:
            raise RunError(f"{self.directory}: in use by another lscape process") from None
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
            raise RunError(
                f"{self.lock_file}: this file system has no locks ({error.strerror}), so that two "
                "processes could spoil a run; keep runs on another one (--runs-dir)"
            ) from None

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Hold the run for one process and keep its status: running, then done, or how it ended.
        What a process that was killed has left on its way is removed.

        Raises RunError as `held`.
        """
        with self.held(), holding(self.directory), self.with_large_arrays():
            remove_leftovers(self.directory)
            self._set_status(name, "running")
            try:
                yield
            except BaseException as error:
                stopped = isinstance(error, KeyboardInterrupt | GeneratorExit)
                with contextlib.suppress(OSError, RunError):
                    self._set_status(name, "interrupted" if stopped else "failed")
                raise
            self._set_status(name, "done")

    def with_large_arrays(self) -> contextlib.AbstractContextManager[None]:
        """Within, arrays that memory has no room for lie in the run's directory."""
        return large.files_from(functools.partial(unnamed_file, self.directory))

    def _set_status(self, stage: str, status: str) -> None:
        stages = {**self.meta().stages, stage: status}
        files = {"files": self.files()} if status == "done" else {}
        self.update_meta(status=status, stage=stage, stages=stages, **files)


def _is_listed(folder: Path) -> bool:
    """Whether a table of the run lists what is in a folder of it, or nothing of the run is."""
    first, *below = folder.parts
    by_table = (first == "sets" and len(below) > 1) or (first == "measures" and len(below) > 1)
    return by_table or first in LEFT_OUT
