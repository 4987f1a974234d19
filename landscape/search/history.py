"""A string's way through its search, seen along the principal axes of its beads at the end.

Freeman & Bruna 2017, App. C.
"""

from __future__ import annotations

import numpy as np

from landscape.core import paths, trees
from landscape.core.certificate import Certificate
from landscape.core.principal import principal
from landscape.core.profile import thinned
from landscape.search.state import String

AXES = 3
POINTS = 400  # of a frame's profile
NO_BEADS = {"beads": np.array([], int), "places": np.array([])}


def search_history(string: String, certificate: Certificate, level: float) -> dict[str, np.ndarray]:
    """The frames of an ended string as arrays, each frame's rows after the other's.

    facts [frames, 4] is (round, instantaneous level, highest loss, its fraction of the length);
    beads [·, 3], places [·], bead_counts [frames], the beads along the three axes and as fractions
    of the length, none in a frame whose positions were forgotten or are not finite; profile [·, 2],
    profile_counts [frames]; variance [3], each axis's share of the final beads' variance.
    """
    frames = [frame for frame in string.frames if np.isfinite(frame["facts"][:2]).all()]
    if not frames or not np.array_equal(frames[-1]["beads"], string.ids):
        stood = level if string.level is None else string.level
        facts = [string.rounds, stood, certificate.maximum, certificate.max_at]
        frames.append(
            {
                "facts": np.array(facts),
                "beads": string.ids,
                "places": paths.bead_places(string.points),
                "profile": certificate.profile,
            }
        )
    left, left_ids = string.left, string.left_ids
    if left:
        known = paths.finite_beads(left)
        left, left_ids = trees.take(left, known), left_ids[known]
    everywhere = np.concatenate([string.ids, left_ids])
    at, variance, _ = principal(string.points, AXES, left)
    count = len(string.ids)
    at *= np.where(at[count - 1] - at[0] < 0, -1, 1)  # every axis points from A to B
    row_of = {int(bead): row for row, bead in enumerate(everywhere)}

    def is_placed(frame: dict[str, np.ndarray]) -> bool:
        whole = row_of.keys() >= {*frame["beads"].tolist()}
        return whole and bool(np.isfinite(frame["places"]).all())

    frames = [frame if is_placed(frame) else frame | NO_BEADS for frame in frames]
    beads = [at[[row_of[int(bead)] for bead in frame["beads"]]] for frame in frames]
    profiles = [thinned(frame["profile"], POINTS) for frame in frames]
    return {
        "facts": np.array([frame["facts"] for frame in frames], np.float64),
        "beads": np.concatenate(beads).astype(np.float32),
        "places": np.concatenate([frame["places"] for frame in frames]).astype(np.float32),
        "bead_counts": np.array([len(part) for part in beads]),
        "profile": np.concatenate(profiles).astype(np.float32),
        "profile_counts": np.array([len(part) for part in profiles]),
        "variance": variance,
    }
