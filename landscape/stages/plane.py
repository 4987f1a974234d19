"""The loss on a plane: through three models, through a pair and its path, or around one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from landscape.config.load import Config, ConfigError, revised
from landscape.core import paths, trees
from landscape.core.keys import key_data
from landscape.core.landscape import Landscape
from landscape.measures.filters import filter_axes
from landscape.measures.planes import (
    COLLINEAR,
    Plane,
    off_line,
    random_directions,
    row_evaluator,
    through,
)
from landscape.stages.build import (
    Progress,
    build_landscape,
    check_and_cast_params,
    config_of,
    silent,
)
from landscape.stages.checkpoints import Checkpoints, KeptPlane, kept
from landscape.stages.state import check_recomputed
from landscape.store.files import Arrays, RunError, digest, load_arrays
from landscape.store.layout import plane_name
from landscape.store.records.planes import Drawn, PlaneKind, PlaneRecord
from landscape.store.records.strings import StringRecord, between_models
from landscape.store.run import Run

MARGIN = 0.2  # around the models and the strings, of what they take
GRID = 41  # points a side

Span = tuple[float, float, float, float]
# a row, its string, profile and history
Found = tuple[StringRecord, tuple[Arrays, np.ndarray, Arrays]]
Filters = Mapping[str, tuple[int, ...] | None]


@dataclass(frozen=True)
class Asked:
    """What is asked of a plane, as its record has it."""

    kind: PlaneKind
    models: list[int]
    level: float
    grid: int
    span: list[float] | None
    metric: str
    filters: dict[str, list[int] | None] | None = None


def plane(
    run: Run,
    models: Sequence[int] = (),
    pair: Sequence[int] = (),
    random: int | None = None,
    level: float | None = None,
    grid: int = GRID,
    span: Span | None = None,
    overrides: Sequence[str] = (),
    progress: Progress = silent,
) -> str:
    """Evaluate the level's metric on grid × grid points of a plane. An unfinished one is resumed.

    Args:
        models: Three, whose plane it is (Garipov et al. 2018), with the strings between them.
        pair: Two models, and the highest point of their string that is off the line between them.
        random: One model, and two filter-normalised directions (Li et al. 2018), from −1 to 1.
        level: Models are taken as they were at it; the lowest that all of them reached if None.
        span: From and to along the first axis, then along the second; if None, all that is drawn.
        overrides: `plane.key=value` over the run's config.

    Returns: The plane's name.

    Raises:
        RunError: Models, levels or strings that are not there, points on a line.
        ConfigError: A mistake in the config or the overrides, or filters that cannot be told.
    """
    config = settings_of(run, overrides)
    chosen = list(models or pair or ([] if random is None else [random]))
    kind: PlaneKind = "models" if models else "pair" if pair else "random"
    check_span(span)
    _check(run, kind, chosen, config.train.models)
    at = _level(run, chosen, list(config.levels.values), level)
    name = plane_name(kind, chosen, at)
    if kind != "random" and is_there(run, name, asked_of(config, kind, chosen, at, grid, span)):
        return name
    check_recomputed(config, "a plane")
    landscape = build_landscape(config, progress)
    filters = _filters(config, landscape) if kind == "random" else None
    asked = asked_of(config, kind, chosen, at, grid, span, filters)
    if filters and is_there(run, name, asked):
        return name
    ends = [model_at(run, landscape, model, at) for model in chosen]
    rows = [_string(run, a, b, at) for a, b in combinations(sorted(chosen), 2)]
    strings = [(row, run.load_connection(row)) for row in rows if row is not None]
    try:
        if kind == "models":
            flat = through(*ends)
        elif kind == "pair":
            flat = _with_highest(run, chosen, at, strings)
        else:
            seed = key_data(config.seed, "plane", random)
            flat = random_directions(ends[0], filters or {}, np.random.default_rng(seed.tolist()))
    except ValueError as error:
        raise RunError(f"{run.directory}: {kind} {_listed(chosen)} at {at:g}: {error}") from None
    arrays, drawn = _marks(flat, chosen, ends, strings)
    if kind == "random" and span is None:
        span = (-1, 1, -1, 1)
    record = PlaneRecord(**vars(asked), strings=drawn)
    evaluate(run, name, landscape, flat, span, arrays, record, progress)
    return name


def settings_of(run: Run, overrides: Sequence[str]) -> Config:
    """A run's config with `plane.key=value` laid over it. Raises ConfigError."""
    for override in overrides:
        if not override.startswith(("plane.", "compute.")):
            raise ConfigError(f"--set {override}: only keys of `plane` can be changed here")
    return revised(config_of(run), overrides)


def check_span(span: Span | None) -> None:
    """Raises ConfigError."""
    if span is not None and not (span[0] < span[1] and span[2] < span[3]):
        given = ",".join(f"{end:g}" for end in span)
        raise ConfigError(f"--range {given}: each axis goes from a smaller number to a larger one")


def asked_of(
    config: Config,
    kind: PlaneKind,
    models: Sequence[int],
    level: float,
    grid: int,
    span: Span | None,
    filters: Filters | None = None,
) -> Asked:
    """What a plane's record says of how it was asked for."""
    metric = f"{config.levels.split} {config.levels.metric}"
    own = None
    if filters is not None:
        own = {key: None if axes is None else list(axes) for key, axes in filters.items()}
    return Asked(kind, list(models), level, grid, None if span is None else list(span), metric, own)


def is_there(run: Run, name: str, asked: Asked) -> bool:
    """Whether a plane was evaluated already as it is asked for, to its stage's last word."""
    if not run.plane_file(name).exists() or run.stage_status(f"plane {name}") != "done":
        return False
    record = run.load_plane(name)[1]
    return all(getattr(record, key) == value for key, value in vars(asked).items())


def _filters(config: Config, landscape: Landscape) -> dict[str, tuple[int, ...] | None]:
    """What the config says of the filters, then the task, then what its level's metric tells."""
    try:
        return filter_axes(
            landscape.level, landscape.shapes, config.plane.filters, landscape.filters
        )
    except ValueError as error:
        raise config.problem("plane.filters", str(error)) from None


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
        record.model: {entry.level for entry in record.levels if entry.status == "REACHED"}
        for record in run.models()
        if record.model in chosen
    }
    asked = set(levels) if level is None else {level}
    without = [model for model in sorted(chosen) if not asked & reached[model]]
    if without:
        who = f"model{'s' * (len(without) > 1)} {_listed(without)}"
        what = "any of the run's levels" if level is None else f"{level:g}"
        raise RunError(f"{run.directory}: {who} did not reach {what}")
    shared = asked.intersection(*reached.values())
    if not shared:
        raise RunError(f"{run.directory}: no level was reached by all of {_listed(chosen)}")
    return min(shared)


def model_at(run: Run, landscape: Landscape, model: int, level: float) -> Arrays:
    """A model's parameters where it first met a level. Raises RunError."""
    path = run.model_file(model, level)
    return check_and_cast_params(load_arrays(path)[0], landscape, path)


def _string(run: Run, a: int, b: int, level: float) -> StringRecord | None:
    """The row of a pair's string, a connected one if any set has one; the first set's."""
    rows = [
        r for r in between_models(run.rows()) if (r.a, r.b, r.level) == (a, b, level) and r.beads
    ]
    return min(rows, key=lambda row: row.status != "CONNECTED", default=None)


def _with_highest(run: Run, pair: Sequence[int], level: float, strings: Sequence[Found]) -> Plane:
    if not strings:
        raise RunError(
            f"{run.directory}: no string between {_listed(pair)} at {level:g}; `lscape connect` "
            "searches one"
        )
    ((_, (points, profile, _)),) = strings
    along = _at(points, profile[:, 0])
    away = off_line(along)
    off = away > 2 * COLLINEAR * paths.chord(points)
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
    flat: Plane, chosen: Sequence[int], ends: Sequence[Arrays], strings: Sequence[Found]
) -> tuple[Arrays, list[Drawn]]:
    """Where models and strings are on the plane, and how far the strings leave it.

    The distance from a plane is convex along a segment: it is greatest at a bead.
    """
    if len(chosen) == 1:
        return {"models": np.zeros((1, 2))}, []
    arrays = {"models": flat.coordinates(trees.stack(list(ends)))[0]}
    told = []
    for number, (row, (points, _, _)) in enumerate(strings):
        at, away = flat.coordinates(points)
        places = paths.bead_places(points)
        arrays[f"string.{number}"] = np.column_stack([at, places, away])
        farthest = int(away.argmax())
        told.append(
            Drawn(
                a=row.a,
                b=row.b,
                set=row.set,
                status=row.status,
                distance=float(away[farthest]),
                distance_at=float(places[farthest]),
                chord=paths.chord(points),
            )
        )
    return arrays, told


def _axes(arrays: Arrays, grid: int, span: Span | None) -> Arrays:
    if span is not None:
        return {"x": np.linspace(*span[:2], grid), "y": np.linspace(*span[2:], grid)}
    everything = np.concatenate([array[:, :2] for array in arrays.values()])
    low, high = everything.min(0), everything.max(0)
    room = MARGIN * (high - low).max()
    sides = np.linspace(low - room, high + room, grid).T
    return {"x": sides[0].copy(), "y": sides[1].copy()}


def evaluate(
    run: Run,
    name: str,
    landscape: Landscape,
    flat: Plane,
    span: Span | None,
    arrays: Arrays,
    record: PlaneRecord,
    progress: Progress,
) -> None:
    """Evaluate a plane as its record says and keep it, with arrays of what is drawn on it."""
    sides = _axes(arrays, record.grid, span)
    with run.stage(f"plane {name}"):
        loss = _losses(run, name, landscape, flat, sides["x"], sides["y"], progress)
        run.save_plane(name, {**arrays, **sides, "loss": loss}, record)
        run.plane_checkpoint(name).unlink(missing_ok=True)


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
    levels = row_evaluator(landscape, flat)
    parts = {"origin": flat.origin, "u": flat.u, "v": flat.v}
    named = {f"{part}.{key}": leaf for part, of in parts.items() for key, leaf in of.items()}
    this = digest({"x": x, "y": y, **named})
    checkpoints = Checkpoints(run.plane_checkpoint(name))
    before = kept(checkpoints, KeptPlane)
    rows = list(before.rows) if before and before.of == this else []
    while len(rows) < len(y):
        progress("plane", len(rows), len(y))
        rows.append(levels(np.stack([x, np.full(len(x), y[len(rows)])], axis=1)))
        checkpoints.keep(lambda: {"rows": rows, "of": this})
    progress("plane", len(y), len(y))
    return np.stack(rows)
