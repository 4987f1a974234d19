"""Second derivatives without a matrix: gradients, and products of the Hessian with vectors.

Every number is of one function, named in the record: the level's metric, or the task's `loss` on
the same split where the metric has no gradient. At the kinks of rectified units the second
derivative of either does not exist; automatic differentiation takes it on one side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from landscape.core import devices, trees
from landscape.core.devices import each
from landscape.core.landscape import HessianTarget, Landscape
from landscape.core.parts import in_parts, samples_within
from landscape.core.task import Batch
from landscape.core.trees import Params

DIFFERENCE = 1e-3  # of ‖θ‖, at least: half the way between the gradients of a difference
SHARE_OF_BASIS = 2  # memory's part for the Lanczos vectors that are held at once
SHARE_OF_SAMPLES = 8  # and for what the samples of one call go through
NOISE = 10  # times the rounding error: the noise floor of a gradient or a product


def _in_parts(
    function: Callable[[Any, Batch], Any], curved: HessianTarget, item: Any
) -> Callable[[Any], Any]:
    """`function(item, data)` on parts of the data that need no more than their share of the memory,
    where the target is a mean over samples."""
    if not curved.sample_mean:
        return lambda item: function(item, curved.data)
    most = devices.memory() // SHARE_OF_SAMPLES
    return in_parts(function, curved.data, samples_within(most, function, item, curved.data))


class Hessian:
    """Gradients and Hessian-vector products at several points, named arrays [n, ...], at once.

    Of all parameters, or of those whose names match `over`, a comma-separated list of globs: the
    Hessian is then that diagonal block. Gradients and vectors are rows [n, parameters] of these.

    of: the function's name; by: derivatives of the gradient along the vector, or, for a function
    whose gradient jumps, differences of gradients `step`·‖θ‖ to both sides (`step` where θ is 0);
    rounding: of a product, relative to the Hessian's norm.
    Raises ValueError for a landscape that has no function with second derivatives, or no such
    parameters.
    """

    def __init__(self, landscape: Landscape, over: str = "*") -> None:
        if landscape.hessian_target is None:
            raise ValueError("the task has no metric `loss`, and the level's has no gradient")
        curved = landscape.hessian_target
        self.of = curved.name
        self.by = (
            "differences of gradients" if curved.nonsmooth else "derivatives, one-sided at kinks"
        )
        self.epsilon = landscape.epsilon
        step = max(DIFFERENCE, NOISE * self.epsilon)
        self.step = step if curved.nonsmooth else None
        self.rounding = NOISE * self.epsilon / (self.step or 1)
        self.shapes = trees.matching(landscape.shapes, over)
        self.parameters = trees.size(self.shapes)
        if not self.parameters:
            raise ValueError(f"'{over}' matches none of: {', '.join(landscape.shapes)}")

        def gradient(part: Params, params: Params, data: Batch) -> Params:
            return jax.grad(lambda part: curved.value({**params, **part}, data))(part)

        def own(params: Params) -> Params:
            return {name: params[name] for name in self.shapes}

        def value_and_grad(params: Params, data: Batch) -> Any:
            return curved.value(params, data), gradient(own(params), params, data)

        def product(item: Any, data: Batch) -> Params:
            params, vector = item
            part = own(params)
            if not curved.nonsmooth:
                return jax.jvp(lambda at: gradient(at, params, data), (part,), (vector,))[1]
            size, reach = (
                jnp.sqrt(optax.tree.vdot(vector, vector)),
                jnp.sqrt(optax.tree.vdot(params, params)),
            )
            scale = step * jnp.where(reach > 0, reach, 1) / jnp.where(size > 0, size, 1)
            up, down = (
                gradient(
                    jax.tree.map(lambda p, v, s=sign: p + s * scale * v, part, vector), params, data
                )
                for sign in (1, -1)
            )
            return jax.tree.map(lambda a, b: (a - b) / (2 * scale), up, down)

        every = dict(landscape.shapes)
        self._gradients = each(_in_parts(value_and_grad, curved, every))
        self._products = each(_in_parts(product, curved, (every, dict(self.shapes))))

    @property
    def facts(self) -> dict[str, Any]:
        """As columns of records."""
        return {"hessian_of": self.of, "hessian_by": self.by, "hessian_step": self.step}

    def rows(self, params: Params) -> np.ndarray:
        """Named arrays [n, ...] as rows [n, parameters]."""
        return np.concatenate(
            [trees.rows(np.asarray(params[name])) for name in self.shapes], axis=1
        )

    def named(self, rows: np.ndarray) -> Params:
        """The named arrays of rows."""
        ends = np.cumsum([trees.size(shape) for shape in self.shapes.values()])[:-1]
        parts = np.split(rows, ends, axis=1)
        return {
            name: part.reshape(len(rows), *shape.shape)
            for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)
        }

    def gradients(self, points: Params) -> tuple[np.ndarray, np.ndarray]:
        """The function's values [n] and gradients."""
        values, gradients = self._gradients(points)
        return values, self.rows(gradients)

    def products(self, points: Params, vectors: np.ndarray) -> np.ndarray:
        return self.rows(self._products((points, self.named(vectors))))

    def at(self, points: Params) -> Callable[[np.ndarray], np.ndarray]:
        """The products at these points."""
        return lambda vectors: self.products(points, vectors)

    def matrices(self, points: Params) -> Iterator[np.ndarray]:
        """The Hessian [parameters, parameters] at each of n points, by all unit vectors."""
        size = self.parameters
        units = np.eye(size, dtype=next(iter(self.shapes.values())).dtype)
        for place in range(trees.count(points)):
            at = trees.take(points, np.full(size, place))
            yield self.products(at, units).astype(float)

    def is_small(self, products: int) -> bool:
        """Whether so many products a point, and the memory, are enough for `matrices`."""
        few = self.parameters
        return few <= products and lanczos_steps(few, np.dtype(float).itemsize, few) == few

    def probes(self, count: int, key: np.ndarray, signs: bool = False) -> np.ndarray:
        """Random rows: normal, or Rademacher's signs."""
        drawn, shape = np.random.default_rng(key), (count, self.parameters)
        rows = drawn.choice([-1.0, 1.0], size=shape) if signs else drawn.normal(size=shape)
        return rows.astype(next(iter(self.shapes.values())).dtype)


def lanczos_steps(parameters: int, itemsize: int, asked: int, beside: int = 0) -> int:
    """How many Lanczos vectors of one operator their share of the memory holds, with so many other
    vectors beside them, at most what is asked for and at least 2."""
    fit = devices.memory() // SHARE_OF_BASIS // (parameters * itemsize) - beside
    return min(asked, parameters, max(2, fit))


def batched(
    hessian: Hessian, count: int, points: Params, steps: int, work: Callable[[np.ndarray], Any]
) -> Any:
    """`work` on so many of the numbers below `count`, each an operator at one of the points, that
    their Lanczos vectors fit into the memory."""
    itemsize = jax.tree.leaves(points)[0].dtype.itemsize
    together = max(1, devices.memory() // SHARE_OF_BASIS // (hessian.parameters * itemsize * steps))
    return [
        work(np.arange(first, min(count, first + together))) for first in range(0, count, together)
    ]
