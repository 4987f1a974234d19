"""The strings' part of `measure`: shortened within their levels, then their lengths, how they turn,
the level sets along them, and second derivatives at beads and at the highest point."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from landscape.core import paths, trees
from landscape.core.certificate import Certificate, certify
from landscape.core.keys import key_data
from landscape.core.trees import Params
from landscape.measures import lengths
from landscape.measures.base import Subject
from landscape.measures.curvature import classify_peak, curvatures, points_along
from landscape.measures.hessian import Hessian
from landscape.measures.spectrum import spectrum, whole_spectrum
from landscape.search.driver import COINCIDE
from landscape.search.shortening import Shortening
from landscape.stages.build import Progress, check_and_cast_params
from landscape.stages.checkpoints import Checkpoints, KeptShortening, kept
from landscape.stages.measure.also import measured_also
from landscape.stages.measure.context import MeasureContext
from landscape.store.files import Arrays, RunError, finite, save_arrays
from landscape.store.layout import level_name
from landscape.store.records.base import made
from landscape.store.records.measures import DOWNGRADED, OFF, StringMeasure
from landscape.store.records.strings import StringRecord

Numbers = dict[str, float | str | None]  # by column


def pending_strings(
    context: MeasureContext, connected: list[StringRecord], levels: list[float]
) -> list[StringRecord]:
    """The CONNECTED rows that are not measured yet, or were another string when they were, or are
    among the first by now and have no spectrum, or whose shortened string was DOWNGRADED: with the
    grid that found it too high, to be shortened on."""
    found, first = [], first_of_each_level(connected, context.settings.spectrum)
    for row in connected:
        known = context.run.string_measure(context.name, row)
        if known is None or known.source != row.string:
            found.append(row)
        elif known.shortening == DOWNGRADED:
            found.append(replace(row, grid=known.verified))
        elif known.hessian_of and not known.steps and key_of(row) in first:
            found.append(row)
    return found


def key_of(row: StringRecord) -> str:
    return f"{row.set}/{row.level!r}/{row.a}-{row.b}"


def first_of_each_level(rows: Sequence[StringRecord], count: int) -> set[str]:
    """The keys of so many strings of each set and level, by their pairs."""
    found: dict[tuple[str, float], list[str]] = {}
    for row in sorted(rows, key=lambda row: (row.a, row.b)):
        found.setdefault((row.set, row.level), []).append(key_of(row))
    return {key for keys in found.values() for key in keys[:count]}


def measure_strings(
    context: MeasureContext,
    rows: Sequence[StringRecord],
    with_spectrum: Collection[str],
    progress: Progress,
    others_too: bool = True,
) -> None:
    """Measure these strings; first those whose shortening was interrupted, as they were.

    others_too: Whether to go on with every interrupted group of the run. A worker goes on with
    those alone that begin with one of its own strings: another worker may be at the others.
    """
    pending = {key_of(row): row for row in rows}
    files = [_shortening_file(context, row) for row in rows]
    if others_too:
        files = sorted(context.run.measures_directory(context.name).glob("shortening-*"))
    interrupted = _interrupted(files, pending)
    total, done = len(pending), 0
    while pending:
        grid = next(iter(pending.values())).grid
        alike = [row for row in pending.values() if row.grid == grid][: context.group]
        group = interrupted.pop(0) if interrupted else [_started(context, row) for row in alike]
        checkpoints = Checkpoints(_shortening_file(context, pending[group[0].name]))
        shortener = context.shortener(_certified(pending[group[0].name])[0])
        while any(string.ended is None for string in group):
            before = [string.ended is None for string in group]
            began = time.perf_counter()
            shortener.sweep(group)
            seconds = (time.perf_counter() - began) / sum(before)
            for string, going in zip(group, before, strict=True):
                string.seconds += seconds * going
            checkpoints.keep(lambda group=group: [vars(string) for string in group])
            ended = sum(string.ended is not None for string in group)
            beads = max(trees.count(string.points) for string in group)
            part = sum(s.sweeps / max(s.max_sweeps, 1) for s in group)
            progress("shortening", done + max(ended, part), total, ended=done + ended, beads=beads)
        checkpoints.keep(lambda group=group: [vars(string) for string in group], now=True)
        for string in group:
            row = pending.pop(string.name)
            _measure_string(context, row, string, string.name in with_spectrum)
            done += 1
            progress("measuring strings", done, total)
        checkpoints.drop()


def _shortening_file(context: MeasureContext, row: StringRecord) -> Path:
    name = f"shortening-{row.set}-{level_name(row.level)}-{row.a}-{row.b}.safetensors"
    return context.run.measures_directory(context.name) / name


def _interrupted(files: Sequence[Path], pending: Collection[str]) -> list[list[Shortening]]:
    """The groups that were interrupted, without what is measured by now."""
    found = []
    for path in files:
        before = kept(Checkpoints(path), list[KeptShortening]) or []
        group = [Shortening(**vars(one)) for one in before if one.name in pending]
        if group:
            found.append(group)
        if not group or group[0].name != before[0].name:
            path.unlink(missing_ok=True)  # it goes on under another name
    return found


def _certified(row: StringRecord) -> tuple[int, float, list[float]]:
    """The grid, the limit and the ends' losses of a string that is CONNECTED."""
    assert row.grid is not None and row.limit is not None
    assert row.loss_a is not None and row.loss_b is not None
    return row.grid, row.limit, [row.loss_a, row.loss_b]


def _started(context: MeasureContext, row: StringRecord) -> Shortening:
    points, (grid, limit, ends) = _points(context, row), _certified(row)
    if context.settings.shorten:
        asked = context.settings
        return context.shortener(grid).start(
            key_of(row), points, limit, ends, asked.max_beads, asked.max_sweeps
        )
    beads = trees.count(points)
    found = [0.0, 0.0, float(beads), paths.length(points), 1.0]
    string = Shortening(key_of(row), limit, points, points, points, ends, np.zeros(0), beads, 0)
    return replace(string, history=[found], ended=OFF)


def _points(context: MeasureContext, row: StringRecord) -> Params:
    run = context.run
    path = run.connection_file(row.set, row.level, row.a, row.b)
    points = run.load_connection(row)[0]
    beads = {name: leaf[0] for name, leaf in points.items()}
    check_and_cast_params(beads, context.landscape, path)
    shapes = context.landscape.shapes
    return {name: points[name].astype(shape.dtype) for name, shape in shapes.items()}


def _measure_string(
    context: MeasureContext, row: StringRecord, string: Shortening, with_spectrum: bool
) -> None:
    """Everything of one string, into its file."""
    began = time.perf_counter()
    found, points = _points(context, row), string.kept
    over, (grid, limit, _) = context.run.length_over(row.set), _certified(row)
    certificate = certify(points, context.evaluate(grid), limit)
    if not certificate.holds(limit):
        raise RunError(
            f"{context.run.directory}: {key_of(row)} no longer holds below {limit:.6g} "
            f"({certificate.maximum:.6g}): its code or data have changed; see `lscape verify`"
        )
    turned, turned_found = lengths.turning(points), lengths.turning(found)
    chord = paths.chord(points, over)
    length, length_found = paths.length(points, over), paths.length(found, over)
    record: Numbers = {
        "shortening": string.ended,
        "beads_found": trees.count(found),
        "beads": trees.count(points),
        "sweeps": string.sweeps,
        "grad_evals": string.grad_evals,
        "loss_evals": string.loss_evals,
        "length_found": length_found,
        "length": length,
        "chord": chord,
        "normalized_length_found": length_found / chord if chord > 0 else None,
        "normalized_length": length / chord if chord > 0 else None,
        "length_change": string.change,
        "max_loss": certificate.maximum,
        "max_at": certificate.max_at,
        "last_change": certificate.last_change,
        "resolution": certificate.resolution,
        "grid": certificate.grid,
        "rounding": certificate.rounding,
        "scaled_length_found": lengths.scaled_length(found),
        "scaled_length": lengths.scaled_length(points),
        "scaled_chord": lengths.scaled_distance(points),
        "total_curvature_found": turned_found.total,
        "total_curvature": turned.total,
        "curvature_density": turned.density,
        "curvature_middle": turned.middle,
        "largest_angle": float(turned.angles.max()),
        "largest_angle_at": float(turned.places[turned.angles.argmax()]),
    }
    arrays: Arrays = {
        "history": np.array(string.history, float),
        "turning.found": np.column_stack([turned_found.places, turned_found.angles]),
        "turning": np.column_stack([turned.places, turned.angles]),
    }
    arrays |= {f"shortened.{name}": leaf for name, leaf in points.items()}
    notes = ["" if chord > 0 else COINCIDE, string.reason, context.no_hessian]
    if context.function_length is None:
        notes.append("no length in function space: the task does not say its outputs")
    else:
        before = context.function_length(found)
        moved = any(not np.array_equal(points[name], found[name]) for name in points)
        after = context.function_length(points) if moved else before
        record |= {
            "function_length_found": before.length,
            "function_length": after.length,
            "function_chord": after.chord,
            "function_change": after.change,
            "function_metric": context.landscape.outputs and context.landscape.outputs.distance,
            "function_samples": after.samples,
        }
    if context.hessian is not None:
        numbers, along, why = _along(
            context, context.hessian, points, certificate, key_of(row), with_spectrum
        )
        record |= numbers
        notes.append(why)
        arrays |= along
    subject = Subject(points, row.level, certificate, context.config.seed)
    also = measured_also(context, subject, row)
    measured = made(
        StringMeasure,
        **{key: getattr(row, key) for key in ("set", "method", "level", "a", "b", "limit")},
        measures=context.name,
        source=row.string,
        seconds=round(string.seconds + time.perf_counter() - began, 3),
        reason="; ".join(filter(None, notes)),
        **finite(record),
    )
    path = context.run.string_measure_file(context.name, row)
    save_arrays(path, arrays, {"measured": measured, "also": also})


def _along(
    context: MeasureContext,
    hessian: Hessian,
    points: Params,
    certificate: Certificate,
    key: str,
    with_spectrum: bool,
) -> tuple[Numbers, Arrays, str]:
    """The Hessian and the level set at beads, evenly spread, and at the highest point, the last."""
    chosen = points_along(points, certificate, context.settings.points)
    at = chosen.points
    seed = key_data(context.config.seed, "measure", key)
    found = curvatures(hessian, at, context.settings.steps, seed, chosen.tangents)
    smallest, largest = found.extremes.values.T
    smallest_error, largest_error = found.extremes.errors.T
    arrays = {
        "at": chosen.places,
        "loss": found.value,
        "gradient": found.gradient,
        "level_curvature": found.level_curvature,
        "smallest": smallest,
        "smallest_error": smallest_error,
        "largest": largest,
        "largest_error": largest_error,
    }
    normal = ("normal_mean", "normal_spread", "normal_smallest", "normal_largest")
    arrays |= dict(zip(normal, found.normal.T, strict=True))
    arrays = {f"beads.{name}": array for name, array in arrays.items()}
    bent = found.level_curvature[np.isfinite(found.level_curvature)]
    peak = found.extremes.facts(-1, "peak_smallest", "peak_largest")
    chord = paths.chord(points)
    verdict = classify_peak(
        found.gradient[-1], found.extremes.values[-1], found.extremes.errors[-1], chord
    )
    numbers = hessian.facts | {
        "peak_at": certificate.max_at,
        "peak_loss": float(found.value[-1]),
        "peak_gradient": float(found.gradient[-1]),
        **peak,
        "products": found.extremes.products,
        "peak_verdict": verdict,
        "level_curvature_points": len(bent),
    }
    if len(bent):
        numbers |= {
            "level_curvature_mean": float(bent.mean()),
            "level_curvature_lowest": float(bent.min()),
            "level_curvature_highest": float(bent.max()),
        }
    if with_spectrum:
        steps, probes = context.settings.steps, context.settings.probes
        if hessian.is_small(steps * probes):
            density, _ = whole_spectrum(hessian, at)
        else:
            density = spectrum(hessian, at, steps, probes, seed)
        arrays |= {"spectrum.nodes": density.nodes, "spectrum.weights": density.weights}
        arrays |= {"beads.trace": density.trace, "beads.trace_error": density.trace_error}
        numbers |= {
            "peak_trace": float(density.trace[-1]),
            "peak_trace_error": float(density.trace_error[-1]),
            "probes": density.nodes.shape[1],
            "steps": density.nodes.shape[2],
        }
    undefined = len(at[next(iter(at))]) - len(bent)
    why = "no tangent" if paths.length(points) == 0 else "gradient at its noise floor"
    why = f"level curvature undefined at {undefined} points ({why})"
    return numbers, arrays, why if undefined else ""
