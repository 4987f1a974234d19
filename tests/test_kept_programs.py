"""A second search of a task compiles nothing. A function is read at each."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from landscape import DSS, PathResult, bind, configure, energy_task, find_path
from tests.compiled import compiled

SIX_ROUNDS = DSS(max_rounds=6)
RADIUS = {"now": 1.0}
ENDS = [{"x": np.array(end, np.float32)} for end in ((1, 0), (0, 1), (-0.6, 0.8))]


def search(
    problem: Any, ends: Any, level: float = 0.1, method: Any = SIX_ROUNDS, **settings: Any
) -> PathResult:
    a, b = ends
    return find_path(problem, a, b, level, method=method, **settings)


def ring(p):
    return (jnp.sum(p["x"] ** 2) - RADIUS["now"] ** 2) ** 2


def test_the_second_search_of_a_task_compiles_nothing():
    task = energy_task(ring, lambda key: ENDS[0])
    first = search(task, ENDS[:2])
    for problem in (task, bind(task)):
        search(problem, ENDS[:2])
        with compiled() as programs:
            again = search(problem, ENDS[:2])
            other = search(problem, ENDS[1:])
        assert not programs
        assert again.connected and other.connected
        assert np.array_equal(again.path["x"], first.path["x"])
        assert (again.grad_evals, again.loss_evals) == (first.grad_evals, first.loss_evals)
        assert not np.array_equal(other.path["x"][0], first.path["x"][0])


def test_a_search_does_not_depend_on_those_before():
    kept, fresh = (energy_task(ring, lambda key: ENDS[0]) for _ in range(2))
    for before in (DSS(max_rounds=1), "straight"):
        search(kept, ENDS[:2], level=0.01, method=before)
    one, other = (search(task, ENDS[:2], level=0.01) for task in (kept, fresh))
    assert np.array_equal(one.path["x"], other.path["x"])
    for count in ("loss_evals", "grad_evals", "tightening_loss_evals", "tightening_grad_evals"):
        assert getattr(one, count) == getattr(other, count)
    assert one.loss_evals > 0


def test_other_settings_are_other_programs():
    task = energy_task(ring, lambda key: {"x": jnp.ones(2)})
    single = search(task, ENDS[:2])
    try:
        configure(precision="float64")
        double = search(task, ENDS[:2])
    finally:
        configure()
    adam = search(task, ENDS[:2], optimizer="adam", learning_rate=1e-2)
    assert (single.path["x"].dtype, double.path["x"].dtype) == (np.float32, np.float64)
    assert adam.grad_evals != single.grad_evals


def test_a_function_is_read_at_each_call(monkeypatch):
    before = search(ring, ENDS[:2])
    monkeypatch.setitem(RADIUS, "now", 1.1)
    after = search(ring, ENDS[:2])
    assert before.certificate.profile[0, 1] == 0 < after.certificate.profile[0, 1]
