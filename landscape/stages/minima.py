"""The models' part of `measure`: eigenvalues, trace and spectrum where each met its levels."""

from __future__ import annotations

import time
from typing import Any

from landscape import trees
from landscape.base import key_data
from landscape.files import Row, finite, load_arrays, read_record, save_arrays
from landscape.hessian import Curvatures, Hessian, curvatures, is_small, spectrum, whole_spectrum
from landscape.records import MODEL_COLUMNS, EndPoint
from landscape.stages.setup import Progress, in_use, log


def pending_models(
    tools: Any, connected: list[Row], levels: list[float]
) -> list[tuple[float, int]]:
    """(level, model) of the models that are not measured yet, where each reached its level."""
    run, pending = tools.run, []
    if not tools.settings.hessian:
        return []
    for record in run.models():
        for entry in record["levels"]:
            level, model = entry["level"], record["model"]
            if level not in levels or entry["status"] != "REACHED":
                continue
            known = run.model_measure(tools.name, level, model)
            source = read_record(run.model_file(model, level))["arrays_sha256"]
            if known is None or known["source"] != source:
                pending.append((level, model))
    return sorted(pending, key=lambda unit: (-unit[0], unit[1]))


def measure_models(
    tools: Any, connected: list[Row], levels: list[float], progress: Progress
) -> None:
    pending = pending_models(tools, connected, levels)
    hessian = tools.hessian
    if hessian is None:
        if pending:
            log.warning(f"models are not measured: {tools.no_hessian}")
        return
    for number, (level, model) in enumerate(pending):
        _measure_model(tools, hessian, level, model)
        progress("measuring models", number + 1, len(pending))


def _measure_model(tools: Any, hessian: Hessian, level: float, model: int) -> None:
    began = time.perf_counter()
    run, settings = tools.run, tools.settings
    path = run.model_file(model, level)
    arrays, kept = load_arrays(path, EndPoint)
    point = in_use(arrays, tools.landscape, path)
    seed = key_data(tools.config.seed, "measure", model, level)
    points = trees.stack([point])
    found: Curvatures = curvatures(hessian, points, settings.steps, seed)
    with_spectrum = model < settings.spectrum
    if is_small(hessian, settings.steps * settings.probes):
        density = whole_spectrum(hessian, points)
    else:
        steps = settings.steps if with_spectrum else 1
        density = spectrum(hessian, points, steps, settings.probes, seed)
    smallest, smallest_error, largest, largest_error = map(float, found.extremes[0])
    record: Row = dict.fromkeys(MODEL_COLUMNS)
    record |= hessian.facts | {
        "measures": tools.name,
        "source": kept["arrays_sha256"],
        "level": level,
        "model": model,
        "value": kept["value"],
        "loss": float(found.value[0]),
        "gradient": float(found.gradient[0]),
        "smallest": smallest,
        "smallest_error": smallest_error,
        "largest": largest,
        "largest_error": largest_error,
        "trace": float(density.trace[0]),
        "trace_error": float(density.trace_error[0]),
        "probes": density.nodes.shape[1],
        "steps": density.nodes.shape[2] if with_spectrum else None,
        "reason": "",
        "seconds": round(time.perf_counter() - began, 3),
    }
    beside = {}
    if with_spectrum:
        beside = {"spectrum.nodes": density.nodes[0], "spectrum.weights": density.weights[0]}
    save_arrays(
        run.model_measure_file(tools.name, level, model), beside, {"measured": finite(record)}
    )
