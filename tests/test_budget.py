"""Searches within a budget: what is spent, what is left, and what does not depend on the clock."""

# pyright: reportArgumentType=false
# a number that a record leaves out fails a test without that

import numpy as np
import optax
import pytest

from landscape.core.certificate import segment_evaluator
from landscape.core.level import LevelSpec
from landscape.core.segments import Memoized
from landscape.core.status import Status
from landscape.methods.registry import load_method
from landscape.search.budget import within
from landscape.search.descend import Descender
from landscape.search.driver import finish, judge, start
from landscape.search.history import anytime_of
from landscape.search.shorten import Shortener
from landscape.search.state import Problem, Search
from landscape.search.tighten import TOLERANCE, tightened
from tests.analytic import RING

SEARCHES = {
    "dss": {},
    "constrained": {},
    "bezier": {"points": 6},
    "polygon": {"points": 25, "batch": 24, "steps": 600},
    "neb": {"points": 13},
    "autoneb": {},
    "growing-string": {"points": 13},
}


def searched(method, budget, pace=None, tighten=False, **settings):
    landscape, at = RING.landscape, LevelSpec(RING.level)

    def descender(held=None):
        made = Descender(landscape, optax.adam(1e-2), 10, 1000, held)
        if pace:
            made._pace.timed = lambda call: call(pace)
        return made

    evaluate = Memoized(segment_evaluator(landscape, 50))
    problem = Problem(landscape, evaluate, descender, 0, budget)
    stepper = within(load_method(method)(**settings).bind(problem, at), budget)
    if tighten:
        shortener = Shortener(landscape, evaluate, TOLERANCE)
        stepper = tightened(stepper, shortener, at, budget=budget)
    ends = ({"params": np.array(x, np.float32)} for x in (RING.a, RING.b))
    (string,) = finish(stepper, Search([start("0-1", *ends)])).strings
    cost = string.cost
    return judge(string, evaluate, at), cost, evaluate


@pytest.mark.parametrize("method", SEARCHES)
@pytest.mark.parametrize("budget", [60, 1000, 60_000])
def test_no_search_costs_more_than_its_budget(method, budget):
    found, cost, _ = searched(method, budget, **SEARCHES[method])
    assert cost <= budget
    if budget == 60_000:
        assert found.status is Status.CONNECTED
    if found.status is not Status.CONNECTED:
        assert "spent" in found.reason


@pytest.mark.parametrize("method", ["dss", "constrained", "neb", "autoneb"])
def test_the_result_does_not_depend_on_how_many_steps_a_call_makes(method):
    one, other = (searched(method, 900, pace, **SEARCHES[method])[0] for pace in (1, 64))
    assert one.string.cost == other.string.cost and one.status == other.status
    assert np.array_equal(one.string.points["params"], other.string.points["params"])


def test_tightening_has_what_is_left():
    found, cost, _ = searched("dss", 60_000, tighten=True)
    assert found.string.tightening is not None and found.string.tightening.max_cost == cost
    held, again, _ = searched("dss", cost + 100, tighten=True)
    assert held.string.tightening is not None and held.string.tightening.max_cost == 100
    assert again == cost


@pytest.mark.parametrize("method", SEARCHES)
def test_how_low_the_paths_were_at_what_cost(method):
    found, cost, evaluate = searched(method, 60_000, **SEARCHES[method])
    known = anytime_of(found.string, found.certificate, evaluate, RING.level)
    assert known[0, 1] == pytest.approx(0.99875, abs=1e-3)  # the straight line
    assert (np.diff(known, axis=0)[:, 0] >= 0).all() and (np.diff(known, axis=0)[:, 1] <= 0).all()
    assert known[-1, 1] <= RING.level and known[-1, 0] >= cost / 3
    first = known[known[:, 1] <= RING.level][0, 0]
    assert 0 < first <= cost / 3
