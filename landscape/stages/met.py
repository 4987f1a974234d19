"""What is kept of a model that has met levels, or has not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from landscape.config.load import Config
from landscape.core.trees import Params
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


def missed(models: Sequence[ModelRecord], config: Config) -> list[str]:
    """What is to be said of models that did not reach a level, and of levels without a pair."""
    said, pairless = [], []
    for record in models:
        levels = [str(met.level) for met in record.levels if met.status != "REACHED"]
        if levels:
            why = why_missed(record, file_of(record.model, config))
            said.append(f"model {record.model} did not reach {', '.join(levels)} ({why})")
    for number, level in enumerate(config.levels.values):
        if sum(record.levels[number].status == "REACHED" for record in models) < 2:
            pairless.append(f"{level:g}")
    if pairless:
        said.append(f"no two models reached {', '.join(pairless)}: no path can be sought there")
    return said


def file_of(model: int, config: Config) -> str | None:
    """The last check point of a network trained elsewhere; None of one that is trained here."""
    return config.train.files[model][-1] if config.train.files else None
