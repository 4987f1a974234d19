"""What a run's tables list and its files no longer hold, and the command that makes it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from landscape.store.layout import level_name
from landscape.store.run import Run
from landscape.store.tables import LostModel, LostString


def missing_of(run: Run) -> list[dict[str, Any]]:
    """A record a command: {what, of, level (None of measures), lost, command}, for the rows of
    results.csv and of the latest measures that have lost their files.

    what: `pairs`, `measured strings` or `measured models`; of: their set or measures; lost: what of
    it, in words. Raises RunError for a damaged table.
    """
    found = []
    for (name, level), rows in groupby(run.lost_rows(), lambda row: (row.set, row.level)):
        pairs = [f"{row.a}-{row.b}" for row in rows]
        command = _command(run, "connect", name, [level], ["--pairs", ",".join(pairs)])
        record = {"what": "pairs", "of": name, "level": level, "lost": pairs}
        found.append(record | {"command": command})
    measures = run.latest_measures()
    strings, models = run.lost_measures(measures) if measures else ([], [])
    for what, lost in (("measured strings", strings), ("measured models", models)):
        if lost:
            levels = sorted({row.level for row in lost}, reverse=True)
            record = {"what": what, "of": measures, "level": None}
            command = _command(run, "measure", str(measures), levels)
            found.append(record | {"lost": [*map(_said, lost)], "command": command})
    return found


def missing_said(record: dict[str, Any]) -> str:
    """The sentence of a record."""
    at = "" if record["level"] is None else f" at {record['level']:g}"
    return (
        f"{record['of']}: the files of {record['what']}{at} are gone, so no number here is of them "
        f"({', '.join(record['lost'])}); `{record['command']}` makes them again"
    )


def gone_said(run: Run) -> list[str]:
    """A sentence for each loss that no table lists: files, rows of strings, ends of curves."""
    said = [
        f"{name}: {count} of its files {'are' if count > 1 else 'is'} gone since the last stage "
        "ended, and no number here is of what is gone; the command that made it makes it again"
        for name, count in run.lost_files().items()
    ]
    for name in run.sets():
        if count := run.without_row(name):
            said.append(
                f"{name}: {count} strings have no row in rows.jsonl, and no number here is of "
                "them; the same `lscape connect` searches their pairs again"
            )
    if run.stage_status("train") == "done":
        said += _curves_said(run)
    return said


def _curves_said(run: Run) -> list[str]:
    seen = {line.model: line.step for line in run.history()}
    twins = run.config()["train"].get("permute") is not None
    short = [
        str(model.model)
        for model in run.models()
        if model.status == "TRAINED" and model.steps > seen.get(model.model, 0)
        if not (twins and model.model % 2)
    ]
    said = "history.jsonl: lines are gone: the training curves end early of models"
    return [f"{said} {', '.join(short)}"] * bool(short)


def _said(row: LostString | LostModel) -> str:
    of = f"{row.set} {row.a}-{row.b}" if isinstance(row, LostString) else f"{row.model}"
    return f"{of} at {row.level:g}"


def _command(
    run: Run, name: str, of: str, levels: Sequence[float], more: Sequence[str] = ()
) -> str:
    """lscape's command for what a set or measures have at these levels."""
    settings = (run.meta().changed or {}).get(of, [])
    options = [part for setting in settings for part in ("--set", setting)]
    at = [part for level in levels for part in ("--level", level_name(level))]
    return shlex.join(["lscape", name, str(run.directory), *more, *at, *options])
