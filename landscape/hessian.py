"""Second derivatives without a matrix: products, Lanczos, spectra, level-set curvature.

Every number is of one function, named in the record: the level's metric, or the task's `loss` on
the same split where the metric has no gradient. At the kinks of rectified units the second
derivative of either does not exist; automatic differentiation takes it on one side.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from landscape import compute, trees
from landscape.base import Batch, Curved, Landscape
from landscape.compute import each
from landscape.trees import Params

DIFFERENCE = 1e-3  # of ‖θ‖, at least: half the way between the gradients of a difference
SHARE_OF_BASIS = 2  # memory's part for the Lanczos vectors that are held at once
SHARE_OF_SAMPLES = 8  # and for what the samples of one call go through
NORMAL_STEPS = 20  # of Lanczos, for the spread of the normal curvatures
CLOSE = 1e-4  # of the largest magnitude: the error at which extremes are close enough
LOOK = 10  # steps between two looks at the extremes
ENDED = 1e-5  # of the magnitudes so far: a remainder below which the Krylov space is whole
NOISE = 10  # times the rounding error: the noise floor of a gradient or a product
ALONG = 1e-3  # a tangent's least part within the level set
NEAR = 0.05  # of the chord: how far from a saddle, by its smallest eigenvalue, a peak may be
TRIED = 32, 64  # samples, to see what a sample costs


def intermediate_bytes(function: Callable[..., Any], *shapes: Any) -> int:
    """The bytes of all that a function computes on its way, an upper bound of what it holds."""

    def total(jaxpr: Any) -> int:
        size = 0
        for equation in jaxpr.eqns:
            size += sum(
                int(np.prod(out.aval.shape)) * out.aval.dtype.itemsize
                for out in equation.outvars
                if hasattr(out.aval, "dtype") and hasattr(out.aval.dtype, "itemsize")
            )
            for inner in jax.tree.leaves(
                list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
            ):
                inner = getattr(inner, "jaxpr", inner)
                size += total(inner) if hasattr(inner, "eqns") else 0
        return size

    return total(jax.make_jaxpr(function)(*shapes).jaxpr)


def in_parts(
    function: Callable[[Any, Batch], Any], curved: Curved, item: Any
) -> Callable[[Any], Any]:
    """`function(item, data)`, a mean over samples, as the weighted mean over parts of the data that
    need no more than their share of the memory."""
    leaves = jax.tree.leaves(curved.data)
    samples = len(leaves[0]) if leaves else 0

    def of(count: int) -> Any:
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype), curved.data
        )

    if not curved.averaged or samples <= TRIED[1]:
        return lambda item: function(item, curved.data)
    few, more = (intermediate_bytes(function, item, of(count)) for count in TRIED)
    a_sample = max(1, (more - few) // (TRIED[1] - TRIED[0]))
    part = int(max(1, min(samples, compute.memory() // SHARE_OF_SAMPLES // a_sample)))
    if part == samples:
        return lambda item: function(item, curved.data)
    whole = samples // part
    parts = jax.tree.map(
        lambda x: x[: whole * part].reshape(whole, part, *x.shape[1:]), curved.data
    )
    rest = trees.take(curved.data, slice(whole * part, None))

    def summed(item: Any) -> Any:
        zero = jax.tree.map(jnp.zeros_like, jax.eval_shape(function, item, trees.take(parts, 0)))

        def add(total: Any, data: Batch) -> tuple[Any, None]:
            found = function(item, data)
            return jax.tree.map(lambda t, x: t + x * (part / samples), total, found), None

        total, _ = jax.lax.scan(add, zero, parts)
        if whole * part < samples:
            share = 1 - whole * part / samples
            total = jax.tree.map(lambda t, x: t + share * x, total, function(item, rest))
        return total

    return summed


def norm(tree: Params) -> Any:
    return jnp.sqrt(jnp.asarray(sum(jnp.vdot(leaf, leaf) for leaf in tree.values())))


class Hessian:
    """Gradients and Hessian-vector products at several points, named arrays [n, ...], at once.

    of: the function's name; by: derivatives of the gradient along the vector, or, for a function
    whose gradient jumps, differences of gradients `step`·‖θ‖ to both sides (`step` where θ is 0).
    Raises ValueError for a landscape that has no function with second derivatives.
    """

    def __init__(self, landscape: Landscape) -> None:
        if landscape.curved is None:
            raise ValueError("the task has no metric `loss`, and the level's has no gradient")
        curved = landscape.curved
        self.of = curved.name
        self.by = "differences of gradients" if curved.kinked else "derivatives, one-sided at kinks"
        self.epsilon = landscape.epsilon
        step = max(DIFFERENCE, NOISE * self.epsilon)
        self.step = step if curved.kinked else None
        self.parameters = trees.size(landscape.shapes)
        shapes = dict(landscape.shapes)

        def value_and_grad(params: Params, data: Batch) -> Any:
            return jax.value_and_grad(curved.value)(params, data)

        def product(item: Any, data: Batch) -> Params:
            params, vector = item

            def gradient(at: Params) -> Params:
                return jax.grad(curved.value)(at, data)

            if not curved.kinked:
                return jax.jvp(gradient, (params,), (vector,))[1]
            size = norm(vector)
            reach = norm(params)
            scale = step * jnp.where(reach > 0, reach, 1) / jnp.where(size > 0, size, 1)
            up, down = (
                gradient(jax.tree.map(lambda p, v, s=sign: p + s * scale * v, params, vector))
                for sign in (1, -1)
            )
            return jax.tree.map(lambda a, b: (a - b) / (2 * scale), up, down)

        self._gradients = each(in_parts(value_and_grad, curved, shapes))
        self._products = each(in_parts(product, curved, (shapes, shapes)))

    @property
    def facts(self) -> dict[str, Any]:
        """As columns of records."""
        return {"hessian_of": self.of, "hessian_by": self.by, "hessian_step": self.step}

    def gradients(self, points: Params) -> tuple[np.ndarray, Params]:
        """The function's values [n] and gradients, named arrays [n, ...]."""
        return self._gradients(points)

    def products(self, points: Params, vectors: Params) -> Params:
        return self._products((points, vectors))


def dots(a: Params, b: Params) -> np.ndarray:
    """Inner products [n] of the rows of two trees, in float64."""
    return np.asarray(
        sum(np.einsum("ij,ij->i", trees.rows(a[n]), trees.rows(b[n])).astype(float) for n in a)
    )


def plus(a: Params, scale: np.ndarray, b: Params) -> Params:
    """a + scale·b, a scale [n] a row."""
    return {
        name: a[name] + scale.astype(a[name].dtype).reshape(-1, *[1] * (a[name].ndim - 1)) * b[name]
        for name in a
    }


def units(tree: Params) -> Params:
    """Rows divided by their norms; a row of zeros stays."""
    sizes = np.sqrt(dots(tree, tree))
    zeros = {name: np.zeros_like(leaf) for name, leaf in tree.items()}
    return plus(zeros, 1 / np.where(sizes > 0, sizes, 1), tree)


@dataclass(frozen=True)
class Ritz:
    """What Lanczos found of n operators: values [n, m] of the tridiagonal matrices, their weights
    [n, m] (first components of the eigenvectors, squared), and errors [n, m], |β_m| times the last
    components and what rounding does to the products, within which each value has an eigenvalue.
    Unused places are NaN."""

    values: np.ndarray
    weights: np.ndarray
    errors: np.ndarray

    @property
    def extremes(self) -> np.ndarray:
        """(smallest, its error, largest, its error) [n, 4]."""
        rows = np.arange(len(self.values))
        low, high = np.nanargmin(self.values, axis=1), np.nanargmax(self.values, axis=1)
        parts = [array[rows, at] for at in (low, high) for array in (self.values, self.errors)]
        return np.stack(parts, axis=1)

    @property
    def mean(self) -> np.ndarray:
        return np.nansum(self.weights * self.values, axis=1)

    @property
    def spread(self) -> np.ndarray:
        """The standard deviation [n] of the values under the weights."""
        square = np.nansum(self.weights * (self.values - self.mean[:, None]) ** 2, axis=1)
        return np.sqrt(square)


def ritz(alphas: np.ndarray, betas: np.ndarray, sizes: np.ndarray, rounding: float) -> Ritz:
    """Of tridiagonal matrices with diagonals alphas [n, m]; betas [n, m] below them, the last one
    the remainder's norm; sizes [n]: how much of each is used; rounding: of a product, relative to
    the largest magnitude."""
    found = np.full((3, *alphas.shape), np.nan)
    for row, size in enumerate(sizes):
        off = betas[row, : size - 1]
        matrix = np.diag(alphas[row, :size]) + np.diag(off, 1) + np.diag(off, -1)
        values, vectors = np.linalg.eigh(matrix)
        errors = abs(betas[row, size - 1] * vectors[-1]) + rounding * abs(values).max()
        found[:, row, :size] = values, vectors[0] ** 2, errors
    return Ritz(*found)


def lanczos_steps(parameters: int, itemsize: int, asked: int) -> int:
    """How many Lanczos vectors of one operator their share of the memory holds, at most what is
    asked for and at least 2."""
    fit = compute.memory() // SHARE_OF_BASIS // (parameters * itemsize)
    return min(asked, parameters, max(2, fit))


def lanczos(
    hessian: Hessian,
    points: Params,
    starts: Params,
    steps: int,
    normals: Params | None = None,
    until_close: bool = False,
) -> Ritz:
    """Lanczos with full reorthogonalisation of the Hessians at n points, from n starts.

    normals: unit vectors; the operator is then P H P, P the projection along them. until_close:
    stop when the extremes' errors are below CLOSE of the largest magnitude. An operator's vectors
    are held, `steps` times its parameters.
    """
    within: Callable[[Params], Params] = lambda v: v  # noqa: E731
    if normals is not None:
        within = lambda v: plus(v, -dots(v, normals), normals)  # noqa: E731
    vector = units(within(starts))
    count = trees.count(points)
    alphas, betas = np.zeros((count, steps)), np.zeros((count, steps))
    sizes, basis = np.full(count, steps), [vector]
    rounding = NOISE * hessian.epsilon
    for k in range(steps):
        rest = within(hessian.products(points, vector))
        alphas[:, k] = dots(rest, vector)
        for _ in range(2):  # once leaves what rounding leaves; twice is enough (Parlett)
            for before in basis:
                rest = plus(rest, -dots(rest, before), before)
        betas[:, k] = np.sqrt(dots(rest, rest))
        size = np.abs(alphas[:, : k + 1]).max(1) + betas[:, : k + 1].max(1)
        ended = (betas[:, k] <= ENDED * size) & (sizes == steps)
        sizes[ended] = k + 1
        last = k + 1 == steps or (sizes < steps).all()
        if until_close and not last and (k + 1) % LOOK == 0:
            found = ritz(alphas, betas, np.minimum(sizes, k + 1), rounding).extremes
            most = np.abs(found[:, [0, 2]]).max(1, keepdims=True)
            last = bool((found[:, [1, 3]] <= CLOSE * most).all())
        if last:
            used = alphas[:, : k + 1], betas[:, : k + 1], np.minimum(sizes, k + 1)
            return ritz(*used, rounding)
        vector = units(within(rest))
        vector = plus(vector, np.where(sizes < steps, -1.0, 0.0), vector)  # those that ended
        basis.append(vector)
    raise AssertionError("unreachable")


def probes(like: Params, key: np.ndarray, signs: bool = False) -> Params:
    """Random rows like the tree's: normal, or Rademacher's signs."""
    drawn = np.random.default_rng(key)
    return {
        name: (
            drawn.choice([-1.0, 1.0], size=leaf.shape) if signs else drawn.normal(size=leaf.shape)
        ).astype(leaf.dtype)
        for name, leaf in sorted(like.items())
    }


def batched(
    hessian: Hessian, count: int, points: Params, steps: int, work: Callable[[np.ndarray], Any]
) -> Any:
    """`work` on so many of the numbers below `count`, each an operator at one of the points, that
    their Lanczos vectors fit into the memory."""
    itemsize = jax.tree.leaves(points)[0].dtype.itemsize
    together = max(1, compute.memory() // SHARE_OF_BASIS // (hessian.parameters * itemsize * steps))
    return [
        work(np.arange(first, min(count, first + together))) for first in range(0, count, together)
    ]


@dataclass(frozen=True)
class Curvatures:
    """At n points: the function's value and its gradient's norm; the Hessian's extreme eigenvalues
    [n, 4] (smallest, its error, largest, its error); level_curvature, uᵀHu/‖g‖ along the tangents;
    and mean, spread, smallest and largest of the level set's normal curvatures [n, 4], by Lanczos
    from one random tangent. What is undefined is NaN."""

    value: np.ndarray
    gradient: np.ndarray
    extremes: np.ndarray
    level_curvature: np.ndarray
    normal: np.ndarray


def curvatures(
    hessian: Hessian, points: Params, steps: int, key: np.ndarray, tangents: Params | None = None
) -> Curvatures:
    """Tangents, named arrays [n, ...], need be neither of norm 1 nor tangent to the level set;
    without them the level set is left out.

    The level set's curvature is positive where it bends towards lower loss, as a sphere around a
    minimum does (1/r); on the inner wall of a ring of minima it is −1/r. It is undefined where ‖g‖
    is at its noise floor, NOISE·ε·max|λ|·‖θ‖ (what rounding the parameters does to the gradient),
    or where a tangent has less than ALONG of itself within the level set.
    """
    steps = lanczos_steps(hessian.parameters, jax.tree.leaves(points)[0].dtype.itemsize, steps)

    def some(index: np.ndarray) -> Curvatures:
        along = None if tangents is None else trees.take(tangents, index)
        return _curvatures(hessian, trees.take(points, index), steps, key, along)

    parts = batched(hessian, trees.count(points), points, steps, some)
    return Curvatures(
        **{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])}
    )


def _curvatures(
    hessian: Hessian, points: Params, steps: int, key: np.ndarray, tangents: Params | None
) -> Curvatures:
    value, slopes = hessian.gradients(points)
    size = np.sqrt(dots(slopes, slopes))
    starts = probes(points, key)
    extremes = lanczos(hessian, points, starts, steps, until_close=True).extremes
    if tangents is None:
        undefined = np.full((len(size), 5), np.nan)
        bent, normal = undefined[:, 0], undefined[:, 1:]
        return Curvatures(np.asarray(value, float), size, extremes, bent, normal)
    largest = np.abs(extremes[:, [0, 2]]).max(1)
    clear = size > NOISE * hessian.epsilon * largest * np.sqrt(dots(points, points))
    divisor = np.where(clear, size, np.nan)

    normals, unit = units(slopes), units(tangents)
    within = plus(unit, -dots(unit, normals), normals)
    part = np.sqrt(dots(within, within))
    u = units(within)
    bent = dots(u, hessian.products(points, u)) / np.where(part > ALONG, divisor, np.nan)
    normal = np.full((len(size), 4), np.nan)
    if hessian.parameters > 1:
        few = min(steps, NORMAL_STEPS, hessian.parameters - 1)
        found = lanczos(hessian, points, starts, few, normals)
        ends = found.extremes[:, [0, 2]]
        normal = np.column_stack([found.mean, found.spread, ends]) / divisor[:, None]
    return Curvatures(np.asarray(value, float), size, extremes, bent, normal)


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
    like = {n: np.broadcast_to(leaf[:1], (count, *leaf.shape[1:])) for n, leaf in points.items()}
    starts = probes(like, key, signs=True)

    def some(place: int, index: np.ndarray) -> Ritz:
        at = trees.take(points, np.full(len(index), place))
        return lanczos(hessian, at, trees.take(starts, index), steps)

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


def is_small(hessian: Hessian, products: int) -> bool:
    """Whether so many products, and the memory, are enough for `whole_spectrum` at a point."""
    few = hessian.parameters
    return few <= products and lanczos_steps(few, np.dtype(float).itemsize, few) == few


def whole_spectrum(hessian: Hessian, points: Params) -> Spectrum:
    """All eigenvalues at n points, of the matrix of the products with every unit vector: nodes and
    weights [n, 1, parameters], as of one probe; the trace's error is 0."""
    size, values = hessian.parameters, []
    ends = np.cumsum([trees.rows(leaf).shape[1] for leaf in points.values()])[:-1]
    parts = np.split(np.eye(size), ends, axis=1)
    vectors = {
        name: part.reshape(size, *leaf.shape[1:]).astype(leaf.dtype)
        for part, (name, leaf) in zip(parts, points.items(), strict=True)
    }
    for place in range(trees.count(points)):
        found = hessian.products(trees.take(points, np.full(size, place)), vectors)
        matrix = np.concatenate([trees.rows(found[name]) for name in points], axis=1).astype(float)
        values.append(np.linalg.eigvalsh((matrix + matrix.T) / 2))
    nodes = np.stack(values)[:, None]
    trace = nodes.sum(axis=(1, 2))
    return Spectrum(nodes, np.full(nodes.shape, 1 / size), trace, np.zeros_like(trace))


def recognised(gradient: float, extremes: np.ndarray, chord: float) -> str:
    """What a path's highest point is: `near a saddle`, `near a minimum`, or `on a slope`.

    The gradient's norm over the magnitude of an eigenvalue is how far away a critical point can be
    along its eigenvector. Near a saddle: the smallest eigenvalue is negative by more than its
    error, and that distance is at most NEAR of the path's chord. Near a minimum: no eigenvalue is
    negative by more than its error and CLOSE of the largest, and the distance by the largest is at
    most NEAR. Everything else is on a slope: the level, not a saddle, is what stops the path.
    A path of one point has no highest one.
    """
    smallest, error, largest, _ = extremes
    if chord == 0 or not np.isfinite([gradient, smallest, largest]).all():
        return "unknown"
    if smallest < -(error + CLOSE * abs(largest)):
        near = gradient <= NEAR * chord * -smallest
        return "near a saddle" if near else "on a slope"
    return "near a minimum" if gradient <= NEAR * chord * abs(largest) else "on a slope"
