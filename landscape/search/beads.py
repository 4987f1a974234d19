"""How beads go down to a level: by Gauss-Newton or Polyak steps on the level's own metric, or as in
training, near their start."""

from __future__ import annotations

from collections.abc import Callable

import jax
import optax

from landscape.core import trees
from landscape.core.landscape import Landscape
from landscape.search.descend import Constraint, Descender
from landscape.search.gauss_newton import gauss_newton
from landscape.search.polyak import RATE, polyak
from landscape.search.trust import near_start, within_radius

LEVEL_OPTIMIZERS = ("gauss-newton", "polyak")  # those that descend the level's own metric

FEW_SAMPLES = 10_000  # up to which a bead's steps see all where training's do not
FEW_PARAMETERS = 64  # up to which their products with each other are cheap, too

Descend = Callable[[Constraint | None], Descender]


def has_few_samples(landscape: Landscape) -> bool:
    """Whether a step may see all of them."""
    return landscape.samples <= FEW_SAMPLES


def level_optimizer(landscape: Landscape) -> str:
    """The better one of LEVEL_OPTIMIZERS for a landscape whose level's metric can be descended."""
    few = has_few_samples(landscape) and trees.size(landscape.shapes) <= FEW_PARAMETERS
    return "gauss-newton" if landscape.by_sample and few else "polyak"


def why_no_gradient(landscape: Landscape) -> str:
    """Why the level's metric cannot be differentiated; nothing if it can."""
    objective = landscape.train_objective
    if objective is None:
        return "the task does not name it among its `differentiable` metrics"
    try:
        jax.eval_shape(jax.grad(objective), dict(landscape.shapes))
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return ""


def descend_level(
    landscape: Landscape,
    name: str,
    check_every: int,
    max_steps: int,
    learning_rate: float | optax.Schedule | None = None,
) -> Descend:
    """The descender of beads by one of LEVEL_OPTIMIZERS; learning_rate: of `polyak`'s Adam."""
    objective = landscape.train_objective
    assert objective is not None
    own = landscape._replace(loss=lambda params, carry, key: (objective(params), carry))
    if name == "gauss-newton":
        assert landscape.by_sample is not None
        optimizer = gauss_newton(landscape.by_sample)  # which has its own trust radius
    else:
        optimizer = near_start(polyak(learning_rate or RATE))
    return lambda constraint: Descender(
        own, optimizer, check_every, max_steps, constraint, looks_early=True
    )


def descend_training(
    landscape: Landscape, optimizer: optax.GradientTransformation, check_every: int, max_steps: int
) -> Descend:
    """The descender of beads by the training loss, kept near their start."""
    near = near_start(within_radius(optimizer))
    return lambda constraint: Descender(landscape, near, check_every, max_steps, constraint)
