"""A network in flax and its data, as a task for lscape. Put your own in their place."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from landscape import Outputs, Task


class Net(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.tanh(nn.Dense(self.width)(x)))[:, 0]


def make_task(width: int = 16, samples: int = 256) -> Task:
    """The arguments are keys of `task` in the config; their annotations say what is allowed."""
    inputs = jax.random.normal(jax.random.key(0), (samples, 2))
    targets = jnp.sin(2 * inputs[:, 0]) * inputs[:, 1]
    net = Net(width)
    predict = jax.jit(net.apply)

    def mean_squared_error(params, data):
        x, y = data
        return jnp.mean((predict(params, x) - y) ** 2)

    return Task(
        init=lambda key: net.init(key, inputs),  # random parameters: any pytree of floats
        # what training descends; `key` is for dropout and the like, `carry` for recurrent state
        loss=lambda params, carry, batch, key: (mean_squared_error(params, batch), carry),
        metrics={"loss": mean_squared_error},  # what levels can bound; deterministic
        sample_means=("loss",),  # the metrics that are means over the samples; may be left out
        outputs=Outputs(lambda params, data: predict(params, data[0]), "l2"),  # may be left out
        data={"train": (inputs, targets)},  # other splits beside it: what levels.split can name
    )
