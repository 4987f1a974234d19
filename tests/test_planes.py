"""Planes: what lies on them, and how far the rest is from them."""

import numpy as np
import pytest

from landscape.planes import off_line, random_directions, through


def params(seed, count=None):
    drawn = np.random.default_rng(seed)
    lead = () if count is None else (count,)
    return {
        "kernel": drawn.normal(size=(*lead, 4, 3)).astype(np.float32),
        "bias": drawn.normal(size=(*lead, 3)).astype(np.float32),
    }


def flat(points):
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in points.values()], 1)


def stack(*points):
    return {name: np.stack([one[name] for one in points]) for name in points[0]}


def test_three_models_are_on_their_plane_at_their_distances():
    three = [params(seed) for seed in range(3)]
    at, away = through(*three).coordinates(stack(*three))
    assert np.allclose(away, 0, atol=1e-6) and at[0] == pytest.approx([0, 0])
    assert at[2, 1] == pytest.approx(0, abs=1e-9) and at[2, 0] > 0 and at[1, 1] > 0
    points = flat(stack(*three))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(at[i] - at[j]) == pytest.approx(
            np.linalg.norm(points[i] - points[j]), rel=1e-6
        )


def test_distances_are_those_of_least_squares():
    three = [params(seed) for seed in range(3)]
    others = params(9, count=5)
    at, away = through(*three).coordinates(others)
    w0, w1, w2 = flat(stack(*three))
    span = np.stack([w2 - w0, w1 - w0], 1)
    for place, point in enumerate(flat(others) - w0):
        _, squares, *_ = np.linalg.lstsq(span, point, rcond=None)
        assert away[place] ** 2 == pytest.approx(float(squares[0]), rel=1e-5)
        assert at[place] @ at[place] + away[place] ** 2 == pytest.approx(point @ point, rel=1e-6)


def test_points_on_a_line_span_no_plane():
    a, b = params(0), params(1)
    middle = {name: (a[name] + b[name]) / 2 for name in a}
    with pytest.raises(ValueError, match="on a line"):
        through(a, middle, b)
    with pytest.raises(ValueError, match="are one"):
        through(a, b, a)


def test_a_random_direction_has_the_norms_of_the_filters():
    origin = params(0)
    plane = random_directions(origin, np.random.default_rng(1))
    for direction in (plane.u, plane.v):
        norms = [np.linalg.norm(one["kernel"], axis=0) for one in (direction, origin)]
        assert norms[0] == pytest.approx(norms[1])
        assert np.linalg.norm(direction["bias"]) == pytest.approx(np.linalg.norm(origin["bias"]))
    assert not np.allclose(plane.u["kernel"], plane.v["kernel"])
    zero = random_directions({"bias": np.zeros(3)}, np.random.default_rng(0))
    assert not zero.u["bias"].any()


def test_distance_from_a_line():
    points = {"x": np.array([[0.0, 0.0], [1.0, 3.0], [5.0, 0.0], [4.0, 0.0]])}
    assert off_line(points) == pytest.approx([0, 3, 0, 0])
