"""Path finders by name. A new one is a file here and a line below, or a package of its own."""

from __future__ import annotations

from landscape.core.registry import Registry, subclass_of
from landscape.methods.base import Method

DEFAULT_METHOD = "dss"

METHODS = Registry(
    "method",
    "lscape.methods",
    {
        "dss": "landscape.methods.dss:DSS",
        "constrained": "landscape.methods.constrained:Constrained",
        "bezier": "landscape.methods.bezier:Bezier",
        "polygon": "landscape.methods.polygon:Polygon",
        "neb": "landscape.methods.neb:NEB",
        "autoneb": "landscape.methods.autoneb:AutoNEB",
        "growing-string": "landscape.methods.growing_string:GrowingString",
        "sequence": "landscape.methods.sequence:Sequence",
        "straight": "landscape.methods.straight:Straight",
        "linear-network": "landscape.methods.constructions.linear_network:LinearNetwork",
        "relu-construction": "landscape.methods.constructions.relu:ReluConstruction",
    },
)


def load_method(name: str) -> type[Method]:
    """The settings class of a method, by its name or as `module:Class`.

    Raises:
        KeyError: there is no method of that name.
        ImportError: the class cannot be imported, or is no method.
    """
    found = METHODS.load(name)
    return subclass_of(Method, found, name)
