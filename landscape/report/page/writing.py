"""A report's page and its files, made where they are not what they would be.

Drawing takes most of a report's time, and a finished run does not change. So beside the figures is
kept what they were made of: the report, the code, and the size and time of every file of the runs,
the page's own among them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from landscape.core.versions import version_of, versions_of_results
from landscape.report.data.known import Known, by_place, known_of
from landscape.store.files import write_bytes
from landscape.store.run import Run
from landscape.store.temporary import is_temporary, remove_leftovers

MADE_OF = "made-of.json"


def write_html(
    runs: Sequence[Run],
    report: dict[str, Any],
    path: Path,
    pairs: Sequence[tuple[int, int]] = (),
    known_paths: Sequence[Sequence[Known]] | None = None,
) -> None:
    """Write the page of a report of these runs, whole or not at all; its figures as SVG and PDF
    with their numbers as CSV in a folder beside it, figures/ for report.html. What nothing has
    changed stays as it is.

    pairs: whose strings to draw at every level; without any, the longest of each set at its lowest
    level. The drawings are kept as files under pictures/ in the run too. known_paths: `known_of`
    each run, where that is read already. Raises OSError, RunError.
    """
    folder, shown = path.with_name(path.stem.replace("report", "figures", 1)), [report, pairs]
    for run in runs:
        remove_leftovers(run.directory)
    if path.is_file() and _kept(folder) == _made_of(folder, runs, shown):
        return
    from landscape.report.page.page import page_of  # with Matplotlib, which takes long to import

    shortest = [by_place(known) for known in known_paths or map(known_of, runs)]
    page = page_of(runs, report, pairs, shortest)
    write_bytes(path, page.html.encode())
    for figure in page.figures:
        for name, content in figure.files.items():
            write_bytes(folder / name, content)
    for run, own in zip(runs, page.pictures, strict=True):
        for picture in own:
            for name, content in picture.files.items():
                write_bytes(run.directory / "pictures" / name, content)
    if any(run.in_use() for run in runs):
        (folder / MADE_OF).unlink(missing_ok=True)
    else:
        kept = json.dumps(_made_of(folder, runs, shown), indent=1)
        write_bytes(folder / MADE_OF, f"{kept}\n".encode())


def _kept(folder: Path) -> object:
    try:
        return json.loads((folder / MADE_OF).read_text())
    except (OSError, ValueError):
        return None


def _made_of(folder: Path, runs: Sequence[Run], shown: Any) -> dict[str, Any]:
    """As JSON has it; shown: what the page shows, as plain data."""
    files = [line for run in runs for line in _files(run.directory, folder / MADE_OF)]
    return {
        "in use": any(run.in_use() for run in runs),
        "shown": _digest(json.dumps(shown, sort_keys=True, default=str)),
        "code": {**versions_of_results(), "matplotlib": version_of("matplotlib")},
        "files": _digest("\n".join(files)),
    }


def _files(directory: Path, but: Path) -> Iterator[str]:
    """A line a file, here and below: its place, size and time."""
    for folder, folders, names in os.walk(directory):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if path != but and not is_temporary(name):
                known = path.lstat()
                yield f"{path.relative_to(directory)} {known.st_size} {known.st_mtime_ns}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
