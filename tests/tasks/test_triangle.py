"""The three-point task: its bound, checked by scanning, and what it says of twins."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from landscape.core.permute import permuted
from landscape.tasks.triangle import BOUND, triangle

ANGLES = 2 * np.pi * np.arange(3) / 3
X = np.stack([np.cos(ANGLES), np.sin(ANGLES)])  # columns are the points
Y = np.roll(X, -1, axis=1)


def best_loss(hidden: np.ndarray) -> float:
    """With the best second layer on hidden activations [units, 3]."""
    second = np.linalg.lstsq(hidden.T, Y.T, rcond=None)[0]
    return float(np.square(hidden.T @ second - Y.T).sum() / 3)


def test_the_loss_is_that_of_the_map():
    task = triangle()
    params = task.init(jax.random.key(0))
    first, second = (np.asarray(params[f"Dense_{layer}"]["kernel"], float) for layer in (0, 1))
    out = np.maximum(X.T @ first, 0) @ second
    expected = np.square(out - Y.T).sum(1).mean()
    assert task.metrics["loss"](params, task.data["train"]) == pytest.approx(expected, rel=1e-5)
    zero = jax.tree.map(np.zeros_like, params)
    assert task.metrics["loss"](zero, task.data["train"]) == pytest.approx(1.0)


def test_where_the_determinant_is_zero_the_loss_is_at_least_a_sixth():
    """Two free rows, the third in the span of what two units reach; the bound is approached."""
    drawn = np.random.default_rng(0)
    best = min(best_loss(np.maximum(drawn.normal(size=(2, 2)) @ X, 0)) for _ in range(20_000))
    assert BOUND <= best < 1.15 * BOUND
    near = np.array([[1e-3, 1, 0], [0, 1, 1e-3]])
    assert BOUND <= best_loss(near) < 1.01 * BOUND


def test_three_units_can_turn_it():
    assert best_loss(np.maximum(X.T @ X, 0)) < 1e-12


def test_a_swap_changes_the_sign_of_the_determinant():
    params = {"Dense_0.kernel": np.random.default_rng(1).normal(size=(2, 3))}
    twin = permuted(params, [1, 0, 2], {"Dense_0.kernel": 1})
    before, after = (
        np.linalg.det(np.maximum(p["Dense_0.kernel"].T @ X, 0)) for p in (params, twin)
    )
    assert before == pytest.approx(-after) and before != 0
