"""Leave out the beads that paths below a limit can do without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landscape.core import trees
from landscape.core.segments import SegmentEvaluator
from landscape.core.trees import Params


@dataclass
class Pruning:
    """A path and the losses at its beads [beads], as `at` has them.

    most: losses along segments, after which no round begins; losses: how many there were; first:
    the next bead to be left out; refused: rounds in a row that left out none.
    """

    points: Params
    known: np.ndarray
    most: float = np.inf
    losses: int = 0
    first: int = 1
    refused: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether there is another round."""
        return self.refused < 2 and len(self.known) > 2 and self.losses < self.most

    def candidates(self) -> np.ndarray:
        """The beads that this round would leave out."""
        return np.arange(self.first, len(self.known) - 1, 2)

    def leave_out(self, beads: np.ndarray) -> None:
        """End a round that these beads are not needed after."""
        self.points = trees.items(self.points, np.delete(np.arange(len(self.known)), beads))
        self.known = np.delete(self.known, beads)
        self.refused = 0 if len(beads) else self.refused + 1
        self.first = 3 - self.first


def prune(paths: Sequence[Pruning], peaks: SegmentEvaluator, limit: float) -> None:
    """Leave out of paths below the limit the beads that they can do without: of each every second
    one where the straight segment past it is certified, round by round."""
    while going := [path for path in paths if path.goes_on]:
        beads = [path.candidates() for path in going]
        many = [(path, own) for path, own in zip(going, beads, strict=True) if len(own)]
        fit, losses = np.zeros(0, bool), np.zeros(0, int)
        if many:
            lefts, rights = (
                trees.joined([trees.items(path.points, own + side) for path, own in many])
                for side in (-1, 1)
            )
            ends = np.concatenate(
                [np.stack([path.known[own - 1], path.known[own + 1]], axis=1) for path, own in many]
            )
            found = peaks(lefts, rights, limit, only_below=True, ends=ends)
            fit, losses = found.maximum + found.change <= limit, found.losses
        cuts = np.cumsum([len(own) for own in beads])[:-1]
        each = zip(going, beads, np.split(fit, cuts), np.split(losses, cuts), strict=True)
        for path, own, fits, made in each:
            path.losses += int(made.sum())
            path.leave_out(own[fits])
