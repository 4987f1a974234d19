"""The loss on a plane: through three models, through a pair and its path, or around one model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from landscape import paths, trees
from landscape.base import Landscape, Status, key_data
from landscape.compute import each
from landscape.files import Arrays, Row, RunError, load_arrays
from landscape.planes import FLAT, Plane, off_line, random_directions, through
from landscape.runs import Run, level_name
from landscape.stages.kept import KeptPlane, kept
from landscape.stages.setup import Checkpoints, Progress, build_landscape, config_of, in_use, silent

MARGIN = 0.2  # around the models and the strings, of what they take


def plane(
    run: Run,
    models: Sequence[int] = (),
    pair: Sequence[int] = (),
    random: int | None = None,
    level: float | None = None,
    grid: int = 41,
    progress: Progress = silent,
) -> str:
    """Evaluate the level's metric on grid × grid points of a plane; returns its name.

    models: three, whose plane it is (Garipov et al. 2018), with the strings between them; pair: two
    models, and the highest point of their string that is off the line between them; random: one
    model, two filter-normalised directions (Li et al. 2018), from −1 to 1. They are taken as they
    were at a level, the lowest that all of them reached unless one is given. An unfinished plane is
    resumed. Raises RunError (models, levels or strings that are not there, points on a line),
    ConfigError.
    """
    config = config_of(run)
    chosen = list(models or pair or ([] if random is None else [random]))
    kind = "models" if models else "pair" if pair else "random"
    _check(run, kind, chosen, config.train.models)
    at = _level(run, chosen, list(config.levels.values), level)
    name = f"{kind}-{'-'.join(map(str, chosen))}-{level_name(at)}"
    if run.plane_file(name).exists() and run.load_plane(name)[1]["grid"] == grid:
        return name
    landscape = build_landscape(config, progress)
    ends = [_model(run, landscape, model, at) for model in chosen]
    rows = [_string(run, a, b, at) for a, b in combinations(sorted(chosen), 2)]
    strings = [(row, run.load_connection(row)) for row in rows if row is not None]
    try:
        if kind == "models":
            flat = through(*ends)
        elif kind == "pair":
            flat = _with_highest(run, chosen, at, strings)
        else:
            seed = key_data(config.seed, "plane", random)
            flat = random_directions(ends[0], np.random.default_rng(seed.tolist()))
    except ValueError as error:
        raise RunError(f"{run.directory}: {kind} {_listed(chosen)} at {at:g}: {error}") from None

    arrays, record = _marks(flat, chosen, ends, strings)
    arrays |= _axes(arrays, grid, kind)
    with run.stage(f"plane {name}"):
        arrays["loss"] = _losses(run, name, landscape, flat, arrays["x"], arrays["y"], progress)
        record |= {"kind": kind, "models": chosen, "level": at, "grid": grid}
        record |= {"metric": f"{config.levels.split} {config.levels.metric}"}
        run.save_plane(name, arrays, record)
        run.plane_checkpoint(name).unlink(missing_ok=True)
    return name


def _listed(models: Sequence[int]) -> str:
    return ", ".join(map(str, models))


def _check(run: Run, kind: str, chosen: Sequence[int], count: int) -> None:
    wanted = {"models": 3, "pair": 2, "random": 1}[kind]
    known = f"{run.directory}: its models are 0 to {count - 1}"
    if len(set(chosen)) != wanted or len(chosen) != wanted:
        raise RunError(f"{kind}: {_listed(chosen)}: {wanted} different models are needed; {known}")
    missing = [model for model in chosen if not 0 <= model < count]
    if missing:
        raise RunError(f"{kind}: no model {_listed(missing)}; {known}")


def _level(run: Run, chosen: Sequence[int], levels: list[float], level: float | None) -> float:
    if run.stage_status("train") != "done":
        raise RunError(f"{run.directory}: training is not finished; `lscape train` resumes it")
    if level is not None and level not in levels:
        allowed = ", ".join(f"{known:g}" for known in levels)
        raise RunError(f"{run.directory}: {level:g} is not a level (allowed: {allowed})")
    reached = {
        record["model"]: {e["level"] for e in record["levels"] if e["status"] == "REACHED"}
        for record in run.models()
        if record["model"] in chosen
    }
    asked = set(levels) if level is None else {level}
    without = [model for model in sorted(chosen) if not asked & reached[model]]
    if without:
        who = f"model{'s' * (len(without) > 1)} {_listed(without)}"
        what = "any of the run's levels" if level is None else f"{level:g}"
        raise RunError(f"{run.directory}: {who} did not reach {what} in training")
    shared = asked.intersection(*reached.values())
    if not shared:
        raise RunError(f"{run.directory}: no level was reached by all of {_listed(chosen)}")
    return min(shared)


def _model(run: Run, landscape: Landscape, model: int, level: float) -> Arrays:
    path = run.model_file(model, level)
    return in_use(load_arrays(path)[0], landscape, path)


def _string(run: Run, a: int, b: int, level: float) -> Row | None:
    """The row of a pair's string, a connected one if any set has one; the first set's."""
    rows = [r for r in run.rows() if (r["a"], r["b"], r["level"]) == (a, b, level) and r["beads"]]
    return min(rows, key=lambda row: row["status"] != Status.CONNECTED, default=None)


def _with_highest(run: Run, pair: Sequence[int], level: float, strings: Sequence[Any]) -> Plane:
    if not strings:
        raise RunError(
            f"{run.directory}: no string between {_listed(pair)} at {level:g}; `lscape connect` "
            "searches one"
        )
    ((_, (points, profile, _)),) = strings
    along = _at(points, profile[:, 0])
    away = off_line(along)
    off = away > 2 * FLAT * paths.chord(points)
    if not off.any():
        raise ValueError("the string is straight, and spans no plane")
    highest = int(np.where(off, profile[:, 1], -np.inf).argmax())
    return through(*(trees.take(along, place) for place in (0, highest, -1)))


def _at(points: Arrays, fractions: np.ndarray) -> Arrays:
    """The points [n, ...] of a string at fractions [n] of its length."""
    places = paths.bead_places(points)
    left = np.clip(np.searchsorted(places, fractions, side="right") - 1, 0, len(places) - 2)
    t = (fractions - places[left]) / np.maximum(places[left + 1] - places[left], 1e-300)
    found = {}
    for name, leaf in points.items():
        weight = t.reshape(-1, *(1,) * (leaf.ndim - 1))
        found[name] = (1 - weight) * leaf[left] + weight * leaf[left + 1]
    return found


def _marks(
    flat: Plane, chosen: Sequence[int], ends: Sequence[Arrays], strings: Sequence[Any]
) -> tuple[Arrays, dict[str, Any]]:
    """Where models and strings are on the plane, and how far the strings leave it.

    The distance from a plane is convex along a segment: it is greatest at a bead.
    """
    if len(chosen) == 1:
        return {"models": np.zeros((1, 2))}, {"strings": []}
    arrays = {"models": flat.coordinates(trees.stack(list(ends)))[0]}
    told = []
    for number, (row, (points, _, _)) in enumerate(strings):
        at, away = flat.coordinates(points)
        places = paths.bead_places(points)
        arrays[f"string.{number}"] = np.column_stack([at, places, away])
        farthest, keys = int(away.argmax()), ("a", "b", "set", "status")
        told.append(
            {key: row[key] for key in keys}
            | {"distance": float(away[farthest]), "distance_at": float(places[farthest])}
            | {"chord": paths.chord(points)}
        )
    return arrays, {"strings": told}


def _axes(arrays: Arrays, grid: int, kind: str) -> Arrays:
    if kind == "random":
        return dict.fromkeys(("x", "y"), np.linspace(-1, 1, grid))
    everything = np.concatenate([array[:, :2] for array in arrays.values()])
    low, high = everything.min(0), everything.max(0)
    room = MARGIN * (high - low).max()
    sides = np.linspace(low - room, high + room, grid).T
    return {"x": sides[0].copy(), "y": sides[1].copy()}


def _losses(
    run: Run,
    name: str,
    landscape: Landscape,
    flat: Plane,
    x: np.ndarray,
    y: np.ndarray,
    progress: Progress,
) -> np.ndarray:
    """The level's metric [y, x], row by row; what was computed is kept."""
    kinds = {key: shape.dtype for key, shape in landscape.shapes.items()}
    shared = [{key: leaf.astype(kinds[key]) for key, leaf in part.items()}
              for part in (flat.origin, flat.u, flat.v)]  # fmt: skip

    def level_at(at: Any, origin: Any, u: Any, v: Any) -> Any:
        return landscape.level({key: origin[key] + at[0] * u[key] + at[1] * v[key] for key in u})

    evaluate = each(level_at)
    checkpoints = Checkpoints(run.plane_checkpoint(name))
    before = kept(checkpoints, KeptPlane)
    rows = list(before["rows"]) if before and np.array_equal(before["x"], x) else []
    kind = next(iter(kinds.values()))
    while len(rows) < len(y):
        progress("plane", len(rows), len(y))
        at = np.stack([x, np.full(len(x), y[len(rows)])], axis=1).astype(kind)
        rows.append(np.asarray(evaluate(at, *shared), np.float64))
        checkpoints.keep(lambda: {"rows": rows, "x": x})
    progress("plane", len(y), len(y))
    return np.stack(rows)
