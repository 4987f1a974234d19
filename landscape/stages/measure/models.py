"""The models' part of `measure`: eigenvalues, trace and spectrum where each met its levels, of the
whole Hessian and of the blocks of subsets of the parameters."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from landscape.core import trees
from landscape.core.keys import key_data
from landscape.measures.base import Subject
from landscape.measures.hessian import Hessian, lanczos_steps
from landscape.measures.lanczos import ENDS, Eigenvalues, chosen, lanczos, largest, sized
from landscape.measures.spectrum import Spectrum, spectrum, whole_spectrum
from landscape.stages.build import Progress, check_and_cast_params
from landscape.stages.measure.also import measured_also
from landscape.stages.measure.context import MeasureContext
from landscape.store.files import checked, finite, load_arrays, read_contents, save_arrays
from landscape.store.records.base import made
from landscape.store.records.measures import ModelMeasure, PartMeasure, TopMeasure
from landscape.store.records.models import EndPoint
from landscape.store.records.strings import StringRecord


def pending_models(
    context: MeasureContext, connected: list[StringRecord], levels: list[float]
) -> list[tuple[float, int]]:
    """(level, model) of the models that are not measured yet, where each reached its level."""
    run, pending = context.run, []
    if not context.settings.hessian:
        return []
    for record in run.models():
        for entry in record.levels:
            level, model = entry.level, record.model
            if level not in levels or entry.status != "REACHED":
                continue
            known = run.model_measure(context.name, level, model)
            source = read_contents(run.model_file(model, level)).arrays_sha256
            if known is None or known.source != source:
                pending.append((level, model))
    return sorted(pending, key=lambda unit: (-unit[0], unit[1]))


def measure_models(
    context: MeasureContext, pending: Sequence[tuple[float, int]], progress: Progress
) -> None:
    """Measure these models at these levels."""
    for number, (level, model) in enumerate(pending):
        hessian = context.hessian
        assert hessian is not None
        _measure_model(context, hessian, level, model)
        progress("measuring models", number + 1, len(pending))


def _measure_model(context: MeasureContext, hessian: Hessian, level: float, model: int) -> None:
    began = time.perf_counter()
    run, settings = context.run, context.settings
    path = run.model_file(model, level)
    arrays, kept = load_arrays(path)
    end = checked(EndPoint, kept, path)
    points = trees.stack([check_and_cast_params(arrays, context.landscape, path)])
    seed = key_data(context.config.seed, "measure", model, level)
    asked = settings.steps if model < settings.spectrum else 1
    probes = settings.probes
    found, top, density = _eigenvalues(
        hessian, points, settings.steps, probes, asked, settings.top, seed
    )
    with_spectrum = asked > 1 and bool(np.isfinite(density.nodes).all())
    value, gradient = hessian.gradients(points)
    numbers = {
        "loss": float(value[0]),
        "gradient": float(sized(gradient)[0]),
        **found.facts(0, "smallest", "largest"),
        "trace": float(density.trace[0]),
        "trace_error": float(density.trace_error[0]),
        **hessian.facts,
    }
    ranks = [_rank(top, rank, level, model) for rank in range(top.values.shape[1])]
    parts = [_part(context, over, points, seed, level, model) for over in settings.over]
    also = measured_also(context, Subject(points, level, None, context.config.seed), end)
    measured = made(
        ModelMeasure,
        measures=context.name,
        level=level,
        model=model,
        value=end.value,
        source=kept["arrays_sha256"],
        products=found.products,
        parameters=hessian.parameters,
        probes=density.nodes.shape[1],
        steps=density.nodes.shape[2] if with_spectrum else None,
        seconds=round(time.perf_counter() - began, 3),
        reason="",
        **finite(numbers),
    )
    beside = {}
    if with_spectrum:
        beside = {"spectrum.nodes": density.nodes[0], "spectrum.weights": density.weights[0]}
    save_arrays(
        run.model_measure_file(context.name, level, model),
        beside,
        {"measured": measured, "parts": parts, "top": ranks, "also": also},
    )


def _rank(top: Eigenvalues, rank: int, level: float, model: int) -> TopMeasure:
    numbers = {"value": top.values[0, rank].item(), "error": top.errors[0, rank].item()}
    return TopMeasure(
        level=level,
        model=model,
        rank=rank + 1,
        status=top.statuses[0, rank].item(),
        products=top.products,
        **finite(numbers),
    )


def _part(
    context: MeasureContext,
    over: str,
    points: trees.Params,
    seed: np.ndarray,
    level: float,
    model: int,
) -> PartMeasure:
    hessian, settings = context.block(over), context.settings
    found, _, density = _eigenvalues(hessian, points, settings.steps, settings.probes, 1, 1, seed)
    numbers = {
        "gradient": float(sized(hessian.gradients(points)[1])[0]),
        **found.facts(0, "smallest", "largest"),
        "trace": float(density.trace[0]),
        "trace_error": float(density.trace_error[0]),
    }
    return PartMeasure(
        level=level,
        model=model,
        over=over,
        parameters=hessian.parameters,
        products=found.products,
        probes=density.nodes.shape[1],
        **finite(numbers),
    )


def _eigenvalues(
    hessian: Hessian,
    points: trees.Params,
    steps: int,
    probes: int,
    spectrum_steps: int,
    top: int,
    seed: np.ndarray,
) -> tuple[Eigenvalues, Eigenvalues, Spectrum]:
    """At one model: the smallest and the largest eigenvalue; the `top` largest; and the spectrum by
    so many steps, or the trace by 1. Exact where all unit vectors are at most steps · probes
    products."""
    top = min(top, hessian.parameters)
    if hessian.is_small(steps * probes):
        density, errors = whole_spectrum(hessian, points)
        values = density.nodes[:, 0]
        ranks = chosen(values, errors, range(-1, -1 - top, -1))
        return chosen(values, errors, ENDS), ranks, density
    starts = hessian.probes(top, seed)[:, None]
    fit = lanczos_steps(hessian.parameters, starts.itemsize, steps, beside=top)
    product = hessian.at(points)
    ritz = lanczos(product, starts[0], fit, hessian.rounding, ENDS)
    ranks = largest(product, ritz, list(starts[1:]), fit, hessian.rounding)
    density = spectrum(hessian, points, spectrum_steps, probes, seed)
    return ritz.eigenvalues(*ENDS), ranks, density
