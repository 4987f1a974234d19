"""The published networks, written down again in NumPy, against the tasks at their own defaults.

The layers are those of the protocols of Freeman & Bruna 2017, Figure 1, and nothing
here is imported from the networks.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from landscape.tasks.cifar10 import cifar10
from landscape.tasks.mnist import mnist
from landscape.tasks.ptb import ptb


def drawn(task):
    """Parameters of the task's shapes, of a size that makes every layer count."""
    normal = np.random.default_rng(0).normal

    def draw(leaf):
        fan_in = np.prod(leaf.shape[:-1]) if len(leaf.shape) > 1 else 4
        return normal(scale=np.sqrt(2 / fan_in), size=leaf.shape)

    return jax.tree.map(draw, jax.eval_shape(task.init, jax.random.key(0)))


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolution(x, layer):
    windows = sliding_window_view(np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0))), (5, 5), (1, 2))
    return np.einsum("nhwcij,ijcd->nhwd", windows, layer["kernel"], optimize=True) + layer["bias"]


def pool(x, window):
    """At stride 2; a window of 3 hangs over the lower and right edge by one."""
    over = window - 2
    padded = np.pad(x, ((0, 0), (0, over), (0, over), (0, 0)), constant_values=-np.inf)
    return sliding_window_view(padded, (window, window), (1, 2))[:, ::2, ::2].max((-1, -2))


def normalise(x):
    out = np.empty_like(x)
    for c in range(x.shape[-1]):
        near = x[..., max(c - 4, 0) : c + 5]
        out[..., c] = x[..., c] / (1 + 0.001 / 9 * (near**2).sum(-1)) ** 0.75
    return out


def dense(x, layer):
    return x @ layer["kernel"] + layer["bias"]


def mnist_logits(params, images):
    x = images[..., None] / 255
    for name in ("Conv_0", "Conv_1"):
        x = pool(relu(convolution(x, params[name])), 2)
    x = relu(dense(x.reshape(len(x), -1), params["Dense_0"]))
    return dense(x, params["Dense_1"])


def cifar10_logits(params, images):
    x = images[:, 4:28, 4:28].astype(float)
    x = (x - x.mean((1, 2, 3), keepdims=True)) / x.std((1, 2, 3), keepdims=True)
    x = normalise(pool(relu(convolution(x, params["Conv_0"])), 3))
    x = pool(normalise(relu(convolution(x, params["Conv_1"]))), 3).reshape(len(x), -1)
    for name in ("Dense_0", "Dense_1"):
        x = relu(dense(x, params[name]))
    return dense(x, params["Dense_2"])


def ptb_logits(params, words):
    """Words [time, streams] → logits [time, streams, vocabulary], the state carried all the way."""
    x = params["embedding"][words]
    for name in ("LSTM_0", "LSTM_1"):
        layer, outs = params[name], []
        cell = hidden = np.zeros((words.shape[1], 200))
        for fed in x:
            gates = fed @ layer["inputs"] + hidden @ layer["recurrent"] + layer["bias"]
            enter, new, forget, leave = np.split(gates, 4, axis=-1)
            cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
            hidden = sigmoid(leave) * np.tanh(cell)
            outs.append(hidden)
        x = np.stack(outs)
    return x @ params["softmax"] + params["softmax_bias"]


def cross_entropy(logits, labels):
    shifted = logits - logits.max(-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return -np.take_along_axis(logs, labels[..., None], -1).mean()


def measured(task, params):
    on_device = jax.tree.map(jnp.asarray, params)
    return {n: float(metric(on_device, task.data["test"])) for n, metric in task.metrics.items()}


@pytest.mark.parametrize(
    ("build", "logits_of"),
    [
        (mnist, mnist_logits),
        (partial(cifar10, train_files=("data_batch_1.bin",)), cifar10_logits),
    ],
    ids=["mnist", "cifar10"],
)
def test_networks_of_images(build, logits_of, real_or_made, float64):
    task = build(real_or_made, train_images=1, test_images=4)
    params = drawn(task)
    images, labels = map(np.asarray, task.data["test"])
    logits = logits_of(params, images)
    wrong = logits.argmax(-1) != labels
    expected = {"loss": cross_entropy(logits, labels), "error": 100 * wrong.mean()}
    assert measured(task, params) == pytest.approx(expected, rel=1e-9)


def test_network_of_words(real_or_made, float64):
    task = ptb(real_or_made, train_file="ptb.valid.txt", test_words=801)
    params = drawn(task)
    text = np.asarray(task.data["test"])
    assert text.shape == (20, 41)
    loss = cross_entropy(ptb_logits(params, text[:, :-1].T), text[:, 1:].T)
    expected = {"loss": loss, "perplexity": np.exp(loss)}
    assert measured(task, params) == pytest.approx(expected, rel=1e-9)
