"""A string's way through its search: along the principal axes of its beads at the end (Freeman &
Bruna 2017, App. C), and how low its paths were at what cost.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from landscape.core import paths, trees
from landscape.core.certificate import Certificate, certify
from landscape.core.principal import principal
from landscape.core.profile import thinned
from landscape.core.segments import SegmentEvaluator
from landscape.search.shortening import GRADIENT
from landscape.search.state import Round, String

AXES = 3
POINTS = 400  # of a frame's profile


def search_history(string: String, certificate: Certificate, level: float) -> dict[str, np.ndarray]:
    """The rounds of an ended string as arrays, each round's rows after the other's.

    facts [rounds, 4] is (round, instantaneous level, highest loss, its fraction of the length);
    beads [·, 3], places [·], bead_counts [rounds], the beads along the three axes and as fractions
    of the length, none in a round whose positions were forgotten or are not finite; profile [·, 2],
    profile_counts [rounds]; variance [3], each axis's share of the final beads' variance.
    """
    left, left_ids = string.left, string.left_ids
    if left:
        known = paths.finite_beads(left)
        left, left_ids = trees.take(left, known), left_ids[known]
    everywhere = np.concatenate([string.ids, left_ids])
    at, variance, _ = principal(string.points, AXES, left)
    count = len(string.ids)
    at *= np.where(at[count - 1] - at[0] < 0, -1, 1)  # every axis points from A to B
    row_of = {int(bead): row for row, bead in enumerate(everywhere)}

    def placed(one: Round) -> Round:
        whole = row_of.keys() >= {*one.beads.tolist()}
        if whole and np.isfinite(one.places).all():
            return one
        return replace(one, beads=np.array([], int), places=np.array([]))

    rounds = [placed(one) for one in string.history if np.isfinite([one.number, one.level]).all()]
    if not rounds or not np.array_equal(rounds[-1].beads, string.ids):
        rounds.append(
            Round(
                number=string.rounds,
                level=level if string.level is None else string.level,
                highest=certificate.maximum,
                at=certificate.max_at,
                beads=string.ids,
                places=paths.bead_places(string.points),
                profile=certificate.profile,
                cost=string.cost,
            )
        )
    beads = [at[[row_of[int(bead)] for bead in one.beads]] for one in rounds]
    profiles = [thinned(one.profile, POINTS) for one in rounds]
    facts = [(one.number, one.level, one.highest, one.at) for one in rounds]
    return {
        "facts": np.array(facts, np.float64),
        "beads": np.concatenate(beads).astype(np.float32),
        "places": np.concatenate([one.places for one in rounds]).astype(np.float32),
        "bead_counts": np.array([len(part) for part in beads]),
        "profile": np.concatenate(profiles).astype(np.float32),
        "profile_counts": np.array([len(part) for part in profiles]),
        "variance": variance,
    }


def anytime_of(
    string: String, certificate: Certificate, evaluate: SegmentEvaluator, limit: float
) -> np.ndarray:
    """How low a search had come at what cost [rounds, 2]: gradients, a loss as a third of one, and
    the least certified bound of the paths until then; the path that it ended with is last.

    Rounds whose beads were forgotten are left out. What the certificates cost here is not counted.
    """
    points, ids = string.points, string.ids
    if string.left:
        points = trees.concatenate([points, string.left])
        ids = np.concatenate([ids, string.left_ids])
    row_of = {int(bead): row for row, bead in enumerate(ids)}
    costs, bounds = [], []
    for one in string.history:
        rows = [row_of[int(bead)] for bead in one.beads if int(bead) in row_of]
        beads = trees.take(points, np.array(rows))
        if len(rows) == len(one.beads) and paths.finite_beads(beads).all():
            costs.append(one.cost)
            bounds.append(certify(beads, evaluate, limit).bound)
    costs.append(string.cost)
    bounds.append(certificate.bound)
    return np.stack([np.array(costs) / GRADIENT, np.minimum.accumulate(bounds)], axis=1)
