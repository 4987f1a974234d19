"""Components, the disconnectivity graph and persistence, against graphs solved by other means."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from landscape.analysis import topology
from landscape.analysis.topology import Edge, Leaf
from landscape.store.records.base import made
from landscape.store.records.models import Met, ModelRecord
from landscape.store.records.strings import SnapshotRecord
from tests import pages


def row(a, b, level, upper, limit=None):
    limit = level if limit is None else limit
    status = "CONNECTED" if upper <= limit else "NOT_FOUND"
    return pages.row(a, b, level, status, max_loss=upper, limit=limit)


def own(model, level, lower, upper):
    of = {"model": model, "level": level, "lower": lower, "limit": level}
    return made(SnapshotRecord, **of, max_loss=upper, last_change=0.0)


def model(number, **met):
    levels = [
        Met(level=level, status="LEVEL_NOT_REACHED", step=None, value=None) if value is None
        else Met(level=level, status="REACHED", step=10, value=value)
        for level, value in met["met"].items()
    ]  # fmt: skip
    return made(ModelRecord, model=number, levels=levels)


def drawn(seed, n=9):
    """A complete graph of random bounds [n, n], above the random energies [n] of its points."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(0, 1, n)
    bounds = np.triu(rng.uniform(1, 2, (n, n)), 1)
    return energy, bounds + bounds.T


def known_of(bounds):
    pairs = itertools.combinations(range(len(bounds)), 2)
    return [Edge((a, 0.1), (b, 0.1), float(bounds[a, b])) for a, b in pairs]


@pytest.mark.parametrize("seed", range(5))
def test_components_are_those_of_the_graph_below_the_limit(seed):
    _, bounds = drawn(seed)
    for limit in (1.0, 1.05, 1.1, 1.2, 2.0):
        count, labels = connected_components(np.where(bounds <= limit, bounds, 0), directed=False)
        parts = topology.components(known_of(bounds), range(9), 0.1, limit)
        assert len(parts) == count
        assert sorted(parts) == sorted(np.flatnonzero(labels == k).tolist() for k in range(count))
        assert [len(part) for part in parts] == sorted(map(len, parts), reverse=True)


@pytest.mark.parametrize("seed", range(5))
def test_merges_are_single_linkage(seed):
    energy, bounds = drawn(seed)
    minima = {number: Leaf(0.1, float(value)) for number, value in enumerate(energy)}
    tree = topology.merges(minima, known_of(bounds))
    heights = linkage(squareform(bounds), "single")[:, 2]
    assert [merge.height for merge in tree] == pytest.approx(heights)
    assert sorted((*tree[-1].older, *tree[-1].younger)) == list(range(9))
    for merge in tree:
        assert min(energy[[*merge.older]]) < min(energy[[*merge.younger]])


def test_paths_through_other_snapshots_count():
    """0 and 2 meet at 1's snapshot at the higher level, far above its own deepest."""
    minima = {number: Leaf(0.1, 0.05) for number in range(3)}
    rows = [row(0, 1, 0.5, 0.4), row(1, 2, 0.5, 0.45)]
    steps = [own(0, 0.5, 0.1, 0.2), own(1, 0.5, 0.1, 0.9), own(2, 0.5, 0.1, 0.3)]
    tree = topology.merges(minima, topology.edges(rows, steps))
    assert [(merge.height, {*merge.older, *merge.younger}) for merge in tree] == [
        (0.45, {0, 2}),
        (0.9, {0, 1, 2}),
    ]
    direct = topology.direct(minima, rows, steps)
    assert {pair: bound for pair, (bound, _) in direct.items()} == {(0, 1): 0.9, (1, 2): 0.9}


def test_what_holds_at_a_lower_level_is_carried_by_the_models_own_paths_only():
    rows = [row(0, 1, 0.1, 0.09), row(1, 2, 0.1, 0.08)]
    steps = [own(0, 0.5, 0.1, 0.45), own(1, 0.5, 0.1, 0.55), own(2, 0.5, 0.1, 0.3)]

    def at(level, *known):
        return topology.components(topology.edges(*known), range(3), level, level)

    assert at(0.1, rows) == [[0, 1, 2]]
    assert at(0.5, rows) == [[0], [1], [2]]
    # 1's own path rises above .5, but 0 and 2 are joined through its deeper snapshot
    assert at(0.5, rows, steps) == [[0, 2], [1]]
    assert topology.components(topology.edges(rows, steps), range(3), 0.5, 0.55) == [[0, 1, 2]]


def test_the_change_of_the_last_refinement_counts_against_a_path():
    held = replace(row(0, 1, 0.1, 0.0999), last_change=0.0002)
    assert topology.components(topology.edges([held]), range(2), 0.1, 0.1) == [[0], [1]]
    unknown = replace(held, last_change=None, status="NOT_FOUND")
    assert topology.edges([unknown]) == []


def test_the_elder_rule():
    minima = {0: Leaf(0.1, 0.02), 1: Leaf(0.1, 0.05), 2: Leaf(0.1, 0.01), 3: Leaf(0.2, 0.15)}
    known = [
        Edge((0, 0.1), (1, 0.1), 0.3),
        Edge((1, 0.1), (2, 0.1), 0.4),
        Edge((0, 0.1), (2, 0.1), 0.5),
    ]
    found = topology.persistence(minima, topology.merges(minima, known))
    assert found == [
        {"model": 2, "birth": 0.01, "death": None, "into": None},
        {"model": 3, "birth": 0.15, "death": None, "into": None},  # nothing is known of it
        {"model": 0, "birth": 0.02, "death": 0.4, "into": 2},
        {"model": 1, "birth": 0.05, "death": 0.3, "into": 0},
    ]


def test_energies_may_be_negative_and_no_merge_is_below_its_leaves():
    minima = {0: Leaf(-1.0, -2.0), 1: Leaf(-1.0, -1.5)}
    known = [Edge((0, -1.0), (1, -1.0), -1.5000001)]  # the profile's rounding
    (merge,) = topology.merges(minima, known)
    assert merge == (-1.5, (0,), (1,))


# -- which pairs to search -------------------------------------------------------------------------


def grow(n, found, tries=4, seed=0):
    """Search by `next_pairs` in a world where `found(a, b)` says what connects; all searched."""
    rng = np.random.default_rng(seed)
    at = rng.normal(size=(n, 2))
    distance = {
        (a, b): float(np.linalg.norm(at[a] - at[b])) for a, b in itertools.combinations(range(n), 2)
    }
    searched, known = [], []
    while True:
        parts = topology.components(known, range(n), 1.0, 1.0)
        failed = [pair for pair in searched if not found(*pair)]
        pairs = topology.next_pairs(parts, distance, failed, tries)
        if not pairs:
            return searched, parts
        label = {m: number for number, part in enumerate(parts) for m in part}
        links = np.zeros((len(parts), len(parts)))
        for a, b in pairs:
            links[label[a], label[b]] = 1
        joined, _ = connected_components(links, directed=False)
        assert len(parts) - joined == len(pairs), "a round holds nothing that is not needed"
        assert not {*pairs} & {*searched}
        searched += pairs
        known += [Edge((a, 1.0), (b, 1.0), 0.5) for a, b in pairs if found(a, b)]


@pytest.mark.parametrize("n", [2, 3, 16, 40])
def test_n_models_cost_n_minus_one_connections(n):
    searched, parts = grow(n, lambda a, b: True)
    assert len(searched) == n - 1 and len(parts) == 1


def test_failures_are_made_up_for_across_the_cut():
    lucky = np.random.default_rng(3).uniform(size=(16, 16)) < 0.6
    searched, parts = grow(16, lambda a, b: bool(lucky[a, b]), tries=6)
    assert len(parts) == 1
    assert len(searched) < 40


def test_a_cut_is_given_up_after_its_tries():
    """A model that connects to none, and two halves that connect in themselves only."""
    alone, parts = grow(8, lambda a, b: 5 not in (a, b))
    assert len(parts) == 2
    tried = [pair for pair in alone if 5 in pair]
    assert len(alone) - len(tried) == 6  # the tree of the other seven
    assert 4 <= len(tried) <= 6  # of 7: what others chose in the same round is searched too
    halves, parts = grow(16, lambda a, b: (a < 8) == (b < 8))
    assert len(parts) == 2
    assert sum((a < 8) != (b < 8) for a, b in halves) < 40  # of 64
    none, parts = grow(6, lambda a, b: False, tries=1)
    assert len(parts) == 6 and len(none) <= 6  # of 15


# -- a run -----------------------------------------------------------------------------------------

MODELS = [
    model(0, met={1.0: 0.9, 0.1: 0.08}),
    model(1, met={1.0: 0.8, 0.1: 0.07}),
    model(2, met={1.0: 0.7, 0.1: None}),
    model(3, met={1.0: None, 0.1: None}),
]


def test_a_run_is_described():
    rows = [row(0, 1, 1.0, 0.95), row(0, 2, 1.0, 1.4), row(0, 1, 0.1, 0.09)]
    steps = [own(0, 1.0, 0.1, 0.9), own(1, 1.0, 0.1, 0.8)]
    found = topology.describe(MODELS, rows, steps)
    assert [(r["level"], r["models"], r["components"]) for r in found["levels"]] == [
        (1.0, 3, [[0, 1], [2]]),
        (0.1, 2, [[0, 1]]),
    ]
    assert [(r["direct"], r["searched"], r["connected"]) for r in found["levels"]] == [
        (2, 2, 1),
        (1, 1, 1),
    ]
    assert [leaf["model"] for leaf in found["leaves"]] == [0, 1, 2]
    assert [merge["height"] for merge in found["merges"]] == [0.09, 1.4]
    assert found["unjoined"] == 1
    assert any("models that met no level (3)" in note for note in found["notes"])


def test_another_limit_at_a_level_is_another_record():
    rows = [row(0, 1, 1.0, 0.95), row(0, 2, 1.0, 1.05, limit=1.1)]
    levels = topology.describe(MODELS, rows)["levels"]
    assert [(r["limit"], r["components"]) for r in levels] == [
        (1.1, [[0, 1, 2]]),
        (1.0, [[0, 1], [2]]),
    ]


def test_what_is_missing_is_said():
    none = topology.describe(MODELS, [])
    assert none["levels"] == [] and none["merges"] == []
    assert "lscape connect" in none["notes"][0]
    one = topology.describe(MODELS, [row(0, 1, 1.0, 1.5)])
    said = "; ".join(one["notes"])
    assert "one level only" in said and "no pair was connected" in said
    assert "no path of finite loss is known between 3 groups" in said
    several = topology.describe(MODELS, [row(0, 1, 1.0, 0.9), row(0, 1, 0.1, 0.09)])
    assert any("not carried" in note for note in several["notes"])
    assert math.isfinite(several["merges"][0]["height"])
