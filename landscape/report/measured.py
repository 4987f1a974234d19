"""What `lscape measure` found, by level: shortened lengths, curvatures, sharpness, spectra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from landscape.report import figures
from landscape.report.figures import Figure
from landscape.report.summary import mean_over_pairs
from landscape.report.wording import number
from landscape.runs import Row, Run

STRINGS = {
    "normalized_length_found": "normalised length, as found",
    "normalized_length": "normalised length, shortened",
    "total_curvature": "total curvature, radians",
    "function_length": "function-space length",
    "level_curvature_mean": "level-set curvature",
}
MINIMA = {"largest": "largest eigenvalue", "trace": "trace", "smallest": "smallest eigenvalue"}
DRAWN = {
    "normalized_length": "of the strings as {which}; 1 is straight",
    "total_curvature": "of the strings as {which}, the sum of their turning angles",
    "level_curvature_mean": "uᵀHu/‖∇F‖ of the level set along the strings as {which}, mean of "
    "their points",
}
BINS = 60


def measures_of(run: Run) -> dict[str, list[dict[str, Any]]]:
    """{strings, minima}: a record a set and level, {set, method, level, measured, converged,
    shortened (how many were tried to be), peaks: {verdict: strings}, and a `mean_over_pairs` of
    each of STRINGS}; a record a level, {level, measured, and {mean, se, n} of each of MINIMA}.
    hessian: what the second derivatives are of and by."""
    strings, minima = run.string_measures(), run.model_measures()
    return {
        "strings": [
            _strings([s for s in strings if (s["set"], s["level"]) == at])
            for at in dict.fromkeys((s["set"], s["level"]) for s in strings)
        ],
        "minima": [
            _minima([m for m in minima if m["level"] == level])
            for level in dict.fromkeys(m["level"] for m in minima)
        ],
    }


def _hessian(records: Sequence[Row]) -> str | None:
    said = {
        f"{record['hessian_of']}, by {record['hessian_by']}"
        for record in records
        if record["hessian_of"]
    }
    return "; ".join(sorted(said)) or None


def _strings(records: Sequence[Row]) -> dict[str, Any]:
    verdicts = [record["peak_verdict"] for record in records if record["peak_verdict"]]
    return {
        **{key: records[0][key] for key in ("set", "method", "level")},
        "measured": len(records),
        "converged": sum(record["shortening"] == "CONVERGED" for record in records),
        "shortened": sum(record["shortening"] != "OFF" for record in records),
        "peaks": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "hessian": _hessian(records),
        **{key: mean_over_pairs(records, key) for key in STRINGS},
    }


def _minima(records: Sequence[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {"level": records[0]["level"], "measured": len(records)}
    found["hessian"] = _hessian(records)
    for key in MINIMA:
        values = np.array([record[key] for record in records if record[key] is not None], float)
        se = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
        mean = float(values.mean()) if len(values) else None
        found[key] = {"mean": mean, "se": se, "n": len(values)}
    return found


def measured_figures(report: dict[str, Any], runs: dict[str, Run], metric: str) -> list[Figure]:
    """Means against the level, and the spectra of the minima whose spectrum was kept."""
    strings, minima = report["measured"]["strings"], report["measured"]["minima"]
    kept = {name: run.string_measures() for name, run in runs.items()}
    shortened = any(record["shortened"] for record in strings)
    which = "shortened inside their level set" if shortened else "found"
    found = [
        _against(key, said.format(which=which), strings, kept, metric)
        for key, said in DRAWN.items()
        if any(record[key]["mean"] is not None for record in strings)
        and (shortened or key != "normalized_length")  # which is drawn above
    ]
    if any(record["largest"]["mean"] is not None for record in minima):
        found.append(_sharpness(minima, metric))
    return found + [one for name, run in runs.items() for one in _spectra(name, run, len(runs))]


def _against(
    key: str, said: str, levels: Sequence[Any], kept: dict[str, list[Row]], metric: str
) -> Figure:
    title = STRINGS[key]

    def pairs(level: dict[str, Any]) -> list[float]:
        at = level["set"], level["level"]
        own = [row for row in kept[level["run"]] if (row["set"], row["level"]) == at]
        return [row[key] for row in own if row[key] is not None]

    def plot(axes: Axes) -> None:
        figures.against_level(axes, levels, key, metric, pairs)
        axes.set_ylabel(title)

    table = [
        {name: level[name] for name in ("run", "set", "level", "measured", "converged")}
        | {part: level[key][part] for part in ("mean", "se", "n")}
        for level in levels
    ]
    means = ", ".join(f"{number(level[key])} at {level['level']:g}" for level in levels)
    tried = sum(level["shortened"] for level in levels)
    settled = sum(level["converged"] for level in levels)
    caption = f"{title[0].upper()}{title[1:]} {said}."
    caption += f" Shortening settled on {settled} of {tried}." * bool(tried)
    return Figure(key.replace("_", "-"), f"{title} against level: {means}", caption, plot, table)


def _sharpness(minima: Sequence[dict[str, Any]], metric: str) -> Figure:
    levels = [{**record, "set": "minima", "method": "minima"} for record in minima]

    def plot(axes: Axes) -> None:
        figures.against_level(axes, levels, "largest", metric, lambda level: [])
        figures.log_values(axes)
        axes.set_ylabel("largest eigenvalue of the Hessian")

    table = [
        {"run": record["run"], "level": record["level"], "models": record["largest"]["n"]}
        | {f"{key}_{part}": record[key][part] for key in MINIMA for part in ("mean", "se")}
        for record in minima
    ]
    said = "Sharpness of the models at each level: the Hessian's largest eigenvalue, mean with its "
    said += "standard error over models."
    means = ", ".join(f"{number(r['largest'])} at {r['level']:g}" for r in minima)
    return Figure("sharpness", f"Sharpness against level: {means}", said, plot, table)


def _spectra(name: str, run: Run, runs: int) -> list[Figure]:
    """The Hessian's spectrum at a model, at every level where it was kept."""
    kept = [record for record in run.model_measures() if record["steps"]]
    models = sorted({record["model"] for record in kept})
    suffix = f"-{name}" * (runs > 1)
    return [
        _spectrum(run, [r for r in kept if r["model"] == m], f"spectrum-{m}{suffix}")
        for m in models
    ]


def _spectrum(run: Run, records: Sequence[Row], name: str) -> Figure:
    spectra = []
    for record in records:
        arrays = run.load_measures(record)
        nodes, weights = arrays["spectrum.nodes"], arrays["spectrum.weights"]
        spectra.append((record["level"], nodes.ravel(), (weights / len(weights)).ravel()))
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
