"""What a sweep keeps: of which runs it is made. No JAX here."""

from __future__ import annotations

from pathlib import Path

from landscape.store.files import FORMAT, RunError, checked, read_json, write_json
from landscape.store.records.base import as_dict
from landscape.store.records.runs import SweepRecord

SWEEP_FILE = "sweep.json"


def write_sweep(directory: Path, record: SweepRecord) -> None:
    """Keep what a sweep is made of."""
    write_json(directory / SWEEP_FILE, as_dict(record))


def open_sweep(path: str | Path, runs_dir: str | Path = "runs") -> tuple[Path, SweepRecord] | None:
    """The directory of the sweep at a path, or of that name under runs_dir, and its record; None
    for what is no sweep's directory. Raises RunError for a damaged record, or a newer format."""
    for directory in (Path(path), Path(runs_dir) / path):
        if (directory / SWEEP_FILE).is_file():
            record = read_json(directory / SWEEP_FILE)
            if record.get("format") != FORMAT:
                raise RunError(f"{directory / SWEEP_FILE}: not a sweep of format {FORMAT}")
            return directory, checked(SweepRecord, record, directory / SWEEP_FILE)
    return None
