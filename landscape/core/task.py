"""A task: what is trained, what a level can bound, and what else its author says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from landscape.core import trees
from landscape.core.state import State
from landscape.core.trees import Params

Scalar = Any
Carry = Any
Batch = Any
Geodesic = Callable[[Any, Any, float], float]
Axes = int | tuple[int, ...] | None  # () for an array that is one filter, None for one held still


class Form(NamedTuple):
    """A dense network without biases, Φ = W_K ρ(… ρ(W_1 x)), and its metric `loss`, for the methods
    that construct their path: E|y − Φ(x)|² + κ·penalty over data (x, y), [samples, ·] each.

    kernels: the names of W_1ᵀ … W_Kᵀ, [inputs, outputs] each, among the parameters, in that order;
    penalty: `ridge`, Σ‖W_k‖²; or `l1`, Σᵢ ‖βᵢ‖₁‖wᵢ‖ over the units of one hidden layer, wᵢ their
    incoming and βᵢ their outgoing weights.
    """

    kernels: tuple[str, ...]
    activation: str
    penalty: Literal["ridge", "l1"]
    kappa: float


class Outputs(NamedTuple):
    """What a model predicts from its data, and how far apart two models' predictions are.

    Attributes:
        predict: (parameters, data of a split) → [samples, ...], deterministic.
        distance: `l2`, or `jsd` where the last axis has logits: Jensen and Shannon's divergence of
            the softmax.
    """

    predict: Callable[[Any, Batch], jax.Array]
    distance: Literal["l2", "jsd"]


class Margins(NamedTuple):
    """What an error rate counts: unit times the share of samples whose margin is below zero.

    Attributes:
        of: (parameters, data of a split) → [samples], continuous in the parameters: of logits, that
            of the label less the highest other one (`margin`).
        unit: The metric where all samples are errors: 100 for percent.
    """

    of: Callable[[Any, Batch], jax.Array]
    unit: float


def margin(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """How far the logit of each label is above the highest other one, [labels]; below zero where
    `argmax` takes another class of the same logit. logits [..., classes], labels [...]."""
    own = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
    others = jnp.where(own, -jnp.inf, logits).max(-1)
    above = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0] - others
    missed = (above == 0) & (logits.argmax(-1) != labels)
    return jnp.where(missed, -jnp.finfo(above.dtype).tiny, above).ravel()


class Origin(NamedTuple):
    """The framework that a network was written in, as a second opinion on its translation.

    Attributes:
        name: Of the framework.
        metric: (name, parameters, state or None, data of a split) → the metric of that name,
            computed by it. The arrays have names; without a state, it recomputes its own.
    """

    name: str
    metric: Callable[[str, Params, Params | None, Batch], float]


@dataclass(frozen=True)
class Task:
    """What is trained, and what a level bounds. Parameters may be any pytree of floats.

    They are held in one type, the widest of theirs and at least float32. They are rounded to their
    own types wherever the task's functions are called, but for once a path, in double precision, to
    tell what rounding does. So between two points the loss of a task in
    bfloat16 goes in steps as coarse as bfloat16.

    Attributes:
        init: key → parameters, a random initialisation.
        loss: (parameters, carry, batch, key) → (scalar, carry), what training descends. `carry` is
            `()` except for recurrent state, for which no batches are drawn. `key` is for dropout
            and the like.
        metrics: name → function of (parameters, data of a split) → scalar, deterministic.
        data: split → pytree of arrays that share their leading axis, the samples; `()` for none.
            Training draws its batches from the split `train`. Arrays that do not share it, such as
            inner and boundary points, need a task without `sample_means` and training without a
            batch size: the loss is then given all of them, and may draw its own.
        carry: The carry of the first step. Metrics are not given it.
        differentiable: The metrics that a bead may descend as they are, on all training data: those
            that have a gradient and are not too costly.
        outputs: What the model predicts, for lengths in function space; None for none.
        sample_means: The metrics that are means, over the samples of a split, of what each sample
            gives alone. Derivatives of these may be taken a part of the samples at a time, or by
            sample.
        nonsmooth: The metrics whose gradient jumps, as that of a mean absolute error where a
            residual changes its sign. Second derivatives of each sample miss the jumps.
        higher_is_better: The metrics that grow as models get better, which no level can bound; None
            leaves it to their names.
        form: What network and loss this is, for the methods that must know.
        filters: Pattern of parameters' names → the axis, or axes, that numbers an array's filters
            (the outputs: the last in flax, the first in PyTorch), () where it is one filter, None
            where random directions hold it still. Derived from the metric for arrays that no
            pattern matches.
        geodesic: (parameters a, parameters b, limit) → what no path between them below the limit is
            shorter than: the length of the shortest where that is known, or a lower bound on it.
            It is of levels of the metric `loss`. None for none.
        state: What follows from the parameters, such as running statistics; None for none. The
            metrics and `outputs` of a task with state are given `Variables` instead of the
            parameters.
        beside: Names of arrays that a file of such a network may have, and that are neither
            parameters nor state, as a counter of batches. They are left out.
        origin: What the losses of networks trained elsewhere are compared with; None for nothing.
        margins: Error rate → the samples' margins that it counts. Certificates then need few points
            where they would need a grid.
        symmetries: Which units can be permuted, a class each: an array's name → the axis, or axes,
            that they are along; an axis k times as long holds k rows of them. None leaves it to
            what the loss tells.
    """

    init: Callable[[jax.Array], Any]
    loss: Callable[[Any, Carry, Batch, jax.Array], tuple[Scalar, Carry]]
    metrics: Mapping[str, Callable[[Any, Batch], Scalar]]
    data: Mapping[str, Batch] = field(default_factory=lambda: {"train": ()})
    carry: Carry = ()
    differentiable: tuple[str, ...] = ("loss",)
    outputs: Outputs | None = None
    sample_means: tuple[str, ...] = ()
    nonsmooth: tuple[str, ...] = ()
    higher_is_better: tuple[str, ...] | None = None
    form: Form | None = None
    filters: Mapping[str, Axes] = field(default_factory=dict)
    geodesic: Geodesic | None = None
    state: State | None = None
    beside: tuple[str, ...] = ()
    origin: Origin | None = None
    symmetries: tuple[Mapping[str, int | tuple[int, ...]], ...] | None = None
    margins: Mapping[str, Margins] = field(default_factory=dict)

    def __repr__(self) -> str:
        splits = ", ".join(f"{name} {samples_of(data):,}" for name, data in self.data.items())
        return f"<Task with metrics {', '.join(self.metrics)}; samples {splits}>"


def samples_of(data: Batch) -> int:
    return max((count or 1 for count in trees.counts(data).values()), default=0)


def energy_task(energy: Callable[[Any], Scalar], init: Callable[[jax.Array], Any]) -> Task:
    """Make a task of any differentiable function: no data, and the loss is the function itself.

    Args:
        energy: parameters → scalar.
        init: key → parameters.

    Returns:
        A task with the metric `loss`.
    """
    return Task(
        init=init,
        loss=lambda params, carry, batch, key: (energy(params), carry),
        metrics={"loss": lambda params, data: energy(params)},
    )
