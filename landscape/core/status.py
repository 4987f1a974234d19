"""How a search ended. No JAX here."""

from __future__ import annotations

import enum


class Status(enum.StrEnum):
    """How a search ended. No search can show a disconnection, so there is no word for one."""

    CONNECTED = "CONNECTED"
    NOT_FOUND = "NOT_FOUND"  # a budget was spent
    STUCK = "STUCK"  # a bead did not reach the level
    NON_FINITE = "NON_FINITE"  # the loss became NaN or infinite
    LEVEL_NOT_REACHED = "LEVEL_NOT_REACHED"  # an end is above the level
