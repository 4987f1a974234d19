"""Planes: what lies on them, and how far the rest is from them."""

import numpy as np
import pytest

from landscape.measures.planes import off_line, principal_plane, random_directions, through


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


def direction_norms(plane, origin, axis):
    other = 1 - axis
    return [np.linalg.norm(one["kernel"], axis=other) for one in (plane.u, plane.v, origin)]


def test_a_random_direction_has_the_norms_of_the_filters_and_holds_biases_still():
    origin = params(0)
    for kept in (1, 0):
        plane = random_directions(origin, {"kernel": (kept,)}, np.random.default_rng(1))
        u, v, own = direction_norms(plane, origin, kept)
        assert u == pytest.approx(own) and v == pytest.approx(own)
        assert not plane.u["bias"].any() and not plane.v["bias"].any()
        assert not np.allclose(plane.u["kernel"], plane.v["kernel"])
    whole = random_directions(origin, {"bias": (), "kernel": None}, np.random.default_rng(1))
    assert np.linalg.norm(whole.u["bias"]) == pytest.approx(np.linalg.norm(origin["bias"]))
    assert not whole.u["kernel"].any()


def test_filters_of_very_different_norms():
    """What was wrong: along the other axis every filter got a mean of all norms."""
    scale = np.array([10.0, 1.0, 0.1, 0.01])[:, None]
    origin = {"kernel": scale * np.random.default_rng(0).normal(size=(4, 50))}
    plane = random_directions(origin, {"kernel": (0,)}, np.random.default_rng(1))
    u, v, own = direction_norms(plane, origin, 0)
    assert u == pytest.approx(own) and v == pytest.approx(own)


def test_the_same_filters_in_another_layout_get_the_same_directions():
    origin = params(0)
    turned = {"kernel": origin["kernel"].T, "bias": origin["bias"]}
    one = random_directions(origin, {"kernel": (1,)}, np.random.default_rng(1))
    other = random_directions(turned, {"kernel": (0,)}, np.random.default_rng(1))
    assert np.array_equal(one.u["kernel"], other.u["kernel"].T)
    assert np.array_equal(one.v["kernel"], other.v["kernel"].T)


def spiral(count, noise=0.0):
    """In the plane of two orthonormal directions through a point, from far away inwards; in float64
    so that nothing but the noise leaves the plane."""
    drawn = np.random.default_rng(3)
    basis = np.linalg.qr(drawn.normal(size=(15, 2)))[0].T
    turn = np.linspace(0, 3 * np.pi, count)
    at = np.exp(-turn / 4)[:, None] * np.stack([3 * np.cos(turn), np.sin(turn)], 1)
    points = at @ basis + 5 + noise * drawn.normal(size=(count, 15))
    return {"kernel": points[:, :12].reshape(-1, 4, 3), "bias": points[:, 12:]}, at


def test_a_spiral_in_a_plane_is_all_in_its_two_principal_axes():
    points, known = spiral(40)
    ends = {name: leaf[-1:] for name, leaf in points.items()}
    plane, shares = principal_plane(points, ends)
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    assert shares[0] == pytest.approx(
        np.linalg.eigvalsh(np.cov(known.T))[1] / np.cov(known.T).trace()
    )
    at, away = plane.coordinates(points)
    assert np.allclose(away, 0, atol=1e-7)  # the squared distances cancel to rounding
    assert np.allclose(at[-1], 0) and (at[-1] - at[0] >= 0).all()
    gaps = np.linalg.norm(at[:, None] - at[None], axis=-1)
    assert np.allclose(gaps, np.linalg.norm(known[:, None] - known[None], axis=-1))


def test_principal_axes_are_numpys():
    points, _ = spiral(20, noise=0.3)
    ends = {name: leaf[-2:] for name, leaf in points.items()}
    plane, shares = principal_plane(points, ends)
    every = flat(points)
    _, sizes, axes = np.linalg.svd(every - every.mean(0))
    assert shares == pytest.approx((sizes**2 / (sizes**2).sum())[:2])
    for side, axis in zip((plane.u, plane.v), axes, strict=False):
        found = np.concatenate([side["kernel"].ravel(), side["bias"]])
        assert abs(found @ axis) == pytest.approx(1) and found @ found == pytest.approx(1)
    assert np.allclose(plane.origin["bias"], ends["bias"].mean(0))


def test_points_on_a_line_have_no_plane_of_principal_axes():
    line = {"w": np.linspace(0, 1, 5)[:, None] * np.ones(3)}
    for points in (line, {"w": np.ones((4, 3))}):
        with pytest.raises(ValueError, match="on a line, or are one"):
            principal_plane(points, {"w": points["w"][-1:]})


def test_distance_from_a_line():
    points = {"x": np.array([[0.0, 0.0], [1.0, 3.0], [5.0, 0.0], [4.0, 0.0]])}
    assert off_line(points) == pytest.approx([0, 3, 0, 0])
