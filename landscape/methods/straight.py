"""The path as it stands: its certificate alone decides."""

from __future__ import annotations

from typing import Any

from landscape.core import trees
from landscape.core.status import Status
from landscape.search.state import Method, Search


def straight(**_: Any) -> Method:
    """The straight segment between the ends (linear mode connectivity, Frankle et al. 2020), or the
    path that the string begins with."""

    def step(search: Search) -> Search:
        for string in search.active:
            string.ended = Status.CONNECTED
            what = "straight segment" if trees.count(string.points) == 2 else "given path"
            string.reason = f"the {what} rises above the level"
        return search

    return step
