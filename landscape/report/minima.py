"""The page's figures and table of the models themselves: sharpness against level, spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from landscape.files import Row
from landscape.report import figures, html
from landscape.report.figures import Figure
from landscape.report.html import Part
from landscape.report.measured import MINIMA
from landscape.report.wording import number
from landscape.runs import Run

BINS = 60

Records = Sequence[dict[str, Any]]


def minima(records: Records, runs: Mapping[str, Run], metric: str) -> Part:
    several = len(runs) > 1
    known = any(record["largest"]["mean"] is not None for record in records)
    drawn = [_sharpness(records, metric)] if known else []
    drawn += [one for name, run in runs.items() for one in _spectra(name, run, several)]
    names = {"largest": "largest eigenvalue", "smallest": "smallest eigenvalue"}
    names |= {"trace": "trace", "gradient": "gradient norm"}
    rows = (
        [record["run"]] * several + [f"{record['level']:g}", str(record["measured"])]
        + [number(record[key]) for key in names]
        for record in records
    )  # fmt: skip
    table = html.table(["run"] * several + ["level", "models", *names.values()], rows)
    said = "The Hessian of the models where each first met the level. ± is the standard error over "
    said += "models."
    return "The minima", drawn, table + html.paragraph(said)


def _sharpness(records: Records, metric: str) -> Figure:
    levels = [{**record, "set": "minima", "method": "minima"} for record in records]

    def plot(axes: Axes) -> None:
        figures.against_level(axes, levels, "largest", metric, lambda level: [])
        figures.log_values(axes)
        axes.set_ylabel("largest eigenvalue of the Hessian")

    table = [
        {"run": record["run"], "level": record["level"], "models": record["largest"]["n"]}
        | {f"{key}_{part}": record[key][part] for key in MINIMA for part in ("mean", "se")}
        for record in records
    ]
    said = "Sharpness of the models at each level: the Hessian's largest eigenvalue, mean with its "
    said += "standard error over models."
    means = ", ".join(f"{number(r['largest'])} at {r['level']:g}" for r in records)
    return Figure("sharpness", f"Sharpness against level: {means}", said, plot, table)


def _spectra(name: str, run: Run, several: bool) -> list[Figure]:
    """The Hessian's spectrum at a model, at every level where it was kept."""
    kept = [record for record in run.model_measures() if record["steps"]]
    models = sorted({record["model"] for record in kept})
    suffix = f"-{name}" * several
    return [
        _spectrum(run, [r for r in kept if r["model"] == m], f"spectrum-{m}{suffix}")
        for m in models
    ]


def _spectrum(run: Run, records: Sequence[Row], name: str) -> Figure:
    spectra = []
    for record in records:
        arrays = run.load_measures(record)
        nodes, weights = arrays["spectrum.nodes"], arrays["spectrum.weights"]
        known = np.isfinite(nodes)  # a probe's quadrature can have fewer, where it is exact
        spectra.append((record["level"], nodes[known], weights[known] / len(weights)))
    every = np.concatenate([nodes for _, nodes, _ in spectra])
    edges = np.linspace(every.min(), every.max() + 1e-12, BINS + 1)
    densities = [np.histogram(nodes, edges, weights=mass)[0] for _, nodes, mass in spectra]

    def plot(axes: Axes) -> None:
        for place, ((level, _, _), density) in enumerate(zip(spectra, densities, strict=True)):
            style = figures.look(place)
            axes.stairs(density, edges, color=style["color"], ls=style["ls"], label=f"{level:g}")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("eigenvalue")
        axes.set_ylabel("share of the spectrum")
        figures.legend(axes)

    model = records[0]["model"]
    table = [
        {"level": level, "low": low, "high": high, "share": float(share)}
        for (level, _, _), density in zip(spectra, densities, strict=True)
        for low, high, share in zip(edges[:-1].tolist(), edges[1:].tolist(), density, strict=True)
    ]
    said = f"Spectrum of the Hessian at model {model}, by level, from stochastic Lanczos quadrature"
    return Figure(name, said, f"{said}: shares of {BINS} bins.", plot, table)
