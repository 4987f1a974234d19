"""lscape check"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lscape_cli import console, options

if TYPE_CHECKING:
    from landscape.config.load import Config
    from landscape.store.records.models import ModelRecord


@click.command(cls=options.Command)
@options.config_argument
@options.changes
@options.trust
@options.common
def check(
    config: str,
    overrides: tuple[str, ...],
    seed: int | None,
    runs_dir: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Validate CONFIG and estimate what it would take.

    Shows it resolved, and measures a step to estimate time, memory and disk. With a sweep section
    in CONFIG, every combination is checked, and the table has a line for each. Writes nothing.

    \b
    Example:
      lscape check configs/quickstart.yaml --set task.hidden=[64,64]
    """
    with console.working(quiet) as progress:
        from landscape.config.load import dump_config, load_config, load_sweep, resolved, run_name
        from landscape.stages.check import check as measure
        from landscape.stages.check import check_sweep

        grid = load_sweep(config, overrides, seed)
        combinations = check_sweep(grid, progress) if grid is not None else []
        settings = load_config(config, overrides, seed) if grid is None else None
        found = measure(settings, progress) if settings is not None else {}
    if settings is None:
        _show_sweep(grid, combinations, runs_dir, as_json)
        return
    directory = str(Path(runs_dir) / run_name(settings))
    if as_json:
        console.show_json({"run": directory, "config": resolved(settings), **found})
        return
    console.show(dump_config(settings))
    facts = {"run directory": directory, **_estimates(found)}
    width = max(map(len, facts)) + 2
    console.show("\n".join(f"{name:<{width}}{fact}" for name, fact in facts.items()))
    if found["given"]:
        console.show("\n" + "\n".join(_networks(found["given"], settings)))
    if found["notes"]:
        console.show("\n" + "\n".join(found["notes"]))


def _show_sweep(grid: Any, found: list[dict[str, Any]], runs_dir: str, as_json: bool) -> None:
    from landscape.config.load import sweep_name
    from landscape.config.sections import combination_name

    directory = str(Path(runs_dir) / sweep_name(grid))
    whole = {key: sum(one[key] for one in found) for key in ("train_seconds", "connect_seconds")}
    if as_json:
        console.show_json({"sweep": directory, "combinations": found, **whole})
        return
    head = ["combination", "parameters", "pairs", "training", "connecting", "memory"]
    rows = [
        [
            combination_name(one["values"]), f"{one['parameters']:,}", f"{one['pairs']:,}",
            *(duration(one[key]) for key in whole), size(one["memory_bytes"]),
        ]
        for one in found
    ]  # fmt: skip
    console.show_table(head, [*rows, ["all", "", "", *map(duration, whole.values()), ""]])
    console.show(f"sweep directory  {directory}\n\n" + "\n".join(_notes(found)))


def _notes(found: list[dict[str, Any]]) -> list[str]:
    """Those of all combinations, after those of some, which say of which."""
    from landscape.config.sections import combination_name

    common = [note for note in found[0]["notes"] if all(note in one["notes"] for one in found)]
    own = [
        f"{combination_name(one['values'])}: {note}"
        for one in found
        for note in one["notes"]
        if note not in common
    ]
    return own + common


def _networks(records: list[ModelRecord], settings: Config) -> list[str]:
    """A line a network trained elsewhere: where it stands, and the lowest level that it reaches."""
    lines, metric = [], settings.levels.metric
    for record, files in zip(records, settings.train.files, strict=True):
        value = "non-finite" if record.value is None else f"{record.value:.6g}"
        said = record.given.said(metric) if record.given else f"{files[-1]}: {metric} {value}"
        met = [level.level for level in record.levels if level.status == "REACHED"]
        lines.append(f"{said}; {f'reaches {min(met):g}' if met else 'reaches no level'}")
    return lines


def _estimates(found: dict[str, Any]) -> dict[str, str]:
    return {
        "device": str(found["device"]),
        "parameters": f"{found['parameters']:,}",
        "models": f"{found['models']:,}",
        "pairs": f"{found['pairs']:,}",
        "levels": ", ".join(f"{level:g}" for level in found["levels"]),
        "a step": duration(found["step_seconds"]),
        "a bead's step": f"{duration(found['bead_seconds'])} by {found['optimizer']}",
        "a segment's profile": duration(found["profile_seconds"]),
        "a plane": duration(found["plane_seconds"]),
        "training": duration(found["train_seconds"]),
        "connecting": duration(found["connect_seconds"]),
        "memory": size(found["memory_bytes"]),
        "disk": size(found["disk_bytes"]),
    }


def duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60), ("s", 1), ("ms", 1e-3)):
        if seconds >= 1.5 * length:
            return f"{float(f'{seconds / length:.2g}'):g} {unit}"
    return f"{seconds * 1e6:.2g} µs" if seconds else "0 s"


def size(amount: float) -> str:
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= length:
            return f"{amount / length:.3g} {unit}"
    return f"{amount:.0f} bytes"
