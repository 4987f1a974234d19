"""Profiles: the loss along a path, [points, 2] of (fraction of the length, loss)."""

from __future__ import annotations

import numpy as np


def thinned(profile: np.ndarray, points: int) -> np.ndarray:
    """At most so many points: the highest of every stretch, so that no maximum is lost."""
    stretches = np.array_split(profile, min(points, len(profile)))
    return np.array([part[np.argmax(part[:, 1])] for part in stretches])
