"""Networks on drawn inputs: their loss, their targets, and the examples of the paper."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.tasks.regression import regression


def numbers(params):
    return [np.asarray(params[name]["kernel"], float) for name in sorted(params)]


@pytest.mark.parametrize("penalty", ["ridge", "l1"])
def test_the_loss_is_the_theorys(penalty):
    task = regression(target="teacher", inputs=3, outputs=2, penalty=penalty, kappa=0.3, samples=40)
    params = task.init(jax.random.key(0))
    (inner, outer), (x, y) = numbers(params), map(np.asarray, task.data["train"])
    mse = np.square(np.maximum(x @ inner, 0) @ outer - y).sum(1).mean()
    norms = {
        "ridge": (inner**2).sum() + (outer**2).sum(),
        "l1": (np.linalg.norm(inner, axis=0) * np.abs(outer).sum(1)).sum(),
    }
    assert task.metrics["mse"](params, task.data["train"]) == pytest.approx(mse, rel=1e-5)
    expected = mse + 0.3 * norms[penalty]
    assert task.metrics["loss"](params, task.data["train"]) == pytest.approx(expected, rel=1e-5)


def test_the_penalty_has_a_gradient_where_a_unit_is_off():
    task = regression(target="teacher", kappa=0.3)
    zero = jax.tree.map(jnp.zeros_like, task.init(jax.random.key(0)))
    slope = jax.grad(lambda params: task.metrics["loss"](params, task.data["train"]))(zero)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


@pytest.mark.parametrize("target", ["linear", "teacher", "density", "mixture"])
def test_a_drawn_target_has_mean_square_one(target):
    task = regression(target=target, inputs=3, samples=20_000)
    assert np.square(task.data["train"][1]).sum(1).mean() == pytest.approx(1, abs=0.1)


def test_noise_is_added_to_the_outputs_alone():
    plain, noisy = (
        regression(target="linear", samples=5000, noise=noise).data["train"] for noise in (0, 0.5)
    )
    assert np.array_equal(plain[0], noisy[0])
    assert np.std(noisy[1] - plain[1]) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("target", "key", "values"),
    [("density", "decay", (0.0, 1.0, 3.0)), ("mixture", "spread", (0.1, 0.4, 1.2))],
)
def test_a_smoother_target_needs_fewer_frequencies(target, key, values):
    """Around the circle, the share of a target's power at frequencies above 6 falls with a spectral
    decay, and with the overlap of a mixture."""
    shares = []
    for value in values:
        task = regression(target=target, design="circle", samples=512, **{key: value})
        power = np.abs(np.fft.rfft(np.asarray(task.data["train"][1])[:, 0])) ** 2
        shares.append(power[7:].sum() / power.sum())
    assert shares[0] > 3 * shares[1] > 9 * shares[2]


def test_the_circle_has_the_loss_of_normal_inputs():
    keys = {"target": "rectified-inputs", "outputs": 2, "hidden": (3,)}
    circle = regression(design="circle", samples=2000, **keys)
    normal = regression(samples=200_000, **keys)
    params = circle.init(jax.random.key(1))
    exact, estimated = (float(t.metrics["loss"](params, t.data["train"])) for t in (circle, normal))
    assert exact == pytest.approx(estimated, rel=0.02)


def test_the_printed_example_of_two_gaussians_has_a_risk_that_vanishes_at_zero():
    """Φ = 0 has the risk tr Σ = n·spread², below the claimed 1/2 for small spreads."""
    task = regression(target="two-gaussians", outputs=2, spread=0.1, samples=20_000)
    zero = jax.tree.map(jnp.zeros_like, task.init(jax.random.key(0)))
    assert task.metrics["loss"](zero, task.data["train"]) == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"target": "rectified-inputs"}, "as many outputs as inputs, 2, not 1"),
        ({"target": "teacher", "design": "circle", "inputs": 3}, "for 2 inputs"),
        ({"target": "teacher", "kappa": 0.1, "hidden": (4, 4)}, "one hidden layer, not 2"),
    ],
)
def test_keys_that_do_not_go_together(keys, words):
    with pytest.raises(ValueError, match=words):
        regression(**keys)
