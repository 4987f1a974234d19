"""A landscape: a task with the metric and split of its level chosen, over named arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscape.core import trees
from landscape.core.parts import sample_mean
from landscape.core.state import Policy, Variables
from landscape.core.task import (
    Axes,
    Batch,
    Carry,
    Form,
    Geodesic,
    Origin,
    Outputs,
    Scalar,
    Task,
    samples_of,
)
from landscape.core.trees import Params

FEW = 16  # samples that tell whether a metric is a mean over them


class BoundMargins(NamedTuple):
    """The same for the level's metric and split: params → [samples]."""

    of: Callable[[Params], jax.Array]
    unit: float


class BoundOrigin(NamedTuple):
    """The same for the level's metric and split: (parameters, state or None) → `level`."""

    name: str
    level: Callable[[Params, Params | None], float]


class HessianTarget(NamedTuple):
    """The function whose second derivatives are taken: the level's metric where it has a gradient,
    or the metric `loss` on the same split.

    value: (params, data) → scalar; sample_mean: whether that is a mean over the samples of the
    data; nonsmooth: whether its gradient jumps.
    """

    name: str
    value: Callable[[Params, Batch], Scalar]
    data: Batch
    sample_mean: bool
    nonsmooth: bool


class BoundState(NamedTuple):
    """A task's state over named arrays.

    Attributes:
        policy: Where it comes from at a point: `recompute`d there, or an end's own as it was
            `stored`, or `interpolate`d between the ends like the parameters. In the latter two its
            arrays are among the points' coordinates, which no gradient moves.
        samples: Of how many samples it is recomputed.
        shapes: Of its arrays, by name.
        level: (parameters, state) → scalar, the level's metric with a given state.
        recompute: parameters → state.
    """

    policy: Policy
    samples: int
    shapes: dict[str, jax.ShapeDtypeStruct]
    level: Callable[[Params, Params], Scalar]
    recompute: Callable[[Params], Params]


class Landscape(NamedTuple):
    """A task with its level's metric and split chosen, over flat dicts of named arrays.

    Attributes:
        init: key → params.
        loss: (params, carry, key) → (scalar, carry).
        level: params → scalar, deterministic: what a level bounds.
        train_objective: params → scalar, the same metric on all training data, where it can be
            descended.
        by_sample: params → (values [samples], gradients, named arrays [samples, ...]), of which the
            train_objective is the mean, where it is one.
        samples: How many these data are.
        carry: Of the first step.
        shapes: name → jax.ShapeDtypeStruct, all of one type.
        epsilon: Of the coarsest type that the task takes parameters in.
        form: The task's, if the level's metric is the loss that it speaks of.
        data: The level's split.
        differentiable_level: params → scalar, the level's metric itself where it has a cheap enough
            gradient.
        hessian_target: What second derivatives are taken of.
        outputs: The task's, over params and such data.
        falls: Whether the task says that the level's metric falls as models get better.
        filters: The task's.
        double_level: The level's metric of params in float64, given to the task as they are but for
            those that it takes in less than float32.
        geodesic: The task's, over params, if the level's metric is the loss that it speaks of.
        state: The task's, bound.
        beside: The task's.
        origin: The task's.
        symmetries: The task's.
        margins: The task's, of the level's metric.
        taken_apart: params → the level's metric over a few samples, the mean of what each of these
            gives alone, where the task says that the two are the same, and the mean size of that.
    """

    init: Callable[[jax.Array], Params]
    loss: Callable[[Params, Carry, jax.Array], tuple[Scalar, Carry]]
    level: Callable[[Params], Scalar]
    train_objective: Callable[[Params], Scalar] | None
    by_sample: Callable[[Params], tuple[jax.Array, Params]] | None
    samples: int
    carry: Carry
    shapes: dict[str, jax.ShapeDtypeStruct]
    epsilon: float
    form: Form | None = None
    data: Batch = ()
    differentiable_level: Callable[[Params], Scalar] | None = None
    hessian_target: HessianTarget | None = None
    outputs: Outputs | None = None
    falls: bool = True
    filters: Mapping[str, Axes] = MappingProxyType({})
    double_level: Callable[[Params], Scalar] | None = None
    geodesic: Geodesic | None = None
    state: BoundState | None = None
    beside: tuple[str, ...] = ()
    origin: BoundOrigin | None = None
    symmetries: tuple[Mapping[str, int | tuple[int, ...]], ...] | None = None
    margins: BoundMargins | None = None
    taken_apart: Callable[[Params], tuple[Scalar, Scalar, Scalar]] | None = None

    def __repr__(self) -> str:
        count = f"{trees.size(self.shapes):,} parameters in {len(self.shapes)} arrays"
        return f"<Landscape of {count}, {self.samples:,} samples>"


def unequal_samples(data: Batch) -> str:
    """Arrays of a split that do not share their leading axis, with their counts; or nothing."""
    first: dict[int | None, str] = {}
    for name, count in trees.counts(data).items():
        first.setdefault(count, name)
    if len(first) < 2 and None not in first:
        return ""
    return ", ".join(f"'{name}' has {count or 'none'}" for count, name in first.items())


def bind(
    task: Task,
    metric: str = "loss",
    split: str = "train",
    batch_size: int | None = None,
    state: Policy = "recompute",
) -> Landscape:
    """Choose what the level measures, and how many samples, drawn with replacement, a step sees.

    Args:
        task: The task.
        metric: One of its metrics.
        split: One of its splits.
        batch_size: Samples a step; None: all.
        state: Where a task's state comes from at a point (`BoundState.policy`).

    Returns:
        The landscape.

    Raises:
        KeyError: The task has no such metric or split.
        ValueError: The batch is larger than the data, or the task has no data or a recurrent state;
            or samples are to be taken apart and the arrays do not have as many.
        TypeError: The parameters are not floats, or there are none.
    """
    key_shape = jax.eval_shape(lambda: jax.random.key(0))
    template = jax.eval_shape(task.init, key_shape)
    following = jax.eval_shape(lambda: task.state and task.state.stored)
    own, of_state = trees.to_named(template), trees.to_named(following)
    travels = state != "recompute"
    if travels:
        own |= of_state
    for name, shape in own.items():
        if not jnp.issubdtype(shape.dtype, jnp.floating):
            raise TypeError(
                f"parameter {name} is of type {shape.dtype}, not a float. What a path cannot move, "
                "such as a counter, has to be left out of what `init` returns"
            )
    if not trees.size(own):
        raise TypeError("there are no parameters")
    kinds = [shape.dtype for shape in own.values()]
    held = jnp.result_type(jnp.float32, *kinds)
    shapes = {name: jax.ShapeDtypeStruct(shape.shape, held) for name, shape in own.items()}
    measure, measured, drawn = task.metrics[metric], task.data[split], task.data["train"]
    samples = samples_of(drawn)
    apart = (drawn, measured) if task.sample_means else (drawn,) if batch_size is not None else ()
    for unequal in filter(None, map(unequal_samples, apart)):
        raise ValueError(f"arrays of a split must share their leading axis: {unequal}")
    if batch_size is not None and jax.tree.leaves(task.carry):
        raise ValueError("the task carries a state through its data in order: no batches are drawn")
    if batch_size is not None and not 1 <= batch_size <= samples:
        raise ValueError(f"a batch of {batch_size} from {samples} training samples")

    def given(params: Params) -> Any:
        """As the task knows them."""
        rounded = {name: _rounded(leaf, own[name].dtype) for name, leaf in params.items()}
        return trees.from_named(template, rounded)

    def at(params: Params) -> Any:
        """What the metrics are given at a point."""
        if task.state is None:
            return given(params)
        if travels:
            return with_state(params, {name: params[name] for name in of_state})
        return Variables(given(params), task.state.recompute(given(params)))

    def with_state(params: Params, named: Params) -> Variables:
        rounded = {name: _rounded(leaf, of_state[name].dtype) for name, leaf in named.items()}
        held_still = jax.lax.stop_gradient(trees.from_named(following, rounded))
        return Variables(given(params), held_still)

    def init(key: jax.Array) -> Params:
        named = trees.to_named(task.init(key))
        if travels and task.state is not None:
            named |= trees.to_named(task.state.stored)
        return {name: jnp.asarray(leaf, held) for name, leaf in named.items()}

    def loss(params: Params, carry: Carry, key: jax.Array) -> tuple[Scalar, Carry]:
        batch = drawn
        if batch_size is not None:
            key, draw = jax.random.split(key)
            index = jax.random.randint(draw, (batch_size,), 0, samples)
            batch = trees.take(drawn, index)
        value, carry = task.loss(given(params), carry, batch, key)
        return _at_least_float32(value), carry

    def mean_of(data: Batch) -> Callable[[Any], Scalar]:
        if metric in task.sample_means and metric in task.differentiable:
            return sample_mean(measure, data)
        return lambda point: measure(point, data)

    of_level, of_training = mean_of(measured), mean_of(drawn)

    def level(params: Params) -> Scalar:
        return _at_least_float32(of_level(at(params)))

    def double_level(params: Params) -> Scalar:
        few = {name: shape for name, shape in own.items() if shape.dtype.itemsize < 4}
        rounded = {name: _rounded(params[name], shape.dtype) for name, shape in few.items()}
        point = trees.from_named(template, {**params, **rounded})
        whole = Variables(point, task.state.recompute(point)) if task.state else point
        return measure(whole, measured)

    def descent(params: Params) -> Scalar:
        return _at_least_float32(of_training(at(params)))

    def by_sample(params: Params) -> tuple[jax.Array, Params]:
        def one(sample: Batch) -> Any:
            alone = jax.tree.map(lambda leaf: leaf[None], sample)
            return jax.value_and_grad(lambda p: _at_least_float32(measure(at(p), alone)))(params)

        return jax.vmap(one)(drawn)

    def taken_apart(params: Params) -> tuple[Scalar, Scalar, Scalar]:
        point, few = at(params), trees.take(measured, trees.evenly(FEW, samples_of(measured)))
        one_each = jax.tree.map(lambda leaf: leaf[:, None], few)
        alone = jax.lax.map(lambda one: _at_least_float32(measure(point, one)), one_each)
        return _at_least_float32(measure(point, few)), alone.mean(), jnp.abs(alone).mean()

    def predict(params: Params, data: Batch) -> jax.Array:
        assert task.outputs is not None
        return _at_least_float32(task.outputs.predict(at(params), data))

    def geodesic(a: Params, b: Params, limit: float) -> float:
        assert task.geodesic is not None
        return task.geodesic(given(a), given(b), limit)

    def curved() -> HessianTarget | None:
        name = metric if metric in task.differentiable else "loss"
        if name not in task.metrics:
            return None
        return HessianTarget(
            name,
            lambda params, data: _at_least_float32(task.metrics[name](at(params), data)),
            measured,
            name in task.sample_means,
            name in task.nonsmooth,
        )

    def level_with(params: Params, named: Params) -> Scalar:
        return _at_least_float32(measure(with_state(params, named), measured))

    def state_at(params: Params) -> Params:
        assert task.state is not None
        return trees.to_named(task.state.recompute(given(params)))

    origin = task.origin and BoundOrigin(
        task.origin.name, functools.partial(_by, task.origin, metric, measured)
    )
    margins = None
    if metric in task.margins:
        each, unit = task.margins[metric]
        margins = BoundMargins(lambda params: each(at(params), measured), unit)
    has_gradient = metric in task.differentiable
    return Landscape(
        init,
        loss,
        level,
        descent if has_gradient else None,
        by_sample if has_gradient and metric in task.sample_means else None,
        samples,
        task.carry,
        shapes,
        max(float(jnp.finfo(kind).eps) for kind in kinds),
        task.form if metric == "loss" else None,
        measured,
        level if has_gradient else None,
        curved(),
        task.outputs and task.outputs._replace(predict=predict),
        has_gradient or task.higher_is_better is not None,
        task.filters,
        None if travels else double_level,
        geodesic if task.geodesic and metric == "loss" else None,
        task.state and BoundState(state, task.state.samples, of_state, level_with, state_at),
        task.beside,
        origin,
        task.symmetries,
        margins,
        taken_apart if metric in task.sample_means and samples_of(measured) > 1 else None,
    )


def _by(origin: Origin, metric: str, data: Batch, params: Params, state: Params | None) -> float:
    return origin.metric(metric, params, state, data)


def _rounded(leaf: Any, dtype: Any) -> Any:
    """In another type: XLA may leave out a conversion to fewer bits and back, but no rounding."""
    if jnp.result_type(leaf) == dtype:
        return leaf
    kind = jnp.finfo(dtype)
    return jax.lax.reduce_precision(leaf, kind.nexp, kind.nmant).astype(dtype)


def _at_least_float32(value: Any) -> Any:
    dtype = jnp.result_type(value)
    half = jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize < 4
    return value.astype(jnp.float32) if half else value
