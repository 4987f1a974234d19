"""Leave out the beads that a path below a limit can do without."""

from __future__ import annotations

import numpy as np

from landscape.core import trees
from landscape.core.segments import SegmentEvaluator
from landscape.core.trees import Params


def pruned(
    points: Params,
    peaks: SegmentEvaluator,
    limit: float,
    known: np.ndarray,
    max_losses: float = np.inf,
) -> tuple[Params, int]:
    """A path below the limit without the beads that it can do without, and how many losses that
    took: every second one is left out where the straight segment past it is certified, round by
    round, while there were fewer than `max_losses`. known: the losses at its beads, as `at` has
    them."""
    first, refused, losses = 1, 0, 0
    while refused < 2 and trees.count(points) > 2 and losses < max_losses:
        beads = np.arange(first, trees.count(points) - 1, 2)
        if len(beads):
            sides = (trees.take(points, beads + side) for side in (-1, 1))
            ends = np.stack([known[beads - 1], known[beads + 1]], axis=1)
            found = peaks(*sides, limit, only_below=True, ends=ends)
            losses += int(found.losses.sum())
            beads = beads[found.maximum + found.change <= limit]
            points = {name: np.delete(leaf, beads, axis=0) for name, leaf in points.items()}
            known = np.delete(known, beads)
        refused = 0 if len(beads) else refused + 1
        first = 3 - first
    return points, losses
