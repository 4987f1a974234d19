"""Turning angles and lengths, of parameters and of functions, against known answers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from landscape.core import paths
from landscape.core.distances import distance, jensen_shannon
from landscape.core.landscape import bind
from landscape.core.task import Outputs, Task
from landscape.measures.function_space import make_function_length
from landscape.measures.lengths import scaled_distance, scaled_length, turning


def arc(angle, beads, radius=1.0):
    t = np.linspace(0, angle, beads)
    return {"x": radius * np.stack([np.cos(t), np.sin(t)], axis=1)}


def test_an_arc_turns_by_its_angle():
    found = turning(arc(np.pi / 2, 91, radius=3.0))
    assert found.total == pytest.approx(np.pi / 2 * 89 / 90)
    assert found.density == pytest.approx(1 / 3, rel=0.02)
    assert found.middle == pytest.approx(0.5, abs=0.01)
    assert found.angles[[0, -1]].tolist() == [0, 0]


def test_a_square_and_a_reversal():
    square = {"x": np.array([[0, 0], [1, 0], [1, 1], [1, 1], [0, 1.0]])}
    np.testing.assert_allclose(turning(square).angles, [0, np.pi / 2, np.pi / 2, 0, 0])
    back = {"x": np.array([[0.0], [1.0], [0.5]])}
    assert turning(back).total == pytest.approx(np.pi)


def test_a_tiny_angle_is_not_lost():
    bent = {"x": np.array([[0, 0], [1, 0], [2, 1e-9]])}
    assert turning(bent).total == pytest.approx(1e-9, rel=1e-6)


def test_a_straight_path_does_not_turn_and_has_no_middle():
    line = {"x": np.array([[0.0, 0], [1, 1], [3, 3]]), "y": np.array([0.0, 1, 3])}
    assert turning(line).total == pytest.approx(0, abs=1e-7)
    assert turning(paths.straight({"x": np.zeros(2)}, {"x": np.ones(2)})).middle is None
    point = turning({"x": np.zeros((3, 2))})
    assert (point.total, point.density) == (0, None)


def test_total_curvature_sees_all_parameters_and_no_scale():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 3, 2))
    whole = turning({"x": x, "y": y})
    flat = turning({"z": 5 * np.concatenate([x, y.reshape(6, -1)], axis=1)})
    np.testing.assert_allclose(whole.angles, flat.angles)
    assert whole.density is not None and flat.density == pytest.approx(whole.density / 5)


def test_scaled_length_is_that_of_a_cylinder():
    w = np.linspace(0, 1, 300)
    radius, angle = np.exp(0.7 * w), 1.2 * w
    spiral = {"x": np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)}
    assert scaled_distance(spiral) == pytest.approx(np.hypot(0.7, 1.2))
    assert scaled_length(spiral) == pytest.approx(np.hypot(0.7, 1.2), rel=1e-5)


def test_scaled_length_is_invariant_additive_and_no_shorter_than_the_distance():
    rng = np.random.default_rng(1)
    points = {"a": rng.normal(size=(5, 4)), "b": rng.normal(size=(5, 2, 3)) + 2}
    rescaled = {"a": 7 * points["a"], "b": points["b"] / 7}
    length, least = scaled_length(points), scaled_distance(points)
    assert length is not None and least is not None and length >= least
    assert scaled_length(rescaled) == pytest.approx(length)
    middle = {n: 0.3 * x[1] + 0.7 * x[2] for n, x in points.items()}
    more = paths.insert(points, np.array([1]), {n: x[None] for n, x in middle.items()})
    assert scaled_length(more) == pytest.approx(length, rel=1e-4)


def test_an_array_without_a_scale():
    away = {"x": np.array([[0.0, 0], [1, 0]]), "y": np.ones((2, 1))}
    assert scaled_length(away) is None and scaled_distance(away) is None
    still = {"x": np.zeros((2, 2)), "y": np.array([[1.0], [np.e]])}
    assert scaled_length(still) == pytest.approx(1) == scaled_distance(still)


# -- functions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_the_divergence_is_scipys(float64, scale):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 7, 5)) * np.array([[[scale]]])
    b = a + b
    p, q = (np.asarray(jax.nn.softmax(x)) for x in (a, b))
    wanted = [jensenshannon(*rows) ** 2 for rows in zip(p, q, strict=True)]
    np.testing.assert_allclose(jensen_shannon(jnp.array(a), jnp.array(b)), wanted, rtol=1e-6)


def test_the_divergence_is_precise_for_near_models_in_single_precision():
    a = jnp.array([[0.3, -1.0, 2.0]])
    moved = jnp.array([[1e-3, -5e-4, 2e-4]])
    p = np.asarray(jax.nn.softmax(a), float)
    d = np.asarray(moved, float)
    fisher = (p * d**2).sum() - (p * d).sum() ** 2
    assert float(jensen_shannon(a, a + moved)[0]) == pytest.approx(fisher / 8, rel=2e-3)
    assert float(jensen_shannon(a, jnp.array([[200.0, 0, 0]]))[0]) <= np.log(2)


def linear_task(kind, x):
    predict = Outputs(lambda p, data: data @ p["w"], kind)
    return bind(
        Task(
            init=lambda key: {"w": jnp.zeros((2, 3))},
            loss=lambda p, carry, batch, key: (jnp.sum(p["w"] ** 2), carry),
            metrics={"loss": lambda p, data: jnp.sum(p["w"] ** 2)},
            data={"train": x},
            outputs=predict,
        )
    )


def test_a_linear_models_function_length_is_the_sum_of_its_segments():
    x = jax.random.normal(jax.random.key(0), (50, 2))
    points = {"w": np.random.default_rng(3).normal(size=(4, 2, 3)).astype(np.float32)}
    measure = make_function_length(linear_task("l2", x), samples=1000)
    assert measure is not None
    found = measure(points)
    steps = np.diff(points["w"], axis=0)
    wanted = sum(np.sqrt((np.square(x @ s).sum(1)).mean()) for s in steps)
    ends = np.square(x @ (points["w"][-1] - points["w"][0])).sum(1).mean() ** 0.5
    assert found.length == pytest.approx(wanted, rel=1e-5)
    assert found.chord == pytest.approx(float(ends), rel=1e-5)
    assert found.samples == 50 and found.change < 1e-5


def test_a_classifiers_function_length_converges_and_is_no_shorter_than_its_chord():
    x = jax.random.normal(jax.random.key(1), (40, 2))
    points = {"w": 3 * np.random.default_rng(4).normal(size=(3, 2, 3)).astype(np.float32)}
    landscape = linear_task("jsd", x)
    measure = make_function_length(landscape, samples=20)
    assert measure is not None and landscape.outputs is not None
    found = measure(points)
    assert found.samples == 20 and 0 <= found.change < 1e-3
    predict = landscape.outputs.predict
    at = np.linspace(0, 1, 401)[:, None, None]
    fine = [(1 - at) * a + at * b for a, b in itertools.pairwise(points["w"])]
    outputs = [jnp.einsum("nd,tdk->tnk", x[::2], part) for part in fine]
    np.testing.assert_allclose(outputs[0][0], predict({"w": points["w"][0]}, x[::2]), rtol=1e-5)
    apart = jax.vmap(lambda a, b: distance("jsd", a, b))
    steps = [float(apart(part[:-1], part[1:]).sum()) for part in outputs]
    assert found.length == pytest.approx(sum(steps), rel=2e-3)
    assert found.length > found.chord


def test_a_task_without_outputs_has_none():
    landscape = linear_task("l2", jnp.ones((2, 2)))._replace(outputs=None)
    assert make_function_length(landscape, 10) is None
