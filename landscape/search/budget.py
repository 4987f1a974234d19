"""Searches that must not cost more than a budget, whatever the method."""

from __future__ import annotations

import numpy as np

from landscape.core.status import Status
from landscape.search.shortening import GRADIENT
from landscape.search.state import Search, Stepper


def within(stepper: Stepper, budget: int) -> Stepper:
    """The stepper that ends a string where it would cost more than that many losses.

    Such a string is as its last change within the budget left it, so that it does not depend on how
    many gradients a step happens to make; what was left then went into a change that did not end.
    """

    def step(search: Search) -> None:
        before = [(s, s.points, s.ids, s.grad_evals, s.loss_evals) for s in search.active]
        stepper(search)
        for string, points, ids, grad_evals, loss_evals in before:
            if string.cost <= budget:
                continue
            left = budget - GRADIENT * grad_evals - loss_evals
            string.points, string.ids, string.segments = points, ids, None
            string.grad_evals, string.loss_evals = grad_evals + left // GRADIENT, loss_evals
            string.history = [one for one in string.history if one.cost <= budget]
            string.terminate(Status.NOT_FOUND, f"budget ({budget // GRADIENT} gradients) spent")
        if search.pending is not None:
            ended = [s.ended is not None for s in search.strings]
            left = np.flatnonzero(~np.array(ended)[search.pending.owner])
            if len(left) < len(search.pending):
                search.pending = search.pending.take(left) if len(left) else None

    return step
