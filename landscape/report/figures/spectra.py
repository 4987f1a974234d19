"""The page's figures of the Hessian's spectrum: at the models, and along the strings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from landscape.report.figures import style
from landscape.report.figures.style import Figure
from landscape.store.files import finite
from landscape.store.records.measures import StringMeasure
from landscape.store.run import Run

BINS = 60


@dataclass(frozen=True)
class Spectrum:
    """Nodes and weights [probes, steps] at a point, and what is said of it in the CSV."""

    of: dict[str, float]
    nodes: np.ndarray
    weights: np.ndarray

    def shares(self, edges: np.ndarray) -> np.ndarray:
        """Of the spectrum between the edges, by each probe, [probes, bins]."""
        pairs = zip(self.nodes, self.weights, strict=True)
        return np.array([np.histogram(nodes, edges, weights=own)[0] for nodes, own in pairs])

    @property
    def whole(self) -> bool:
        """Whether these are all eigenvalues, not a quadrature."""
        return len(self.nodes) == 1 and np.ptp(self.weights) == 0


Line = tuple[str, Sequence[Spectrum]]  # a label, and the spectra whose mean it is


def of_models(name: str, run: Run, several: bool) -> list[Figure]:
    """At each model whose spectrum was kept, by level."""
    kept = [record for record in run.model_measures() if record.steps]
    drawn = []
    for model in sorted({record.model for record in kept}):
        own = [record for record in kept if record.model == model]
        arrays = [(record, run.load_measures(record)) for record in own]
        spectra = [
            Spectrum({"level": record.level}, found["spectrum.nodes"], found["spectrum.weights"])
            for record, found in arrays
        ]
        said = f"Spectrum of the Hessian at model {model}, by level"
        drawn.append(_figure(f"spectrum-{model}" + f"-{name}" * several, said, _by_level(spectra)))
    return drawn


def of_strings(
    name: str, run: Run, measured: Sequence[StringMeasure], several: bool
) -> list[Figure]:
    """Of each set: at the highest points, by level, and along the strings of the lowest level."""
    kept = [(record, _points(run, record)) for record in measured if record.steps]
    kept = [
        (record, points)
        for record, points in kept
        if all(np.isfinite(point.nodes).all() for point in points)
    ]
    drawn = []
    for which in dict.fromkeys(record.set for record, _ in kept):
        own = [(record, points) for record, points in kept if record.set == which]
        lowest = min(record.level for record, _ in own)
        along: list[Line] = [
            (
                f"{pair} at {point.of['at']:.2g}" + ", the highest point" * (point is points[-1]),
                [point],
            )
            for record, points in own
            if record.level == lowest
            for pair in [f"{record.a}-{record.b}"]
            for point in points
        ]
        suffix = f"-{which}" + f"-{name}" * several
        said = "Spectrum of the Hessian at the highest points of strings, by level"
        highest = _by_level([points[-1] for _, points in own])
        strings = ", ".join(f"{r.a}-{r.b} at {r.level:g}" for r, _ in own)
        drawn.append(_figure(f"spectrum-highest{suffix}", said, highest, f" Strings: {strings}."))
        said = f"Spectrum of the Hessian along the strings at {lowest:g}, by fraction of the length"
        drawn.append(_figure(f"spectrum-along{suffix}", said, along))
    return drawn


def _points(run: Run, record: StringMeasure) -> list[Spectrum]:
    """At the string's points, the highest last."""
    arrays = run.load_numbers(record)
    of = {"level": record.level, "a": record.a, "b": record.b}
    return [
        Spectrum(of | {"at": float(at)}, nodes, weights)
        for at, nodes, weights in zip(
            arrays["beads.at"], arrays["spectrum.nodes"], arrays["spectrum.weights"], strict=True
        )
    ]


def _by_level(spectra: Sequence[Spectrum]) -> list[Line]:
    levels = dict.fromkeys(spectrum.of["level"] for spectrum in spectra)
    return [(f"{level:g}", [s for s in spectra if s.of["level"] == level]) for level in levels]


def _figure(name: str, said: str, lines: Sequence[Line], more: str = "") -> Figure:
    """At most style.DRAWN of the lines; the CSV has all spectra."""
    every = [spectrum for _, spectra in lines for spectrum in spectra]
    nodes = np.concatenate([spectrum.nodes.ravel() for spectrum in every])
    edges = np.linspace(nodes.min(), nodes.max() + 1e-12, BINS + 1)
    shown = style.some(lines)

    def plot(axes: Axes) -> None:
        for place, (label, spectra) in enumerate(shown):
            look = style.look(place)
            mean = np.mean([spectrum.shares(edges).mean(axis=0) for spectrum in spectra], axis=0)
            axes.stairs(mean, edges, color=look["color"], ls=look["ls"], label=label)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("eigenvalue")
        axes.set_ylabel("share of the spectrum")
        style.legend(axes)

    def rows(spectrum: Spectrum) -> Iterator[dict[str, Any]]:
        shares = spectrum.shares(edges)
        n = len(shares)
        error = shares.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(BINS, np.nan)
        columns = edges[:-1], edges[1:], shares.mean(axis=0), error
        for low, high, share, se in np.column_stack(columns).tolist():
            yield finite(
                {**spectrum.of, "low": low, "high": high, "share": share, "se": se, "n": n}
            )

    of = max(len(spectra) for _, spectra in lines)
    probes, steps = every[0].nodes.shape
    by = f"stochastic Lanczos quadrature with {probes} probes of {steps} steps"
    by = f"all {steps} eigenvalues" if every[0].whole else by
    caption = f"{said}, by {by}: shares of {BINS} bins."
    caption += f" A line is the mean of up to {of} strings." * (of > 1)
    caption += f" {len(shown)} of {len(lines)} are drawn." * (len(shown) < len(lines)) + more
    return Figure(name, said, caption, plot, [row for spectrum in every for row in rows(spectrum)])
