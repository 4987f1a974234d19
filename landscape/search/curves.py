"""Curves of a few control points. To a descent a curve is a model: its parameters are the control
points, and its loss is the mean over random places of the curve.

A curve's parameters are the task's own, arrays [points, ...], of which the first and the last stay
where they are, and the two numbers TARGET and WEIGHT, which a descent does not change either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from landscape.core import trees
from landscape.core.distances import SQUARES, some_data
from landscape.core.landscape import Landscape
from landscape.core.task import Carry
from landscape.core.trees import Params
from landscape.search.beads import has_few_samples

TARGET = "target of the curve"  # what the loss shall stay below
WEIGHT = "weight of the length"  # of the curve, in chords
LOOKS = 25  # places between the ends at which a curve is looked at
HALVES = 8.0  # how often the weight of the length is halved in all steps
SLOWER = 4.0  # how often the rate is
LENGTHS = 32  # chords of a curve, whose lengths' sum is its length
FUNCTIONS = 8  # steps of a curve, the distances of whose functions' sum is its length
SAMPLES = 500  # that these are over, at most
FINE = 2048  # for beads at even distances

Basis = Callable[[Any], Any]
"""Places t in 0 … 1, [...] → the weights of the control points there, [..., points], by arithmetic
that NumPy and JAX share."""


def descends_level(landscape: Landscape) -> bool:
    """Whether a curve descends the level's own metric on all training data: where that has a
    gradient and the data are few. Elsewhere it descends the training loss, on training's batches.
    """
    return landscape.train_objective is not None and has_few_samples(landscape)


Length = Callable[[Params], jax.Array]
"""Control points → how long their curve is, in what a weight is a weight of."""


def in_chords(basis: Basis) -> Length:
    """The length in parameters, over the distance of the ends."""
    at = np.diff(basis(np.linspace(0, 1, LENGTHS + 1)), axis=0)
    return lambda control: _chords(control, at)


def of_functions(landscape: Landscape, basis: Basis) -> Length:
    """The logarithm of the length in function space: of the sum of the distances of the outputs at
    FUNCTIONS + 1 even places, over at most SAMPLES samples.

    It has the derivatives of a length over itself, so a weight means what it does of chords.
    """
    assert landscape.outputs is not None
    predict, kind = landscape.outputs
    data = some_data(landscape, SAMPLES)
    at = basis(np.linspace(0, 1, FUNCTIONS + 1))

    def length(control: Params) -> jax.Array:
        weights = jnp.asarray(at, jax.tree.leaves(control)[0].dtype)
        seen = jax.lax.map(lambda one: predict(_mixed(one, control), data), weights)
        squares = jax.vmap(SQUARES[kind])(seen[:-1], seen[1:])
        apart = squares.reshape(FUNCTIONS, -1).mean(1)
        return jnp.log(jnp.sqrt(apart + jnp.finfo(apart.dtype).eps ** 2).sum())

    return length


def curve_landscape(
    landscape: Landscape, basis: Basis, points: int, batch: int, steps: int, length: Length
) -> Landscape:
    """The landscape of a landscape's curves.

    Its loss is the mean over `batch` places, one drawn from each of as many equal parts of 0 … 1,
    of log(1 + max(0, L − target)/|target|), which treats equal factors of the excess alike; L as it
    is where that is the training loss. WEIGHT times the length is added; that weight is
    halved HALVES times in so many steps, which the carry counts, because the shortest curves may be
    where the loss cannot get below the target. Its level is the highest that the landscape's level
    is at LOOKS even places.
    """
    objective = landscape.train_objective if descends_level(landscape) else None
    looks_at = basis(np.linspace(0, 1, LOOKS + 2)[1:-1])

    def loss(params: Params, carry: Carry, key: jax.Array) -> tuple[jax.Array, Carry]:
        control = {name: _held(params[name]) for name in landscape.shapes}
        target, weight = (jax.lax.stop_gradient(params[name]) for name in (TARGET, WEIGHT))
        drawn, key = jax.random.split(key)
        places = (jnp.arange(batch) + jax.random.uniform(drawn, (batch,))) / batch

        def at(carry: Carry, place: tuple[jax.Array, jax.Array]) -> tuple[Carry, jax.Array]:
            t, key = place
            model = _mixed(basis(t), control)
            if objective is None:
                value, carry = landscape.loss(model, carry, key)
                return carry, value
            excess = jnp.maximum(objective(model) - target, 0)
            return carry, jnp.log1p(excess / jnp.where(target == 0, 1, jnp.abs(target)))

        own, made = carry
        own, values = jax.lax.scan(at, own, (places, jax.random.split(key, batch)))
        weight = weight * 2 ** (-HALVES / steps * made)
        return values.mean() + weight * length(control), (own, made + 1)

    def level(params: Params) -> jax.Array:
        control = {name: params[name] for name in landscape.shapes}
        weights = jnp.asarray(looks_at, jax.tree.leaves(control)[0].dtype)
        return jax.lax.map(lambda one: landscape.level(_mixed(one, control)), weights).max()

    some = next(iter(landscape.shapes.values()))
    shapes = {
        name: jax.ShapeDtypeStruct((points, *one.shape), one.dtype)
        for name, one in landscape.shapes.items()
    }
    numbers = dict.fromkeys((TARGET, WEIGHT), jax.ShapeDtypeStruct((), some.dtype))
    carry = landscape.carry, jnp.zeros((), some.dtype)
    return landscape._replace(loss=loss, level=level, shapes=shapes | numbers, carry=carry)


def adam_by_reach(
    rate: float, parameters: int, steps: int
) -> optax.GradientTransformationExtraArgs:
    """Adam whose step is about `rate` of the reach, were all of so many parameters to move alike;
    halved SLOWER times in so many steps.

    `update` needs `reach`, the length of the curve's chord.

    References:
        Kingma & Ba 2015.
    """
    adam = optax.scale_by_adam()

    def update(updates: Any, state: Any, params: Any = None, **seen: Any) -> Any:
        updates, state = adam.update(updates, state, params)
        size = -rate * 2 ** (-SLOWER / steps * state.count) * seen["reach"] / np.sqrt(parameters)
        return jax.tree.map(lambda leaf: (size * leaf).astype(leaf.dtype), updates), state

    return optax.GradientTransformationExtraArgs(adam.init, update)


def sampled(control: Params, basis: Basis, beads: int) -> Params:
    """So many points of a curve [beads, ...], at even distances along it, its ends exact."""
    fine = np.linspace(0, 1, FINE + 1)
    along = np.append(0, np.cumsum(_steps(control, np.diff(basis(fine), axis=0))))
    weights = basis(np.interp(np.linspace(0, along[-1], beads), along, fine))
    weights[0], weights[-1] = basis(np.array([0.0, 1.0]))
    return {
        name: np.tensordot(weights.astype(leaf.dtype), leaf, 1) for name, leaf in control.items()
    }


def _held(leaf: jax.Array) -> jax.Array:
    """Control points whose ends have no gradient."""
    first, last = (jax.lax.stop_gradient(leaf[end]) for end in (slice(1), slice(-1, None)))
    return jnp.concatenate([first, leaf[1:-1], last])


def _mixed(weights: jax.Array, control: Params) -> Params:
    return {
        name: jnp.tensordot(weights.astype(leaf.dtype), leaf, 1) for name, leaf in control.items()
    }


def _steps(control: Params, differences: np.ndarray) -> np.ndarray:
    """Lengths of chords whose weights differ by these [chords, points], by the products of the
    control points with each other."""
    products = np.zeros(2 * (differences.shape[1],))
    for leaf in control.values():
        from_first = trees.rows(np.subtract(leaf, leaf[:1], dtype=np.float64))
        products += from_first @ from_first.T
    squares = np.einsum("ci,ij,cj->c", differences, products, differences)
    return np.sqrt(np.maximum(squares, 0))


def _chords(control: Params, differences: np.ndarray) -> jax.Array:
    """The length of a curve in chords."""
    rows = [trees.rows(leaf - leaf[:1]) for leaf in control.values()]
    products = jnp.sum(jnp.stack([one @ one.T for one in rows]), axis=0)
    tiny = jnp.finfo(products.dtype).tiny
    by = jnp.asarray(differences, products.dtype)
    squares = jnp.einsum("ci,ij,cj->c", by, products, by)
    chord = jnp.sqrt(jnp.maximum(products[-1, -1], tiny))
    return jnp.sqrt(jnp.maximum(squares, tiny)).sum() / chord
