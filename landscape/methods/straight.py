"""The path as it stands: its certificate alone decides."""

from __future__ import annotations

from typing import Any

from landscape.base import Method, Search, Status


def straight(**_: Any) -> Method:
    """The straight segment between the ends (linear mode connectivity, Frankle et al. 2020)."""

    def step(search: Search) -> Search:
        for string in search.active:
            string.ended = Status.CONNECTED
            string.reason = "the straight segment rises above the level"
        return search

    return step
