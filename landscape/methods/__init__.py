"""Path finders by name. A new one is one file here and one line in METHODS."""

from __future__ import annotations

from collections.abc import Callable

from landscape.base import Method
from landscape.methods.constrained import constrained
from landscape.methods.dss import dss
from landscape.methods.straight import straight

METHODS: dict[str, Callable[..., Method]] = {
    "constrained": constrained,
    "dss": dss,
    "straight": straight,
}
