"""Measures by name, beside those that `lscape measure` always takes (config `measure`)."""

from __future__ import annotations

from landscape.core.registry import Registry, subclass_of
from landscape.measures.base import Measure

MEASURES = Registry(
    "measure",
    "lscape.measures",
    {"array-lengths": "landscape.measures.array_lengths:ArrayLengths"},
)


def load_measure(name: str) -> type[Measure]:
    """The settings class of a measure, by its name or as `module:Class`.

    Raises:
        KeyError: there is no measure of that name.
        ImportError: the class cannot be imported, or is no measure.
    """
    found = MEASURES.load(name)
    return subclass_of(Measure, found, name)
