"""How a search ended. No JAX here."""

from __future__ import annotations

import enum


class Status(enum.StrEnum):
    """How a search ended. No search can show a disconnection, so there is no word for one.

    Attributes:
        CONNECTED: The certificate holds.
        NOT_FOUND: A budget was spent.
        STUCK: A bead did not reach the level.
        NON_FINITE: The loss became NaN or infinite.
        LEVEL_NOT_REACHED: An end is above the level.
    """

    CONNECTED = "CONNECTED"
    NOT_FOUND = "NOT_FOUND"
    STUCK = "STUCK"
    NON_FINITE = "NON_FINITE"
    LEVEL_NOT_REACHED = "LEVEL_NOT_REACHED"
