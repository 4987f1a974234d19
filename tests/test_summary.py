"""From rows to numbers: means, errors, shares, and how they are said."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from landscape.analysis.summary import PairValue, mean_over_pairs, of_pairs, summarise
from landscape.report.data.wording import number
from tests.pages import row


def test_means_of_independent_pairs_by_hand():
    rows = [row(0, 1, length=1.1, beads=3), row(2, 3, length=1.3, beads=6)]
    (level,) = summarise(rows)
    assert level["normalized_length"] == {
        "mean": pytest.approx(1.2), "se": pytest.approx(0.1), "n": 2, "clustered": None,
    }  # fmt: skip
    assert level["beads"]["mean"] == 4.5 and level["beads"]["se"] == pytest.approx(1.5)
    assert (level["pairs"], level["connected"], level["share"]) == (2, 2, 1.0)
    # Wilson's interval of 2 out of 2: low = n/(n + z²)
    assert level["share_interval"] == pytest.approx([2 / (2 + 1.959964**2), 1.0], rel=1e-4)
    assert level["grad_evals"] == 200 and level["seconds"] == 1.0


def test_only_connected_pairs_are_in_the_means_and_all_in_the_costs():
    rows = [
        row(0, 1, max_loss=0.3, barrier=0.02),
        row(2, 3, status="STUCK", length=9.0, max_loss=5.0, barrier=4.0),
        row(4, 5, status="LEVEL_NOT_REACHED", normalized_length=None, grad_evals=0, seconds=None),
    ]
    (level,) = summarise(rows)
    assert level["normalized_length"] == {"mean": 1.2, "se": None, "n": 1, "clustered": None}
    assert (level["max_loss"], level["barrier"], level["grad_evals"]) == (0.3, 0.02, 200)
    assert level["statuses"] == {"CONNECTED": 1, "STUCK": 1, "LEVEL_NOT_REACHED": 1}
    assert (level["pairs"], level["tried"]) == (3, 2), "no path was sought between 4 and 5"
    assert level["share"] == pytest.approx(1 / 2)
    (missed,) = summarise([row(4, 5, status="LEVEL_NOT_REACHED")])
    assert missed["share"] is None and missed["share_interval"] == [None, None]


def test_the_jackknife_by_hand():
    rows = [row(0, 1, length=1.0), row(0, 2, length=2.0), row(1, 2, length=6.0)]
    found = mean_over_pairs(of_pairs(rows, "normalized_length"))
    # without model 0, 1, 2 the means are 6, 2, 1: their mean 3, squares 9 + 1 + 4, times 2/3
    assert found == {
        "mean": 3.0, "se": pytest.approx(np.sqrt(28 / 3)), "n": 3, "clustered": "model",
    }  # fmt: skip


def test_no_error_where_a_model_is_in_every_pair():
    found = mean_over_pairs(of_pairs([row(0, 1), row(0, 2)], "beads"))
    assert found["se"] is None and found["clustered"] == "model"


def test_the_jackknife_is_a_loop_over_deleted_models():
    pairs = [(0, 1), (0, 2), (1, 2), (2, 3), (4, 5)]  # as where some searches failed
    lengths = dict(zip(pairs, (1.0, 2.0, 4.0, 8.0, 16.0), strict=True))
    means = []
    for model in range(6):
        left = [length for pair, length in lengths.items() if model not in pair]
        means.append(sum(left) / len(left))
    squares = sum((mean - sum(means) / 6) ** 2 for mean in means)
    found = mean_over_pairs(PairValue(*pair, length) for pair, length in lengths.items())
    assert found["se"] == pytest.approx((5 / 6 * squares) ** 0.5)


@pytest.mark.parametrize("models", [3, 6])
@pytest.mark.parametrize("of_models, of_pairs", [(1, 0), (0, 1), (1, 1)])
def test_the_jackknife_against_simulated_truth(models, of_models, of_pairs):
    """y = u_a + u_b + e: the squared error holds u's variance once, e's 2(m−1)/(m−2) times."""
    pairs = list(itertools.combinations(range(models), 2))
    drawn = np.random.default_rng(0)
    means, squares = [], []
    for _ in range(1500):
        u, e = of_models * drawn.normal(size=models), of_pairs * drawn.normal(size=len(pairs))
        y = [PairValue(a, b, u[a] + u[b] + x) for (a, b), x in zip(pairs, e, strict=True)]
        found = mean_over_pairs(y)
        means.append(found["mean"])
        squares.append(found["se"] ** 2)
    from_models, from_pairs = 4 * of_models / models, of_pairs / len(pairs)
    counted = from_models + from_pairs * 2 * (models - 1) / (models - 2)
    assert np.var(means) == pytest.approx(from_models + from_pairs, rel=0.12)
    assert np.mean(squares) == pytest.approx(counted, rel=0.12)


def test_sets_and_levels_are_kept_apart_and_in_order():
    rows = [row(0, 1, level=level, set=name) for level in (0.1, 0.5) for name in ("b", "a")]
    assert [(r["set"], r["level"]) for r in summarise(rows)] == [
        ("a", 0.5), ("a", 0.1), ("b", 0.5), ("b", 0.1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value, said",
    [
        ({"mean": 1.3124, "se": 0.0413}, "1.312 ± .041"),
        ({"mean": 1.3, "se": 2.4}, "1.3 ± 2.4"),
        ({"mean": 31.2, "se": 12.0}, "31 ± 12"),
        ({"mean": 5.0, "se": 0.0}, "5 ± 0"),
        ({"mean": 1.5, "se": None}, "1.5"),
        ({"mean": -0.0017123, "se": 0.0000123}, "-0.001712 ± .000012"),
        ({"mean": -1.234e-6, "se": 2.1e-8}, "-1.234e-06 ± 2.1e-08"),
        (None, "–"),
    ],
)
def test_numbers_in_words(value, said):
    assert number(value) == said
