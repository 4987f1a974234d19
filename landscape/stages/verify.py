"""Judge again, from the saved strings alone, on a finer grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from landscape import paths
from landscape.base import Status
from landscape.runs import Run, RunError, load_arrays
from landscape.stages.setup import Progress, build_landscape, config_of, in_use, log, silent

FINER = 4


def verify(run: Run, grid: int | None = None, progress: Progress = silent) -> list[dict[str, Any]]:
    """Certify every CONNECTED string of a run again, on `grid` points a segment (4 times the
    search's own by default), and its ends against the models' files, bit for bit.

    A string that does not hold is downgraded to NOT_FOUND in its file and in results.csv.
    Returns a record a string: {set, method, level, a, b, grid, max_loss, limit, agreed, reason}.
    Raises RunError (damaged or altered files, a grid coarser than a string was certified on).
    """
    config = config_of(run)
    rows = [row for row in run.rows() if row["status"] == Status.CONNECTED]
    coarsest = max((row["grid"] for row in rows), default=0)
    if grid is not None and grid < coarsest:
        raise RunError(f"{run.directory}: certified at grid {coarsest}; {grid} is coarser")
    if not rows:
        return []
    landscape = build_landscape(config, progress)
    profilers: dict[int, Any] = {}
    records = []
    with run.stage("verify"):
        for number, row in enumerate(rows):
            points, profile, film = run.load_connection(row)
            points = in_use_string(points, landscape, run, row)
            finer = grid or FINER * row["grid"]
            if finer not in profilers:
                profilers[finer] = paths.make_peaks(landscape, finer)
            found = paths.certify(points, profilers[finer], row["limit"])
            agreed = found.holds(row["limit"])
            reason = ""
            if not agreed:
                reason = (
                    f"verify at grid {finer} found {found.maximum:.6g} at {found.max_at:.4f} "
                    f"of the string, above {row['limit']:.6g}"
                )
                finite = bool(np.isfinite(found.maximum))
                lowered = {
                    "status": Status.NOT_FOUND if finite else Status.NON_FINITE,
                    "max_loss": found.maximum if finite else None,
                    "barrier": found.barrier if finite else None,
                    "max_at": found.max_at,
                    "last_change": found.last_change,
                    "resolution": found.resolution,
                    "grid": finer,
                    "reason": reason,
                }
                run.save_connection(row | lowered, points, profile, film)
                where = f"{row['set']} at {row['level']:g}, pair {row['a']}-{row['b']}"
                log.warning(f"DOWNGRADED {where}: {reason}")
            keys = ("set", "method", "level", "a", "b", "limit")
            records.append(
                {key: row[key] for key in keys}
                | {"grid": finer, "max_loss": found.maximum, "agreed": agreed, "reason": reason}
            )
            progress("verifying", number + 1, len(rows), agreed=sum(r["agreed"] for r in records))
        run.write_results()
    return records


def in_use_string(points: Any, landscape: Any, run: Run, row: dict[str, Any]) -> Any:
    """The string, if its ends are the run's own models bit for bit. Raises RunError if not."""
    for end, model in ((0, row["a"]), (-1, row["b"])):
        path = run.model_file(model, row["level"])
        params = in_use(load_arrays(path)[0], landscape, path)
        for name, leaf in params.items():
            if name not in points or not np.array_equal(points[name][end], leaf):
                file = run.connection_file(row["set"], row["level"], row["a"], row["b"])
                raise RunError(f"{file}: its end {name} is not that of {path}")
    return points
