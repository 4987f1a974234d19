"""A measure from outside the package: how far a path leaves the straight line between its ends.

measure: {also: ["spread:Spread"]}
"""

import numpy as np

from landscape import Landscape, Measure, Quantity, Subject


class Spread(Measure):
    """The largest distance of a bead from the chord, as a part of the chord."""

    name = "spread"
    of = "path"
    beyond: float = 0.0  # a spread up to this counts as none

    def bind(self, landscape: Landscape):
        def measure(subject: Subject) -> dict[str, Quantity]:
            flat = np.concatenate(
                [leaf.reshape(len(leaf), -1) for leaf in subject.points.values()], 1
            )
            chord = flat[-1] - flat[0]
            along = (flat - flat[0]) @ chord / (chord @ chord)
            off = np.linalg.norm(flat - flat[0] - np.outer(along, chord), axis=1).max()
            part = off / np.linalg.norm(chord)
            return {"spread": Quantity(part if part > self.beyond else 0.0)}

        return measure
