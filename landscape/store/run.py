"""A run directory: what is on disk, written atomically and checked when read. No JAX here.

landscape/store/layout.py has what is where; each kind of file is read and written in one module.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscape.store.alignments import AlignmentFiles
from landscape.store.files import FORMAT, RunError, parsed_json, write_bytes
from landscape.store.measures import MeasureFiles
from landscape.store.models import ModelFiles
from landscape.store.paths import PathFiles
from landscape.store.planes import PlaneFiles
from landscape.store.temporary import is_temporary


@dataclass(frozen=True, repr=False)
class Run(ModelFiles, AlignmentFiles, PlaneFiles, PathFiles, MeasureFiles):
    """A run directory: checked reading and writing; it computes nothing."""

    def __repr__(self) -> str:
        return f"<Run {self.directory}>"


def create_run(directory: Path, config_text: str, meta: Mapping[str, Any]) -> Run:
    """A new run directory. Its meta.json comes last, and makes it a run: a call that was cut off
    before is completed by the next. Raises RunError when another process holds it."""
    directory.mkdir(parents=True, exist_ok=True)
    run = Run(directory)
    with run.held():
        if not run.meta_file.exists():
            write_bytes(run.config_file, config_text.encode())
            checksum = hashlib.sha256(config_text.encode()).hexdigest()
            run.update_meta(status="running", config_sha256=checksum, **meta)
    return run


def is_new(directory: Path) -> bool:
    """Whether `create_run` is to make the run: there is nothing, or only what a call that was cut
    off has left."""
    if not directory.exists():
        return True
    run = Run(directory)
    first = {run.config_file.name, run.lock_file.name}
    return all(name in first or is_temporary(name) for name in os.listdir(directory))


def open_run(path: str | Path, runs_dir: str | Path = "runs") -> Run:
    """Open the run at a path, or of that name under runs_dir.

    Args:
        path: The directory, or its name.
        runs_dir: Where run directories are.

    Returns:
        The run.

    Raises:
        RunError: It is not a run directory, or one of another format.
    """
    places = [Path(path), Path(runs_dir) / path]
    directory = next((place for place in places if (place / "meta.json").is_file()), None)
    if directory is None:
        if not any(place.exists() for place in places):
            known = sorted(item.parent.name for item in Path(runs_dir).glob("*/meta.json"))
            listed = f"; runs in {runs_dir}: {', '.join(known)}" if known else ""
            raise RunError(f"{path}: no such run directory{listed}")
        raise RunError(f"{path}: not a run directory (it has no meta.json)")
    _check_inside(directory)
    run = Run(directory)
    meta = parsed_json(run.meta_file)
    version = meta.get("format") if isinstance(meta, dict) else None
    if not isinstance(version, int) or "stages" not in meta:
        raise RunError(f"{directory}: not a run directory (its meta.json has no format and stages)")
    if version != FORMAT:
        age = "a newer" if version > FORMAT else "an older"
        raise RunError(
            f"{directory}: written by {age} lscape (format {version}, this one reads {FORMAT})"
        )
    run.checked_config_file()
    return run


def _check_inside(directory: Path) -> None:
    """Raise RunError for what leads out of a run, or is neither file nor folder: whoever made the
    run may mean harm."""
    own, folders = directory.resolve(), [directory]
    while folders:
        with contextlib.suppress(FileNotFoundError), os.scandir(folders.pop()) as entries:
            for entry in entries:  # of which some may go while another process works
                path = Path(entry.path)
                if entry.is_symlink() and not path.resolve().is_relative_to(own):
                    raise RunError(f"{path}: a link that leads out of the run")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif not (entry.is_symlink() or entry.is_file()) and os.path.lexists(path):
                    raise RunError(f"{path}: neither a file nor a folder")
