"""Our means beside published ones, and how far apart they are."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from landscape.store.files import RunError

COLUMNS = (
    "task", "level", "length_mean", "length_lo", "length_hi", "beads_mean", "beads_lo", "beads_hi",
)  # fmt: skip
MEASURES = {"length": "normalized_length", "beads": "beads"}

Published = dict[str, Any]


def read_published(path: str | Path) -> list[Published]:
    """Published figures: [{task, level, length: {mean, lo, hi}, beads: {mean, lo, hi}}].

    A measure whose three cells are empty was not published, and is None. Raises RunError naming
    file, line and column for what cannot be read as such.
    """
    try:
        lines = list(csv.reader(Path(path).read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: unreadable: {error}") from None
    header = lines[0] if lines else []
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        wanted = ", ".join(COLUMNS)
        raise RunError(f"{path}:1: no column {', '.join(missing)} (columns: {wanted})")
    records: dict[tuple[str, float], Published] = {}
    for place, line in enumerate(lines[1:], 2):
        if any(cell.strip() for cell in line):
            record = _record(path, place, dict(zip(header, line, strict=False)))
            key = record["task"], record["level"]
            if key in records:
                raise RunError(f"{path}:{place}: {key[0]} at {key[1]:g} stands there twice")
            records[key] = record
    return list(records.values())


def _record(path: str | Path, place: int, cells: dict[str, str]) -> Published:
    def value(column: str) -> float:
        text = cells.get(column, "")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise RunError(f"{path}:{place}: {column}: expected a number, got '{text}'")
        return number

    def measure(name: str) -> dict[str, float] | None:
        if not any(cells.get(f"{name}_{part}", "").strip() for part in ("mean", "lo", "hi")):
            return None
        found = {part: value(f"{name}_{part}") for part in ("mean", "lo", "hi")}
        if not found["lo"] <= found["mean"] <= found["hi"]:
            raise RunError(f"{path}:{place}: {name}: the mean is not between lo and hi")
        return found

    task = cells["task"].strip()
    return {"task": task, "level": value("level"), **{name: measure(name) for name in MEASURES}}


def compare(
    levels: Sequence[dict[str, Any]], names: Sequence[str], published: Sequence[Published]
) -> list[dict[str, Any]]:
    """One record a level of ours that was published: {run, method, set, level, pairs, connected,
    and for length and beads {ours, theirs, difference}}.

    names: the published task of each level, the name of its config. difference: ours less theirs
    over √(se² + ((hi − lo)/2)²), their interval taken as one standard error either way; None
    where there is no standard error of ours or nothing of theirs.
    """
    found = {(theirs["task"], theirs["level"]): theirs for theirs in published}
    records = []
    for name, level in zip(names, levels, strict=True):
        theirs = found.get((name, level["level"]))
        if theirs is None:
            continue
        keys = ("run", "task", "method", "set", "level", "pairs", "connected")
        record = {key: level[key] for key in keys} | {"published": name}
        for measure, key in MEASURES.items():
            ours, their = level[key], theirs[measure]
            difference = None
            if ours["se"] is not None and their is not None:
                combined = math.hypot(ours["se"], (their["hi"] - their["lo"]) / 2)
                difference = (ours["mean"] - their["mean"]) / combined if combined else None
            record[measure] = {"ours": ours, "theirs": their, "difference": difference}
        records.append(record)
    return records
