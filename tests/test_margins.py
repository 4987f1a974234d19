"""Certificates of error rates by the margins of samples, against fine grids."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.config.load import config_from
from landscape.core.adaptive import MOST_POINTS
from landscape.core.certificate import certify, segment_evaluator
from landscape.core.landscape import bind
from landscape.core.margins import margin_maxima
from landscape.core.settings import ADAPTIVE
from landscape.core.task import Margins, Task, margin
from landscape.stages.build import build_task

FINE = np.linspace(0, 1, 2001)


def waves(seed, samples=400, fast=4.0):
    """Margins of samples, of which about one in six is an error somewhere."""
    random = np.random.default_rng(seed)
    mean = random.normal(2, 2, samples)
    size, speed = random.uniform(0, 2, samples), random.uniform(0, fast, samples)
    phase = random.uniform(0, 7, samples)
    return lambda rows, t: mean + size * np.sin(np.outer(t, speed) + phase)


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_rate_between_points_is_above_the_bound(seed, only_below):
    margins = waves(seed)
    true = 100 * (margins(None, FINE) < 0).mean(1).max()
    for limit in (true * 0.9, true * 1.02, np.inf):
        found = margin_maxima(margins, 1, limit, 100.0, only_below)
        if only_below and found.maximum[0] > limit:
            continue
        rates = 100 * (margins(None, found.ts[0]) < 0).mean(1)
        np.testing.assert_allclose(found.values[0], rates)
        assert true <= found.maximum[0] + found.change[0] + 1e-9
        assert found.losses[0] <= MOST_POINTS
    wide = margin_maxima(margins, 1, 2 * true, 100.0)
    assert wide.maximum[0] + wide.change[0] <= 2 * true and wide.losses[0] <= 12


def test_a_segment_above_the_limit_is_left_at_once():
    found = margin_maxima(waves(0), 3, 0.1, 100.0, only_below=True)
    assert (found.losses == 5).all() and (found.maximum > 0.1).all()


def test_what_is_not_a_number_is_an_error():
    def margins(rows, t):
        return np.where(t[:, None] > 0.6, np.nan, np.ones((len(t), 10)))

    assert margin_maxima(margins, 1, 50.0, 100.0).maximum[0] == 100.0


def test_segments_do_not_depend_on_their_group():
    many = [waves(seed) for seed in range(20)]

    def evaluate(rows, t):
        return np.concatenate([many[row](None, t[k : k + 1]) for k, row in enumerate(rows)])

    together = margin_maxima(evaluate, 20, 30.0, 100.0)
    for row in (0, 7, 19):
        alone = margin_maxima(many[row], 1, 30.0, 100.0)
        for part in ("maximum", "change", "place", "losses"):
            assert getattr(together, part)[row] == getattr(alone, part)[0], part


@pytest.mark.parametrize(
    "task",
    [
        "{name: digits, hidden: [16, 16]}",
        "{name: images, data: digits, network: {name: vgg, channels: [4], dense: 8}}",
    ],
)
def test_errors_are_the_samples_of_negative_margin(task, tmp_path):
    built = build_task(config_from({"task": yaml.safe_load(task), "levels": {"values": [1]}}))
    landscape = bind(built, "error")
    assert landscape.margins is not None
    for seed in range(3):
        params = landscape.init(jax.random.key(seed))
        wrong = (landscape.margins.of(params) < 0).mean() * landscape.margins.unit
        assert float(landscape.level(params)) == pytest.approx(float(wrong), rel=1e-6)


def test_labels_of_several_axes_have_a_margin_each():
    logits = jnp.array([[[3.0, 1.0], [0.0, 2.0]]])
    assert margin(logits, jnp.array([[0, 0]])).tolist() == [2.0, -2.0]


def test_a_path_of_error_rates_is_certified_by_few_points_and_holds_on_a_grid():
    random = np.random.default_rng(0)
    x = jnp.asarray(random.normal(size=(300, 4)), jnp.float32)
    y = jnp.asarray((x[:, 0] * x[:, 1] > 0).astype(int))

    def logits(params, data):
        return jnp.tanh(data[0] @ params["a"]) @ params["b"]

    def error(params, data):
        return 100 * (logits(params, data).argmax(-1) != data[1]).mean(dtype=jnp.float32)

    task = Task(
        init=lambda key: {
            "a": jax.random.normal(key, (4, 8)), "b": jax.random.normal(key, (8, 2))
        },
        loss=lambda params, carry, batch, key: (error(params, batch), carry),
        metrics={"error": error},
        data={"train": (x, y)},
        differentiable=(),
        margins={"error": Margins(lambda params, data: margin(logits(params, data), data[1]), 100)},
    )  # fmt: skip
    landscape = bind(task, "error")
    ends = [landscape.init(jax.random.key(seed)) for seed in (1, 2)]
    points = {n: np.linspace(np.asarray(ends[0][n]), np.asarray(ends[1][n]), 9) for n in ends[0]}
    points = {name: leaf.astype(np.float32) for name, leaf in points.items()}
    few = certify(points, segment_evaluator(landscape, ADAPTIVE), np.inf)
    grid = certify(points, segment_evaluator(landscape, 200), np.inf)
    assert grid.maximum <= (few.maximum + few.last_change) * (1 + 1e-6)
    assert few.last_change <= 0.05 * few.maximum
    assert few.loss_evals.mean() <= 20 < grid.loss_evals.mean()
    assert few.profile[0, 1] == pytest.approx(float(landscape.level(ends[0])))
