"""Measure a path or a point: lengths, curvatures, eigenvalues, spectra."""

# pyright: strict, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false
# JAX and matplotlib are not typed throughout

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from landscape.api import display
from landscape.api.problem import (
    Problem,
    Tree,
    check_beads,
    path_of,
    point_of,
)
from landscape.core import paths, trees
from landscape.core.certificate import certify, segment_evaluator
from landscape.core.keys import key_data
from landscape.core.settings import ADAPTIVE
from landscape.measures.curvature import classify_peak, curvatures, extremes, points_along
from landscape.measures.function_space import make_function_length
from landscape.measures.hessian import Hessian
from landscape.measures.lengths import scaled_distance, scaled_length, turning
from landscape.measures.spectrum import spectrum as random_spectrum
from landscape.measures.spectrum import whole_spectrum


@dataclass(frozen=True)
class Lengths:
    """How long a path is, and how much it turns.

    Attributes:
        length: In parameter distance.
        chord: The distance of its ends.
        scaled_length: In the metric Σ ‖dθ_a‖² / ‖θ_a‖² over arrays a; None where an array that
            moves is zero.
        scaled_chord: The least length in that metric.
        total_curvature: The sum of the turning angles at the beads, in radians.
        largest_angle: The largest of them.
        function_length: Between the predictions on a split; None for a task without outputs.
        function_chord: The distance of the predictions at the ends.
        function_change: By which part of itself the function length moved when its steps were last
            halved: its method error.
        function_samples: Over how many samples.
    """

    length: float
    chord: float
    scaled_length: float | None
    scaled_chord: float | None
    total_curvature: float
    largest_angle: float
    function_length: float | None = None
    function_chord: float | None = None
    function_change: float | None = None
    function_samples: int | None = None

    @property
    def normalized_length(self) -> float | None:
        """The length over the chord; None where the ends are one point."""
        return self.length / self.chord if self.chord > 0 else None

    def _repr_html_(self) -> str:
        number = display.number
        rows = {
            "length / chord": number(self.normalized_length),
            "total curvature": f"{number(self.total_curvature)} radians, "
            f"{number(self.largest_angle)} at the sharpest bead",
            "scaled length / chord": f"{number(self.scaled_length)} / {number(self.scaled_chord)}",
        }
        if self.function_length is not None:
            rows["function length / chord"] = (
                f"{number(self.function_length)} (moved last by {number(self.function_change, 2)}) "
                f"/ {number(self.function_chord)}, over {self.function_samples} samples"
            )
        return display.table(rows)


def lengths(
    path: Tree,
    problem: Problem | None = None,
    *,
    over: str = "*",
    metric: str = "loss",
    split: str = "train",
    samples: int = 1000,
) -> Lengths:
    """Measure how long a path is, and how much it turns.

    Args:
        path: Every leaf [beads, ...]; segments are straight.
        problem: A `Task` or `Landscape` with outputs, for the length in function space.
        over: Globs of the parameters' names that length and chord are over.
        metric: Of a task.
        split: Of a task: of which data the predictions are.
        samples: At most so many of them.

    Returns:
        Lengths with their companions.

    Raises:
        ValueError: It is no path, or `over` matches nothing.
    """
    check_beads(path)
    points = {name: np.asarray(leaf) for name, leaf in trees.to_named(path).items()}
    if not trees.matching(points, over):
        raise ValueError(f"over: '{over}' matches none of: {', '.join(points)}")
    turned = turning(points)
    found = Lengths(
        length=paths.length(points, over),
        chord=paths.chord(points, over),
        scaled_length=scaled_length(points),
        scaled_chord=scaled_distance(points),
        total_curvature=turned.total,
        largest_angle=float(turned.angles.max()),
    )
    if problem is None:
        return found
    landscape, points = path_of(problem, path, metric, split)
    measure = make_function_length(landscape, samples)
    if measure is None:
        return found
    seen = measure(points)
    return Lengths(
        **{name: getattr(found, name) for name in list(vars(found))[:6]},
        function_length=seen.length,
        function_chord=seen.chord,
        function_change=seen.change,
        function_samples=seen.samples,
    )


@dataclass(frozen=True)
class CurvatureResult:
    """Second derivatives along a path, at k points: some of its beads, and the highest point, last.

    Attributes:
        of: The function that was differentiated.
        places: [k], fractions of the length.
        loss: [k], of that function.
        gradient: [k], its gradient's norm.
        level_curvature: [k], of the level set along the path, 1/distance; NaN where undefined.
        smallest: [k], the smallest eigenvalue of the Hessian.
        smallest_error: [k].
        largest: [k], the largest eigenvalue.
        largest_error: [k].
        peak: What the highest point is: near a saddle, near a minimum, on a slope, not resolved.
        products: Hessian-vector products at each point.
    """

    of: str
    places: np.ndarray
    loss: np.ndarray
    gradient: np.ndarray
    level_curvature: np.ndarray
    smallest: np.ndarray
    smallest_error: np.ndarray
    largest: np.ndarray
    largest_error: np.ndarray
    peak: str
    products: int

    def _repr_html_(self) -> str:
        return display.fields_table(self)

    def __repr__(self) -> str:
        bent = self.level_curvature[np.isfinite(self.level_curvature)]
        mean = f"{bent.mean():.4g} at {len(bent)} points" if len(bent) else "undefined"
        return display.one_line(
            "CurvatureResult", (f"of {self.of}", f"level-set curvature {mean}", f"peak {self.peak}")
        )


def curvature(
    problem: Problem,
    path: Tree,
    level: float,
    *,
    metric: str = "loss",
    split: str = "train",
    points: int = 3,
    steps: int = 60,
    grid: int = ADAPTIVE,
    seed: int = 0,
) -> CurvatureResult:
    """Measure second derivatives along a path, and how the level set bends along it.

    Args:
        problem: As for `find_path`.
        path: Every leaf [beads, ...].
        level: The path's level: its highest point is refined to a part of it.
        metric: Of a task.
        split: Of a task.
        points: At so many beads, evenly spread, and at the highest point.
        steps: Of Lanczos, at most.
        grid: Points a segment at which the highest point is looked for; 0: as many as are needed.
        seed: Of the random vectors.

    Returns:
        Numbers at each point, eigenvalues with their errors.

    Raises:
        ValueError: The path does not fit the problem, or there is nothing to differentiate.
    """
    landscape, named = path_of(problem, path, metric, split)
    hessian = Hessian(landscape)
    certificate = certify(named, segment_evaluator(landscape, grid), level)
    along = points_along(named, certificate, points)
    key = key_data(seed, "measure", "0-1")
    found = curvatures(hessian, along.points, steps, key, along.tangents)
    ends = found.extremes
    return CurvatureResult(
        hessian.of,
        along.places,
        found.value,
        found.gradient,
        found.level_curvature,
        ends.values[:, 0],
        ends.errors[:, 0],
        ends.values[:, 1],
        ends.errors[:, 1],
        classify_peak(found.gradient[-1], ends.values[-1], ends.errors[-1], paths.chord(named)),
        ends.products,
    )


@dataclass(frozen=True)
class HessianExtremes:
    """The Hessian's smallest and largest eigenvalue at a point.

    Attributes:
        of: The function that was differentiated.
        value: Its value.
        gradient: Its gradient's norm.
        smallest: The smallest eigenvalue.
        smallest_error: It is within this, but for a chance of one in a thousand.
        smallest_status: CONVERGED, ROUNDING (as good as rounding allows), BUDGET or NON_FINITE.
        largest: The largest eigenvalue.
        largest_error: As of the smallest.
        largest_status: As of the smallest.
        products: Hessian-vector products that it took.
        parameters: How many parameters.
    """

    of: str
    value: float
    gradient: float
    smallest: float
    smallest_error: float
    smallest_status: str
    largest: float
    largest_error: float
    largest_status: str
    products: int
    parameters: int

    def _repr_html_(self) -> str:
        return display.fields_table(self)


def hessian_extremes(
    problem: Problem,
    params: Tree,
    *,
    metric: str = "loss",
    split: str = "train",
    over: str = "*",
    steps: int = 60,
    seed: int = 0,
) -> HessianExtremes:
    """Find the extreme eigenvalues of the Hessian at a point.

    Args:
        problem: As for `find_path`.
        params: The point.
        metric: Of a task: whose Hessian, where it has a gradient; else the metric `loss`.
        split: Of a task.
        over: Globs of the parameters' names, for a diagonal block of the Hessian.
        steps: Of Lanczos, at most; exact where there are no more parameters.
        seed: Of the random vector.

    Returns:
        Both eigenvalues with error and status.

    Raises:
        ValueError: The parameters do not fit, or there is nothing to differentiate.
    """
    landscape, points = point_of(problem, params, metric, split)
    hessian = Hessian(landscape, over)
    value, slopes = hessian.gradients(points)
    found = extremes(hessian, points, steps, key_data(seed, "extremes"))
    facts = found.facts(0, "smallest", "largest")
    return HessianExtremes(
        of=hessian.of,
        value=float(value[0]),
        gradient=float(np.linalg.norm(slopes[0])),
        products=found.products,
        parameters=hessian.parameters,
        **facts,  # type: ignore[arg-type]  # numbers and statuses by name
    )


@dataclass(frozen=True)
class SpectrumResult:
    """The Hessian's spectrum at a point.

    Attributes:
        of: The function that was differentiated.
        nodes: [probes, m], eigenvalues, or nodes of stochastic Lanczos quadrature.
        weights: [probes, m], of a probe summing to 1.
        trace: The Hessian's trace.
        trace_error: Its standard error over the probes; 0 where all eigenvalues were taken.
        exact: Whether the nodes are all eigenvalues.
    """

    of: str
    nodes: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    trace: float
    trace_error: float
    exact: bool

    def _repr_html_(self) -> str:
        return display.fields_table(self) + display.density_figure(self.nodes, self.weights)


def spectrum(
    problem: Problem,
    params: Tree,
    *,
    metric: str = "loss",
    split: str = "train",
    over: str = "*",
    steps: int = 60,
    probes: int = 8,
    seed: int = 0,
) -> SpectrumResult:
    """Estimate the spectrum of the Hessian at a point, and its trace.

    Args:
        problem: As for `find_path`.
        params: The point.
        metric: Of a task.
        split: Of a task.
        over: Globs of the parameters' names, for a diagonal block.
        steps: Of Lanczos, a probe.
        probes: Random vectors. All eigenvalues are taken where they are fewer than steps · probes.
        seed: Of the random vectors.

    Returns:
        Nodes and weights, and the trace with its error.

    Raises:
        ValueError: The parameters do not fit, or there is nothing to differentiate.

    References:
        Ghorbani et al. 2019 (stochastic Lanczos quadrature); Hutchinson 1990 (the trace).
    """
    landscape, points = point_of(problem, params, metric, split)
    hessian = Hessian(landscape, over)
    exact = hessian.is_small(steps * probes)
    if exact:
        density, _ = whole_spectrum(hessian, points)
    else:
        density = random_spectrum(hessian, points, steps, probes, key_data(seed, "spectrum"))
    return SpectrumResult(
        hessian.of,
        density.nodes[0],
        density.weights[0],
        float(density.trace[0]),
        float(density.trace_error[0]),
        exact,
    )
