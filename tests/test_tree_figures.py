"""The disconnectivity graph as it is drawn: no lines cross, every barrier is where it belongs."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from landscape.analysis import topology
from landscape.analysis.topology import Leaf, Merge
from landscape.report.figures import tree
from landscape.report.figures.style import draw


def drawn(seed, n, groups=1, scale=1.0):
    """A random tree: {leaves, merges, unjoined} of `describe`."""
    rng = np.random.default_rng(seed)
    energy = scale * rng.uniform(0.1, 0.2, n)
    minima = {number: Leaf(0.1, float(value)) for number, value in enumerate(energy)}
    known = []
    for a in range(n):
        for b in range(a + 1, n):
            if a % groups == b % groups:
                height = scale * float(rng.uniform(0.2, 1.0))
                known.append(topology.Edge((a, 0.1), (b, 0.1), height))
    merges = topology.merges(minima, known)
    return {
        "leaves": [{"model": m, **leaf._asdict()} for m, leaf in minima.items()],
        "merges": [merge._asdict() for merge in merges],
        "persistence": topology.persistence(minima, merges),
        "unjoined": n - len(merges),
    }


def axes_of(found):
    axes = Figure(figsize=tree.size(len(found["leaves"]))).add_subplot()
    tree.disconnectivity(axes, found, "train loss")
    return axes


def lines(axes):
    """The vertical and the horizontal lines, each as (where it stands, from, to)."""
    upright, level = [], []
    for line in axes.lines:
        (x0, *_, x1), (y0, *_, y1) = map(np.asarray, (line.get_xdata(), line.get_ydata()))
        if line.get_linestyle() == "-" and x0 == x1:
            upright.append((x0, *sorted((y0, y1))))
        elif line.get_linestyle() == "-":
            level.append((y0, *sorted((x0, x1))))
    return upright, level


@pytest.mark.parametrize(("n", "groups"), [(2, 1), (4, 1), (16, 2), (100, 1)])
def test_no_lines_cross_and_joins_are_at_their_barriers(n, groups):
    found = drawn(n, n, groups)
    upright, level = lines(axes_of(found))
    assert sorted(y for y, *_ in level) == pytest.approx(
        sorted(merge["height"] for merge in found["merges"])
    )
    assert len(upright) == 2 * len(found["merges"])
    for y, left, right in level:
        for x, bottom, top in upright:
            assert not (left < x < right and bottom < y < top), "a line crosses a join"


def test_all_is_inside_the_picture_and_the_bound_is_said():
    for scale, axis in ((1.0, "linear"), (1.0, "log")):
        found = drawn(0, 12, scale=scale)
        if axis == "log":
            found["leaves"][0]["energy"] = 1e-4
        axes = axes_of(found)
        assert axes.get_yscale() == axis
        low, high = axes.get_ylim()
        for line in axes.lines:
            along = np.asarray(line.get_ydata())
            assert low <= along.min() and along.max() <= high
        assert "upper bounds" in axes.get_title(loc="left")
        assert [text.get_text() for text in axes.texts] == [str(n) for n in range(12)]


def test_what_is_not_joined_stands_apart_and_is_said():
    axes = axes_of(drawn(0, 8, groups=2))
    assert "no path is known between 2 groups" in axes.get_title(loc="left")
    alone = drawn(0, 3, groups=3)
    assert axes_of(alone).get_title(loc="left") == "no path is known between any two"
    one = drawn(0, 1)
    assert len(axes_of(one).texts) == 1


@pytest.mark.parametrize(
    ("apart", "said"), [(1e-7, "0.001 % of 0.01"), (1e-4, "1 % of 0.01"), (0.005, None)]
)
def test_how_little_all_is_apart_is_said_where_it_is_drawn_large(apart, said):
    """And what a certificate may still move by is not drawn large: the axis spans a thousandth."""
    found = {
        "leaves": [{"model": m, "level": 0.01, "energy": 0.01 - apart * m} for m in range(2)],
        "merges": [Merge(0.01, (1,), (0,))._asdict()],
        "unjoined": 1,
    }
    axes = axes_of(found)
    low, high = axes.get_ylim()
    assert max(apart, 1e-3 * 0.01) < high - low < 2 * max(apart, 1e-3 * 0.01)
    title = axes.get_title(loc="left")
    assert f"within {said}: drawn large" in title if said else "drawn large" not in title


def test_components_and_tables():
    levels = [
        {"level": level, "limit": level, "models": 4, "components": parts, "direct": 4,
         "searched": 2, "connected": 1}
        for level, parts in ((1.0, [[0, 1, 2, 3]]), (0.1, [[0, 3], [1], [2]]))
    ]  # fmt: skip
    found = drawn(0, 4) | {"levels": levels}
    axes = Figure().add_subplot()
    tree.components(axes, {"run": found}, "train loss")
    assert np.array_equal(axes.lines[0].get_ydata(), [1, 3]) and axes.xaxis_inverted()
    assert "at most" in str(axes.lines[0].get_label())
    low = tree.components_table(found)[1]
    assert low["components_at_most"] == 3 and low["components"] == "0+3 1 2"
    table = tree.persistence_table(found)
    assert [r["death_at_most"] for r in table].count(None) == 1 and len(table) == 4
    svg = draw(lambda axes: tree.disconnectivity(axes, found, "loss"), "d", "a tree")
    assert svg.startswith('<svg role="img" aria-label="a tree"')
