"""Path finders by name. A new one is one file here and one line in METHODS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from landscape.core.task import Landscape
from landscape.methods.constrained import constrained
from landscape.methods.constructions.linear_network import deep_linear, linear_network
from landscape.methods.constructions.relu import one_hidden_layer, relu_construction
from landscape.methods.dss import dss
from landscape.methods.straight import straight
from landscape.search.state import Method

METHODS: dict[str, Callable[..., Method]] = {
    "constrained": constrained,
    "dss": dss,
    "linear-network": linear_network,
    "relu-construction": relu_construction,
    "straight": straight,
}

# the methods that construct a path, and what raises ValueError for a landscape outside of theirs
HYPOTHESES: dict[str, Callable[[Landscape], Any]] = {
    "linear-network": deep_linear,
    "relu-construction": one_hidden_layer,
}
