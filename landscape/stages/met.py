"""What is kept of a model that has met levels, or has not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from landscape.core.trees import Params
from landscape.stages.build import log
from landscape.store.files import save_arrays
from landscape.store.records.base import as_dict
from landscape.store.records.models import EndPoint, Met, ModelRecord, why_missed
from landscape.store.run import Run

MetLevels = Mapping[float, tuple[int, float]]  # level → (step, value)


def keep_end(run: Run, model: int, level: float, params: Params, step: int, value: float) -> None:
    """Keep a model's parameters where it first met a level."""
    record = EndPoint(model=model, level=level, step=step, value=value)
    save_arrays(run.model_file(model, level), params, as_dict(record))


def model_record(
    model: int, steps: int, value: float, met: MetLevels, levels: Sequence[float]
) -> ModelRecord:
    """A model's line in models.json."""
    finite = bool(np.isfinite(value))
    found = []
    for level in levels:
        step, at = met.get(level, (None, None))
        status = "REACHED" if level in met else "LEVEL_NOT_REACHED"
        found.append(Met(level=level, status=status, step=step, value=at))
    return ModelRecord(
        model=model,
        status="TRAINED" if finite else "NON_FINITE",
        steps=steps,
        value=value if finite else None,
        levels=found,
    )


def say_missed(models: Sequence[ModelRecord]) -> None:
    """A warning for each model that did not reach all levels."""
    for record in models:
        missed = [str(met.level) for met in record.levels if met.status != "REACHED"]
        if missed:
            why = why_missed(record.steps, record.value)
            log.warning(f"model {record.model} did not reach {', '.join(missed)} ({why})")
