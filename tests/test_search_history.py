"""The history of a search: where beads were, along the principal axes of where they are."""

import numpy as np
import pytest

from landscape.core import paths, principal, trees
from landscape.search import strings
from landscape.search.history import search_history
from landscape.search.state import Segments, String
from tests.analytic import RING, search


def known():
    return Segments(
        np.ones(2), np.full(2, 0.5), np.tile(np.linspace(0, 1, 3), (2, 1)), np.ones((2, 3))
    )


def frames_of(arrays):
    beads = np.split(arrays["beads"], np.cumsum(arrays["bead_counts"])[:-1])
    profiles = np.split(arrays["profile"], np.cumsum(arrays["profile_counts"])[:-1])
    return list(zip(arrays["facts"], beads, profiles, strict=True))


@pytest.fixture(scope="module", params=["dss", "constrained"])
def found(request):
    return search(RING, request.param)["0-1"]


@pytest.fixture(scope="module")
def arrays(found):
    return search_history(found.string, found.certificate, RING.level)


def test_it_begins_with_the_straight_line_and_ends_with_the_string(found, arrays):
    first, *_, last = frames_of(arrays)
    assert len(first[1]) == 2 and first[0][0] == 0
    assert first[2][:, 1].max() == pytest.approx(0.99875, abs=1e-5)  # the straight line's middle
    assert len(last[1]) == found.beads
    assert last[2][:, 1].max() == pytest.approx(found.certificate.profile[:, 1].max(), rel=1e-5)


def test_all_the_variance_of_a_plane_lies_in_two_axes(arrays):
    assert arrays["variance"][:2].sum() == pytest.approx(1) and arrays["variance"][2] < 1e-6


def test_the_axes_keep_distances(found, arrays):
    last = frames_of(arrays)[-1][1]
    steps = np.linalg.norm(np.diff(last, axis=0), axis=1)
    assert np.allclose(steps, paths.segment_lengths(found.string.points), atol=1e-5)


def test_every_axis_points_from_a_to_b(arrays):
    last = frames_of(arrays)[-1][1]
    assert (last[-1] - last[0] >= 0).all()


def test_numpys_decomposition_agrees(monkeypatch):
    monkeypatch.setattr(principal, "BLOCK", 7)
    drawn = np.random.default_rng(0)
    points = {"a": drawn.normal(size=(6, 5, 4)), "b": drawn.normal(size=(6, 3))}
    left = {name: 2 * leaf[:2] for name, leaf in points.items()}
    at, variance, _ = principal.principal(points, 3, left)
    flat = np.concatenate([points["a"].reshape(6, -1), points["b"]], 1)
    centre = flat.mean(0)
    _, sizes, axes = np.linalg.svd(flat - centre)
    assert np.allclose(variance, (sizes**2 / (sizes**2).sum())[:3])
    expected = (np.concatenate([flat, 2 * flat[:2]]) - centre) @ axes[:3].T
    assert np.allclose(at, expected * np.sign(expected[0] * at[0]))


def test_beads_that_move_are_seen_where_they_were():
    string = String("0-1", {"x": np.array([[0.0, 0], [1, 1], [2, 0]])}, ids=np.arange(3))
    string.segments = known()
    strings.record_round(string, 1.0)
    strings.replace_beads(string, np.array([1]), {"x": np.array([[1.0, 5]])})
    string.segments = known()
    strings.record_round(string, 1.0)
    string.ended = "NOT_FOUND"
    arrays = search_history(string, None, 1.0)  # type: ignore[arg-type]
    (_, before, _), (_, after, _) = frames_of(arrays)
    assert np.linalg.norm(before[1] - after[1]) == pytest.approx(4)
    assert np.allclose(before[[0, 2]], after[[0, 2]])


def test_what_beads_have_left_is_forgotten_before_it_is_large(monkeypatch):
    monkeypatch.setattr(strings, "LEFT_BYTES", 100)
    string = String("0-1", {"x": np.zeros((3, 2))}, ids=np.arange(3))
    for turn in range(20):
        string.segments = known()
        strings.record_round(string, 1.0)
        strings.replace_beads(string, np.array([1]), {"x": np.array([[1.0, turn]])})
    assert trees.count(string.left) * 16 <= 100
    string.segments = known()
    strings.record_round(string, 1.0)
    arrays = search_history(string, None, 1.0)  # type: ignore[arg-type]
    shown = arrays["bead_counts"]
    assert len(arrays["facts"]) == len(string.history) == 21
    assert not shown[:10].any() and (shown[-5:] == 3).all()
    assert len(arrays["places"]) == len(arrays["beads"]) == shown.sum()


def test_one_move_may_be_larger_than_what_is_kept(monkeypatch):
    monkeypatch.setattr(strings, "LEFT_BYTES", 0)
    found = search(RING, "constrained")["0-1"]
    arrays = search_history(found.string, found.certificate, RING.level)
    (first, straight, _), *_, (_, last, _) = frames_of(arrays)
    assert found.beads == len(last) and len(straight) == 2 and first[0] == 0
