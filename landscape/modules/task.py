"""A network of any framework as pure functions, and the task that it makes with data and a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
import numpy as np

from landscape.core.statistics import batch_state
from landscape.core.task import Origin, Outputs, Scalar, Task
from landscape.tasks.classification import classification, in_chunks

Arrays = Any  # inputs or targets: an array [n, ...], as NumPy takes it
Split = tuple[Arrays, Arrays] | Sequence[tuple[Arrays, Arrays]]
Data = Split | Mapping[str, Split]
Named = Literal["cross_entropy", "mse"]
Loss = Named | Callable[[Any, Any], Scalar]


@dataclass(frozen=True)
class Module:
    """A network as pure functions over pytrees.

    Attributes:
        init: key → parameters.
        evaluate: (parameters, state, inputs) → outputs [n, ...], with dropout off.
        learn: (parameters, inputs, key) → outputs, as in training: with dropout, and with the
            statistics of these inputs.
        state: Running statistics as they are before training; None for none.
        statistics: (parameters, inputs) → such statistics, of these inputs alone, with dropout off.
        beside: `Task.beside`.
    """

    init: Callable[[jax.Array], Any]
    evaluate: Callable[[Any, Any, jax.Array], jax.Array]
    learn: Callable[[Any, jax.Array, jax.Array], jax.Array]
    state: Any = None
    statistics: Callable[[Any, jax.Array], Any] | None = None
    beside: tuple[str, ...] = ()


def splits_of(data: Data) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Data as split → (inputs, targets); one split alone is `train`.

    Args:
        data: (inputs, targets); or a data set, a sequence of such pairs of single samples, which is
            read once; or split → one of these.

    Raises:
        ValueError: There is no split `train`, or a split has other than inputs and targets of the
            same number of samples.
    """
    given = cast("Mapping[str, Split]", data if isinstance(data, Mapping) else {"train": data})
    if "train" not in given:
        raise ValueError(f"data: no split 'train' among {', '.join(map(str, given)) or 'none'}")
    return {name: _arrays(name, split) for name, split in given.items()}


def _arrays(name: str, split: Split) -> tuple[jax.Array, jax.Array]:
    try:
        if isinstance(split, tuple | list) and len(split) == 2 and hasattr(split[0], "shape"):
            x, y = (np.asarray(part) for part in split)
        else:
            samples = [split[number] for number in range(len(split))]
            x, y = (np.stack(list(map(np.asarray, parts))) for parts in zip(*samples, strict=True))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"data: the split '{name}' is neither (inputs, targets) nor a data set of such pairs: "
            f"{error}"
        ) from error
    if len(x) != len(y) or not len(x):
        raise ValueError(f"data: the split '{name}' has {len(x)} inputs and {len(y)} targets")
    return jnp.asarray(x), jnp.asarray(y)


def module_task(
    module: Module,
    splits: Mapping[str, tuple[jax.Array, jax.Array]],
    loss: Loss,
    samples: int | None = None,
    chunk: int | None = None,
    origin: Origin | None = None,
) -> Task:
    """The task of a network, its data and a loss.

    Args:
        module: The network.
        splits: Split → (inputs, targets).
        loss: `cross_entropy` of logits, whose last axis has the classes, and whole numbers; `mse`,
            the mean of squared differences; or a function of (outputs, targets) → scalar.
        samples: Of the training data, evenly spaced, from which running statistics are recomputed;
            None: all, but at most SAMPLES.
        chunk: Samples at once where metrics are evaluated, to bound memory; None: all.
        origin: What losses are compared with.

    Returns:
        The task, with the metrics `loss` and, of `cross_entropy`, `error` in percent.

    Raises:
        ValueError: The loss does not fit outputs and targets, or samples are too few or too many.
    """
    inputs, targets = splits["train"]
    params = jax.eval_shape(module.init, jax.eval_shape(lambda: jax.random.key(0)))
    outputs = jax.eval_shape(module.evaluate, params, module.state, inputs[:2])
    jax.eval_shape(module.learn, params, inputs[:2], jax.random.key(0))
    _check_loss(loss, outputs, targets)

    def predict(variables: Any, x: jax.Array) -> jax.Array:
        if module.state is None:
            return module.evaluate(variables, None, x)
        return module.evaluate(variables.params, variables.state, x)

    if loss == "cross_entropy":
        task = classification(module.init, splits, predict, module.learn, chunk)
    else:
        task = _regression(module, splits, predict, _mse if loss == "mse" else loss, chunk)
        if loss == "mse":
            task = replace(task, sample_means=("loss",))
    return replace(
        task,
        state=module.statistics and batch_state(module.statistics, module.state, inputs, samples),
        beside=module.beside,
        origin=origin,
    )


def _mse(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean((outputs - targets) ** 2)


def _regression(
    module: Module,
    splits: Mapping[str, tuple[jax.Array, jax.Array]],
    predict: Callable[[Any, jax.Array], jax.Array],
    error: Callable[[Any, Any], Scalar],
    chunk: int | None,
) -> Task:
    """With the one metric `loss`, a function of outputs and targets."""
    predict = in_chunks(predict, chunk)

    def learn(params: Any, carry: Any, batch: Any, key: jax.Array) -> tuple[Scalar, Any]:
        return error(module.learn(params, batch[0], key), batch[1]), carry

    return Task(
        init=module.init,
        loss=learn,
        metrics={"loss": lambda variables, data: error(predict(variables, data[0]), data[1])},
        data=dict(splits),
        outputs=Outputs(lambda variables, data: predict(variables, data[0]), "l2"),
    )


def _check_loss(loss: Loss, outputs: jax.ShapeDtypeStruct, targets: jax.Array) -> None:
    """Raise ValueError where outputs [2, ...] and targets [n, ...] are not those of a loss."""
    if callable(loss):
        return
    if loss not in ("cross_entropy", "mse"):
        raise ValueError(f"loss: '{loss}' is unknown (allowed: cross_entropy, mse, or a function)")
    out, own = outputs.shape[1:], targets.shape[1:]
    whole = jnp.issubdtype(targets.dtype, jnp.integer)
    if loss == "mse" and out != own:
        raise ValueError(f"loss: mse of outputs [n, {_sizes(out)}] and targets [n, {_sizes(own)}]")
    if loss == "cross_entropy" and (not whole or out[:-1] != own or not out):
        raise ValueError(
            "loss: cross_entropy takes logits, whose last axis has the classes, and targets that "
            f"are whole numbers; got outputs [n, {_sizes(out)}] and targets [n, {_sizes(own)}] of "
            f"type {targets.dtype}. Give a function of outputs and targets for another form"
        )


def _sizes(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape)) or "no other axis"
