"""Networks that were trained elsewhere (`python my_networks.py` trains them), and their task."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

from landscape import Task

WIDTHS = [64, 16, 10]


def make_task() -> Task:
    """What such a network computes: parameters of the same names and shapes as in the files."""
    images, labels = load_digits(return_X_y=True)

    def loss(params, data):
        x, y = data
        hidden = jax.nn.relu(x @ params["weights.0"] + params["biases.0"])
        logits = hidden @ params["weights.1"] + params["biases.1"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    shapes = {}
    for number, (inputs, outputs) in enumerate(pairwise(WIDTHS)):
        shapes[f"weights.{number}"] = (inputs, outputs)
        shapes[f"biases.{number}"] = (outputs,)
    return Task(
        init=lambda key: {name: jnp.zeros(shape) for name, shape in shapes.items()},
        loss=lambda params, carry, batch, key: (loss(params, batch), carry),
        metrics={"loss": loss},
        data={"train": (jnp.asarray(images / 16), jnp.asarray(labels))},
    )


def train() -> None:
    """Stands for your own training: what counts is that it saves arrays by their names."""
    import numpy as np
    from safetensors.numpy import save_file  # safetensors.torch has the same for PyTorch
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    for seed in range(3):
        net = MLPClassifier(WIDTHS[1:-1], learning_rate_init=1e-2, tol=1e-3, random_state=seed)
        net.fit(images / 16, labels)
        arrays = {}
        for number, (weights, biases) in enumerate(zip(net.coefs_, net.intercepts_, strict=True)):
            arrays[f"weights.{number}"] = np.asarray(weights, np.float32)
            arrays[f"biases.{number}"] = np.asarray(biases, np.float32)
        save_file(arrays, f"my_networks-{seed}.safetensors")
        print(f"my_networks-{seed}.safetensors: loss {net.loss_:.3f}")


if __name__ == "__main__":
    train()
