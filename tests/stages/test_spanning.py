"""What the choices of pairs cost: the replay takes the searches that `pairs: tree` takes."""

import numpy as np
import pytest

from benchmarks.spanning import by_levels, by_replacing, compared, drawn, of_run, spent, too_many
from landscape.stages.connect import connect
from tests.stages.wells import CENTRES

LEVELS = [0.99, 0.8, 0.45]


@pytest.mark.parametrize("tries", [1, 4])
def test_a_tree_is_replayed_from_all_pairs(wells, tries):
    run = wells("five", CENTRES, LEVELS, chain=False)
    grown = connect(run, ["connect.pairs=tree", f"connect.tries={tries}"])
    connect(run, ["connect.pairs=all"])
    (given,) = of_run(run).values()
    assert given.models == (0, 1, 2, 3, 4) and given.levels == 3
    low = sorted(LEVELS)
    rows = {((row.a, row.b), low.index(row.level)): row for row in grown}
    searched = list(by_levels(given, tries))
    assert rows.keys() == set(searched)
    assert spent(given, searched).gradients == sum(row.grad_evals for row in rows.values())


@pytest.mark.parametrize("seed", range(3))
def test_every_choice_ends_with_what_all_pairs_join(seed):
    given = drawn(9, 4, 0, 1, seed)
    tree = list(by_levels(given, len(given.distance)))
    for choice in (tree, list(by_replacing(given))):
        assert len(set(choice)) == len(choice)
        assert too_many(given, choice) == 0
    assert sum(given.below[one] == one[1] for one in tree) == 8
    whole = given.components(given.below)
    assert [len(one) for one in whole] == sorted((len(one) for one in whole), reverse=True)
    assert len(whole[-1]) == 1


def test_what_was_taken_until_all_was_known_is_no_more_than_in_all():
    found = compared(drawn(8, 3, 0.2, 0.5, 0), tries=2)
    for chosen in found.values():
        if chosen.known is not None:
            assert chosen.known.searches <= chosen.end.searches
    theirs = found["Draxler et al."]
    assert theirs.known is not None and theirs.end.pairs <= 28
    assert np.isfinite(theirs.excess)
