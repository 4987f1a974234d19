"""Spectra and traces of Hessians: by random probes, or of all eigenvalues where they are few."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import jax
import numpy as np

from landscape.core import trees
from landscape.core.trees import Params
from landscape.measures.hessian import Hessian, batched, lanczos_steps
from landscape.measures.lanczos import Ritz, exact, lanczos


@dataclass(frozen=True)
class Spectrum:
    """Stochastic Lanczos quadrature at n points (Ghorbani et al. 2019): nodes and weights [n,
    probes, m], weights of a probe summing to 1 (one that needed fewer nodes repeats its first, at
    weight 0); trace [n], the mean of vᵀHv, and its standard error over the probes (NaN of one)."""

    nodes: np.ndarray
    weights: np.ndarray
    trace: np.ndarray
    trace_error: np.ndarray


def spectrum(hessian: Hessian, points: Params, steps: int, count: int, key: np.ndarray) -> Spectrum:
    """With so many Rademacher probes, the same at all points; with steps = 1 it is the trace alone
    (Hutchinson 1990)."""
    places = trees.count(points)
    steps = lanczos_steps(hessian.parameters, jax.tree.leaves(points)[0].dtype.itemsize, steps)
    starts = hessian.probes(count, key, signs=True)

    def some(place: int, index: np.ndarray) -> Ritz:
        at = trees.take(points, np.full(len(index), place))
        return lanczos(hessian.at(at), starts[index], steps, hessian.rounding)

    parts = [
        part
        for place in range(places)
        for part in batched(hessian, count, points, steps, functools.partial(some, place))
    ]
    nodes, weights = (
        np.concatenate([np.pad(getattr(p, name), ((0, 0), (0, steps - p.values.shape[1])),
                               constant_values=np.nan) for p in parts])
        for name in ("values", "weights")
    )  # fmt: skip
    nodes, weights = np.where(np.isnan(nodes), nodes[:, :1], nodes), np.nan_to_num(weights)
    nodes, weights = (array.reshape(places, count, steps) for array in (nodes, weights))
    traces = hessian.parameters * (nodes * weights).sum(axis=2)
    error = traces.std(axis=1, ddof=1) / np.sqrt(count) if count > 1 else np.full(places, np.nan)
    return Spectrum(nodes, weights, traces.mean(axis=1), error)


def whole_spectrum(hessian: Hessian, points: Params) -> tuple[Spectrum, np.ndarray]:
    """All eigenvalues at n points, of the matrix of the products with every unit vector: nodes and
    weights [n, 1, parameters], as of one probe, the trace's error 0; and each eigenvalue's error
    [n]."""
    values, errors = exact(hessian.matrices(points), hessian.rounding)
    trace, weights = values.sum(axis=1), np.full(values.shape, 1 / hessian.parameters)
    return Spectrum(values[:, None], weights[:, None], trace, np.zeros_like(trace)), errors
