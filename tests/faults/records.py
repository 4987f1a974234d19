"""What a run's directory says, times aside: two that were made by the same work are equal."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from landscape.store.files import load_arrays
from landscape.store.run import open_run

OF_A_PROCESS = {"lock", "meta.json", "events.jsonl", "history.jsonl", "report.html"}
TIMES = {"seconds", "sha256", "arrays_sha256"}


def said(directory: Path) -> dict[str, object]:
    """By file's name. What a process says of itself is left out: when, by which command, how often;
    and pictures, which are drawn of the rest."""
    return {
        str(path.relative_to(directory)): _content(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
        and path.name not in OF_A_PROCESS
        and not {"figures", "pictures"}.intersection(path.relative_to(directory).parts)
    }


def _content(path: Path) -> object:
    if path.suffix == ".safetensors":
        arrays, record = load_arrays(path)
        named = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}
        return named, _timeless(record)
    if path.suffix == ".jsonl":
        lines = map(json.loads, path.read_text().splitlines())
        return _latest([_timeless(line) for line in lines])
    if path.suffix == ".json":
        return _timeless(json.loads(path.read_text()))
    if path.suffix == ".csv":
        return [_timeless(row) for row in csv.DictReader(path.read_text().splitlines())]
    return path.read_bytes()


def _latest(rows: list[Any]) -> list[Any]:
    return sorted({(row["level"], row["a"], row["b"]): row for row in rows}.items())


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in TIMES}
    return [*map(_timeless, value)] if isinstance(value, list) else value


def differences(one: Path, other: Path) -> list[str]:
    """The files that differ, or that one has alone; of training curves, whose points are as far
    apart as the machine is fast, only a point that has two values."""
    ours, theirs = said(one), said(other)
    found = [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)]
    ours, theirs = _curve(one), _curve(other)
    if any(ours[place] != theirs[place] for place in ours.keys() & theirs.keys()):
        found.append("history.jsonl")
    return sorted(found)


def _curve(directory: Path) -> dict[tuple[int, int], float]:
    return {(line.model, line.step): line.value for line in open_run(directory).history()}


def leftovers(folder: Path) -> list[str]:
    """Files that were on their way, and stayed."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.name.startswith((".", "search-", "task-", "shortening-"))
        or path.suffix == ".partial"
        or path.parent.name == "training"
    )
