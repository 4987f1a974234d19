"""Dense networks without biases on inputs that are drawn: what the theory speaks of.

Freeman & Bruna 2017, Sec. 2: linear or half-rectified networks with the squared loss, and a penalty
κ·Σ‖W_k‖² (Prop. 2.3) or κ·Σᵢ ‖βᵢ‖₁‖wᵢ‖ over the units of one hidden layer (Theorem 2.4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import scipy  # its parts are loaded when they are used
from pydantic import Field

from landscape.core.settings import Count, Seed
from landscape.core.task import Form, Task
from landscape.networks import initialiser, predictor
from landscape.networks.dense import MLP, Widths
from landscape.networks.initial import HE, Initial

Target = Literal["linear", "teacher", "density", "mixture", "rectified-inputs", "two-gaussians"]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]

DENSE = 512  # units of a teacher that stands for a density of them
FREQUENCIES = 32
MIXED = 8  # normal distributions of a mixture
NORMALISING = 20_000  # samples for the mean square of a drawn target
TINY = 1e-30


def regression(
    *,
    target: Target,
    inputs: Count = 2,
    outputs: Count = 1,
    hidden: Widths = (8,),
    activation: Literal["linear", "relu"] = "relu",
    weights: Initial = HE,
    penalty: Literal["ridge", "l1"] = "l1",
    kappa: NonNegative = 0.0,
    design: Literal["normal", "circle"] = "normal",
    samples: Count = 1000,
    test_samples: Count = 1000,
    noise: NonNegative = 0.0,
    teacher_units: Count = 4,
    decay: NonNegative = 1.0,
    spread: Positive = 0.5,
    data_seed: Seed = 0,
) -> Task:
    """E|y − Φ(x)|² + kappa·penalty, by a dense network Φ without biases.

    Metrics: loss, that; mse, without the penalty.

    The targets: `linear`, y = Mx of a random M; `teacher`, a random ReLU network; `density`, the
    mean over many units w of g(w)ρ(⟨w, x⟩), where g has frequencies k of amplitude k^−decay;
    `mixture`, the mean of the sign of the normal distribution that x̂ is from, one of eight about
    places on the sphere of radius √inputs, of either sign, x̂ = √inputs x/‖x‖, times ‖x‖: the
    smoother, the more these overlap; `rectified-inputs`, y = ρ(x); `two-gaussians`, x about ±e₁ by
    a hidden sign z, and y = z(x − z e₁), the paper's example (Sec. 2.3.1). The first four are
    drawn, with E|Y|² = 1.

    Args:
        target: The function that is learnt, one of those above.
        inputs: The dimension of x.
        outputs: The dimension of y.
        hidden: The widths of the hidden layers.
        activation: Of the hidden layers.
        weights: How the weights are drawn.
        penalty: `ridge`, Σ‖W_k‖²; or `l1`, Σᵢ ‖βᵢ‖₁‖wᵢ‖ over the units of one hidden layer.
        kappa: What the penalty is multiplied by.
        design: Inputs are standard normal, or equally spaced on the circle of radius √2, over which
            a network without biases and a target of its kind have the mean loss of normal inputs,
            exactly.
        samples: How many samples to train on.
        test_samples: How many samples to test on.
        noise: The standard deviation of what is added to every y.
        teacher_units: Of the target `teacher`: how many units it has.
        decay: Of the target `density`: how fast its amplitudes fall.
        spread: Of `mixture` and `two-gaussians`: the standard deviation of each distribution.
        data_seed: Draws the target and the samples.

    Raises:
        ValueError: Keys do not go together.
    """
    if target in ("rectified-inputs", "two-gaussians") and outputs != inputs:
        raise ValueError(f"target: {target} has as many outputs as inputs, {inputs}, not {outputs}")
    if design == "circle" and (inputs != 2 or target == "two-gaussians"):
        raise ValueError("design: circle is for 2 inputs, and not for target: two-gaussians")
    if penalty == "l1" and kappa and len(hidden) != 1:
        raise ValueError(f"penalty: l1 is for one hidden layer, not {len(hidden)}")
    drawn = np.random.default_rng(data_seed)
    if target == "mixture":
        teacher = _mixture(inputs, outputs, spread, drawn)
    else:
        teacher = _teacher(target, inputs, outputs, teacher_units, decay, drawn)

    def sample(count: int) -> tuple[jax.Array, jax.Array]:
        x = drawn.normal(size=(count, inputs))
        if design == "circle":
            angles = 2 * np.pi * (np.arange(count) + drawn.uniform()) / count
            x = np.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], 1)
        if target == "two-gaussians":
            sign = drawn.choice([-1.0, 1.0], size=(count, 1))
            y = sign * spread * x
            x = sign * np.eye(1, inputs) + spread * x
        else:
            y = teacher(x)
        return jnp.asarray(x), jnp.asarray(y + noise * drawn.normal(size=y.shape))

    model = MLP(hidden, outputs, activation, "linear", weights, None)
    predict = predictor(model)
    kernels = tuple(f"Dense_{number}.kernel" for number in range(len(hidden) + 1))

    def mse(params: Any, batch: Any) -> jax.Array:
        x, y = batch
        return jnp.square(predict(params, x) - y).sum(1).mean()

    def ridge(params: Any) -> jax.Array:
        return sum((jnp.square(leaf).sum() for leaf in jax.tree.leaves(params)), jnp.zeros(()))

    def l1(params: Any) -> jax.Array:
        inner, outer = (params[f"Dense_{number}"]["kernel"] for number in (0, 1))
        sizes = jnp.sqrt(jnp.square(inner).sum(0) + TINY)  # with a gradient where a unit is off
        return sizes @ jnp.abs(outer).sum(1)

    def loss(params: Any, batch: Any) -> jax.Array:
        if not kappa:
            return mse(params, batch)
        return mse(params, batch) + kappa * (ridge if penalty == "ridge" else l1)(params)

    data = {"train": sample(samples), "test": sample(test_samples)}
    return Task(
        init=initialiser(model, data["train"][0][:1]),
        loss=lambda params, carry, batch, key: (loss(params, batch), carry),
        metrics={"loss": loss, "mse": mse},
        data=data,
        differentiable=("loss", "mse"),
        form=Form(kernels, activation, penalty, kappa),
    )


def _teacher(
    target: Target, inputs: int, outputs: int, units: int, decay: float, drawn: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """x [samples, inputs] → y [samples, outputs], what is to be learnt, with E|Y|² = 1 for standard
    normal x where it is drawn."""
    if target == "rectified-inputs":
        return lambda x: np.maximum(x, 0)
    if target == "linear":
        linear = drawn.normal(size=(inputs, outputs))
        linear /= np.linalg.norm(linear)
        return lambda x: x @ linear
    inner = _directions(drawn, DENSE if target == "density" else units, inputs)
    outer = drawn.normal(size=(len(inner), outputs))
    if target == "density":
        outer = _smooth(drawn, inner, outputs, decay)
    tried = np.maximum(drawn.normal(size=(NORMALISING, inputs)) @ inner.T, 0) @ outer
    outer /= np.sqrt(np.square(tried).sum(1).mean())
    return lambda x: np.maximum(x @ inner.T, 0) @ outer


def _mixture(
    inputs: int, outputs: int, spread: float, drawn: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """x [samples, inputs] → y [samples, outputs], with E|Y|² = 1 for standard normal x."""
    places = np.sqrt(inputs) * _directions(drawn, MIXED, inputs)
    signs = drawn.permuted(np.resize([1.0, -1.0], (outputs, MIXED)), axis=1).T

    def mean_sign(x: np.ndarray) -> np.ndarray:
        size = np.linalg.norm(x, axis=1, keepdims=True)
        along = np.sqrt(inputs) * (x / size) @ places.T / spread**2  # all distances but for this
        return size * scipy.special.softmax(along, axis=1) @ signs

    scale = np.sqrt(np.square(mean_sign(drawn.normal(size=(NORMALISING, inputs)))).sum(1).mean())
    return lambda x: mean_sign(x) / scale


def _directions(drawn: np.random.Generator, count: int, inputs: int) -> np.ndarray:
    rows = drawn.normal(size=(count, inputs))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _smooth(
    drawn: np.random.Generator, units: np.ndarray, outputs: int, decay: float
) -> np.ndarray:
    """Random functions of the units, [units, outputs]: Σ_k k^−decay cos(πk⟨u_k, w⟩ + φ_k)."""
    order = np.arange(1, FREQUENCIES + 1)
    phases = drawn.uniform(0, 2 * np.pi, size=(outputs, FREQUENCIES))
    along = units @ _directions(drawn, FREQUENCIES, units.shape[1]).T
    waves = np.cos(np.pi * order * along[:, None, :] + phases)
    return waves @ order**-decay
