"""What the calls of the library take: a loss, a task or a landscape, and pytrees of parameters."""

# pyright: strict, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false
# JAX and matplotlib are not typed throughout

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from landscape.core import trees
from landscape.core.landscape import Landscape, bind
from landscape.core.paths import finite_beads
from landscape.core.state import look_like_state
from landscape.core.task import Scalar, Task, energy_task
from landscape.core.trees import Params

Tree = Any  # a pytree of arrays, as the user has it
Loss = Callable[[Tree], Scalar]
Problem = Loss | Task | Landscape


def as_landscape(
    problem: Problem, example: Tree, metric: str = "loss", split: str = "train"
) -> Landscape:
    """The landscape of a loss, a task or a landscape.

    Args:
        problem: A differentiable function of a pytree, a `Task`, or a bound `Landscape`.
        example: Parameters, for the structure of a function's argument.
        metric: Of a task: what a level bounds.
        split: Of a task: on which of its splits.

    Raises:
        ValueError: The task has no such metric or split, or the function gives no scalar.
        TypeError: The parameters are not floats, or there are none; or the problem is neither.
    """
    if isinstance(problem, Landscape):
        return problem
    if isinstance(problem, Task):
        for what, name, known in (
            ("metric", metric, problem.metrics),
            ("split", split, problem.data),
        ):
            if name not in known:
                allowed = ", ".join(known)
                raise ValueError(f"the task has no {what} '{name}' (allowed: {allowed})")
        landscape = bind(problem, metric, split)
        _check_state(landscape)
        return landscape
    if not callable(problem):
        kind = type(problem).__name__
        raise TypeError(f"expected a loss, a landscape.Task or a landscape.Landscape, got {kind}")
    landscape = bind(energy_task(problem, lambda key: example))
    _check_state(landscape)
    shape = jax.eval_shape(landscape.level, dict(landscape.shapes))
    if getattr(shape, "shape", None) != ():
        raise ValueError(f"the loss must be a scalar, its shape is {shape.shape}")
    return landscape


def _check_state(landscape: Landscape) -> None:
    if found := ", ".join(look_like_state(landscape.shapes)):
        raise ValueError(
            f"{found} look like running statistics, by their names. Are they to be coordinates of "
            "a path? If not, leave them out of the parameters, and give the task a `state`, as "
            "torch_task and flax_task do. If so, pass the landscape, landscape.bind(task)"
        )


def as_params(landscape: Landscape, tree: Tree, what: str) -> Params:
    """A point as named arrays of the landscape's types.

    Raises:
        ValueError: Names or shapes are others than the landscape's, or a number is not finite.
    """
    return _checked(landscape, trees.to_named(tree), what, ())


def check_beads(path: Tree, what: str = "path") -> None:
    """Refuse what is no path.

    Raises:
        ValueError: The arrays have not the same number of beads, two or more.
    """
    named = trees.to_named(path)
    counts = {np.shape(leaf)[:1] for leaf in named.values()}
    if len(counts) != 1 or counts & {(), (0,), (1,)}:
        listed = ", ".join(f"{name} {np.shape(leaf)}" for name, leaf in named.items())
        raise ValueError(
            f"{what}: the first axis of every array is the beads, two or more, as many of each; "
            f"got {listed or 'no arrays'}"
        )


def as_points(landscape: Landscape, path: Tree, what: str = "path") -> Params:
    """A path, every leaf [beads, ...], as named arrays of the landscape's types.

    Raises:
        ValueError: As `as_params`, or there are fewer than two beads.
    """
    check_beads(path, what)
    named = trees.to_named(path)
    return _checked(landscape, named, what, (trees.count(named),))


def path_of(problem: Problem, path: Tree, metric: str, split: str) -> tuple[Landscape, Params]:
    """The landscape of a path's points, and these as named arrays [beads, ...]."""
    check_beads(path)
    first = jax.tree.map(lambda leaf: np.asarray(leaf)[0], path)
    landscape = as_landscape(problem, first, metric, split)
    return landscape, as_points(landscape, path)


def point_of(problem: Problem, params: Tree, metric: str, split: str) -> tuple[Landscape, Params]:
    """The landscape of a point, and this as named arrays [1, ...]."""
    landscape = as_landscape(problem, params, metric, split)
    return landscape, trees.stack([as_params(landscape, params, "params")])


def like(template: Tree, named: Params) -> Tree:
    """Named arrays in the structure of the user's own, less what of it is state."""
    if named.keys() != {*trees.names(template)}:
        return dict(named)
    return trees.from_named(template, named)


def _checked(landscape: Landscape, named: Params, what: str, leading: tuple[int, ...]) -> Params:
    wanted = landscape.shapes
    state = landscape.state.shapes if landscape.state else {}
    rest = {*landscape.beside, *state} - wanted.keys()  # as a whole state_dict has it
    named = {name: leaf for name, leaf in named.items() if name not in rest}
    for said, names in (
        ("has no", wanted.keys() - named.keys()), ("has an unknown", named.keys() - wanted.keys()),
    ):  # fmt: skip
        if names:
            listed = ", ".join(sorted(names))
            raise ValueError(f"{what} {said} {listed} (wanted: {', '.join(wanted)})")
    for name, shape in wanted.items():
        if np.shape(named[name]) != (*leading, *shape.shape):
            raise ValueError(
                f"{what}: {name} has shape {np.shape(named[name])}, not {(*leading, *shape.shape)}"
            )
    params = {name: np.asarray(named[name], shape.dtype) for name, shape in wanted.items()}
    rows = params if leading else {name: leaf[None] for name, leaf in params.items()}
    if not finite_beads(rows).all():
        raise ValueError(f"{what} is not finite, or too large to be squared")
    return params
