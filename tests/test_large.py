"""Arrays larger than a part of memory: in files without names, and the same to everyone."""

import functools

import numpy as np
import pytest

from landscape.core import large, paths, trees
from landscape.store.files import load_arrays, save_arrays
from landscape.store.temporary import unnamed_file


@pytest.fixture
def small_memory(tmp_path):
    """So little memory that strings of some kilobytes are large."""
    large.configure(4096)
    with large.files_from(functools.partial(unnamed_file, tmp_path)):
        yield tmp_path
    large.configure(2**31)


def string(beads=5, seed=0):
    drawn = np.random.default_rng(seed)
    return {
        "a": drawn.normal(size=(beads, 20, 10)).astype(np.float32),
        "b": drawn.normal(size=(beads,)).astype(np.float32),
        "none": np.zeros((beads, 0), np.float32),
    }


def in_file(tree):
    return all(
        not leaf.flags.owndata and large.is_large(trees.nbytes(tree)) for leaf in tree.values()
    )


def test_what_is_done_to_strings_is_the_same_in_files(small_memory):
    points, beads = string(), string(2, seed=1)
    segments = np.array([2, 0])
    found = {
        "copy": (trees.copy(points), points),
        "stack": (trees.stack([trees.take(points, i) for i in range(5)]), points),
        "concatenate": (
            trees.concatenate([points, beads]),
            {k: np.concatenate([points[k], beads[k]]) for k in points},
        ),
        "items": (
            trees.items(points, np.array([3, 0, 1, 4])),
            {k: points[k][[3, 0, 1, 4]] for k in points},
        ),
        "insert": (
            paths.insert(points, segments, beads),
            {k: np.insert(points[k], segments + 1, beads[k], axis=0) for k in points},
        ),
    }
    for name, (mine, wanted) in found.items():
        assert in_file(mine), name
        large.release()
        for key, leaf in wanted.items():
            assert np.array_equal(mine[key], leaf) and mine[key].dtype == leaf.dtype, (name, key)
    assert paths.length(found["copy"][0]) == paths.length(points)


def test_their_file_has_no_name(small_memory):
    made = trees.copy(string())
    assert in_file(made) and not list(small_memory.iterdir())


@pytest.mark.usefixtures("small_memory")
def test_evenly_spaced_items_are_parts_of_the_same_arrays_where_these_are_large(monkeypatch):
    monkeypatch.setattr(trees, "SEEN_BYTES", 1000)
    points = string()
    for index in ([1, 2, 3], [0, 2, 4], [0, 4]):
        some = trees.items(points, np.array(index))
        assert np.array_equal(some["a"], points["a"][index]) and some["a"].base is points["a"]
        some["b"][:] = 0  # small ones are its own
        assert points["b"].all()


def test_items_of_small_arrays_are_their_own():
    points = string()
    for index in ([], [2], [1, 2, 3], [0, 2, 4], [0, 4]):
        some = trees.items(points, np.array(index, int))
        assert np.array_equal(some["a"], points["a"][index])
        assert not np.shares_memory(some["a"], points["a"])


def test_a_mask_is_as_good_as_numbers():
    points, mask = string(), np.array([True, False, False, True, True])
    for some in (trees.items, trees.seen):
        assert np.array_equal(some(points, mask)["a"], points["a"][mask])
        assert np.array_equal(some(points, ~mask)["a"], points["a"][~mask])


def test_what_is_seen_is_copied_only_where_it_has_to_be():
    points = string()
    for index, shared in (([1, 2], True), ([0, 2, 4], True), ([3], True), ([0, 1, 3], False)):
        some = trees.seen(points, np.array(index))
        assert np.array_equal(some["a"], points["a"][index])
        assert np.shares_memory(some["a"], points["a"]) == shared
    turned = {"a": np.asfortranarray(points["a"])}
    assert np.array_equal(trees.items(turned, np.array([3, 0]))["a"], points["a"][[3, 0]])
    for some in (trees.items, trees.seen):
        with pytest.raises(IndexError, match="of 5"):
            some(points, np.array([1, 5]))


def test_they_are_written_and_read_as_others(small_memory):
    points = string(9)
    path = small_memory / "string.safetensors"
    save_arrays(path, points, {"said": 1})
    again, record = load_arrays(path)
    assert in_file(again) and record["said"] == 1
    assert all(np.array_equal(again[name], leaf) for name, leaf in points.items())


def test_lengths_in_blocks_are_those_at_once(monkeypatch):
    points = string(7)
    at_once, finite = paths.segment_lengths(points), paths.finite_beads(points)
    middle = paths.on_cubic(points, 2, 0.3)
    monkeypatch.setattr(large, "COLUMNS", 50)
    assert np.allclose(paths.segment_lengths(points), at_once, rtol=1e-12)
    assert np.array_equal(paths.finite_beads(points), finite)
    in_blocks = paths.on_cubic(points, 2, 0.3)
    assert middle and in_blocks and all(np.allclose(in_blocks[k], middle[k]) for k in middle)
