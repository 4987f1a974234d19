"""The page's figures of the Hessian's spectrum: at the models, and along the strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from landscape.files import Row
from landscape.report import figures
from landscape.report.figures import Figure
from landscape.runs import Run

BINS = 60
QUADRATURE = "from stochastic Lanczos quadrature"


@dataclass(frozen=True)
class Spectrum:
    """Nodes and weights [probes, steps] of a point, and what is said of it in the CSV."""

    of: Row
    nodes: np.ndarray
    weights: np.ndarray


def of_models(name: str, run: Run, several: bool) -> list[Figure]:
    """At each model whose spectrum was kept, by level."""
    kept = [record for record in run.model_measures() if record["steps"]]
    drawn = []
    for model in sorted({record["model"] for record in kept}):
        own = [record for record in kept if record["model"] == model]
        arrays = [(record, run.load_measures(record)) for record in own]
        spectra = [
            Spectrum({"level": record["level"]}, found["spectrum.nodes"], found["spectrum.weights"])
            for record, found in arrays
        ]
        said = f"Spectrum of the Hessian at model {model}, by level, {QUADRATURE}"
        drawn.append(_figure(f"spectrum-{model}" + f"-{name}" * several, said, _by_level(spectra)))
    return drawn


def of_strings(name: str, run: Run, several: bool) -> list[Figure]:
    """Of each set: at the highest points, by level, and along the strings of the lowest level."""
    kept = [record for record in run.string_measures() if record["steps"]]
    drawn = []
    for which in dict.fromkeys(record["set"] for record in kept):
        own = [record for record in kept if record["set"] == which]
        highest = [_points(run, record)[-1] for record in own]
        lowest = min(record["level"] for record in own)
        along = {
            f"{record['a']}-{record['b']} at {spectrum.of['at']:.2g}"
            + ", the highest point" * (number == len(points) - 1): [spectrum]
            for record in own
            if record["level"] == lowest
            for points in [_points(run, record)]
            for number, spectrum in enumerate(points)
        }
        suffix = f"-{which}" + f"-{name}" * several
        strings = ", ".join(f"{r['a']}-{r['b']} at {r['level']:g}" for r in own)
        said = f"Spectrum of the Hessian at the highest points of strings, {QUADRATURE}: {strings}"
        drawn.append(_figure(f"spectrum-highest{suffix}", said, _by_level(highest)))
        said = f"Spectrum of the Hessian along the strings at {lowest:g}, by the fraction of their "
        said += f"length, {QUADRATURE}"
        drawn.append(_figure(f"spectrum-along{suffix}", said, along))
    return drawn


def _points(run: Run, record: Row) -> list[Spectrum]:
    arrays = run.load_numbers(record)
    of = {key: record[key] for key in ("level", "a", "b")}
    return [
        Spectrum(of | {"at": float(at)}, nodes, weights)
        for at, nodes, weights in zip(
            arrays["beads.at"], arrays["spectrum.nodes"], arrays["spectrum.weights"], strict=True
        )
    ]


def _by_level(spectra: Sequence[Spectrum]) -> dict[str, list[Spectrum]]:
    levels = dict.fromkeys(spectrum.of["level"] for spectrum in spectra)
    return {f"{level:g}": [s for s in spectra if s.of["level"] == level] for level in levels}


def _figure(name: str, said: str, groups: dict[str, list[Spectrum]]) -> Figure:
    """A line a group, the mean of its spectra, of at most figures.DRAWN groups; the CSV has all."""
    every = np.concatenate([s.nodes.ravel() for group in groups.values() for s in group])
    edges = np.linspace(every.min(), every.max() + 1e-12, BINS + 1)

    def density(spectrum: Spectrum) -> np.ndarray:
        mass = spectrum.weights / len(spectrum.weights)
        return np.histogram(spectrum.nodes, edges, weights=mass)[0]

    densities = {label: [density(s) for s in group] for label, group in groups.items()}
    shown = figures.some([*groups])

    def plot(axes: Axes) -> None:
        for place, label in enumerate(shown):
            style = figures.look(place)
            mean = np.mean(densities[label], axis=0)
            axes.stairs(mean, edges, color=style["color"], ls=style["ls"], label=label)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("eigenvalue")
        axes.set_ylabel("share of the spectrum")
        figures.legend(axes)

    table = [
        {**spectrum.of, "low": low, "high": high, "share": float(share)}
        for label, group in groups.items()
        for spectrum, shares in zip(group, densities[label], strict=True)
        for low, high, share in zip(edges[:-1].tolist(), edges[1:].tolist(), shares, strict=True)
    ]
    drawn = f" {len(shown)} of {len(groups)} are drawn." if len(shown) < len(groups) else ""
    return Figure(name, said, f"{said}: shares of {BINS} bins.{drawn}", plot, table)
