"""What a measure from outside is: settings, and how they are bound to a landscape.

This module does not import JAX.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from landscape.core.settings import Settings

if TYPE_CHECKING:
    from landscape.core.certificate import Certificate
    from landscape.core.landscape import Landscape
    from landscape.core.trees import Params


class Quantity(NamedTuple):
    """A number and its companion.

    Attributes:
        value: The number; None where there is none.
        error: The method's own error; None where it has none.
    """

    value: float | None
    error: float | None = None


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes:
        points: A path's beads, named arrays [beads, ...], or one model, [1, ...].
        level: Its level.
        certificate: Of a path; None of a model.
        seed: For what is random.
    """

    points: Params
    level: float
    certificate: Certificate | None
    seed: int


class Measure(Settings):
    """The settings of a measure; its fields are keys of its entry in `measure.also`.

    A subclass sets `name` and `of`, adds its fields, and defines `bind`.

    Attributes:
        name: What tables call it.
        of: Whether paths or models are measured.
    """

    name: ClassVar[str]
    of: ClassVar[Literal["path", "model"]]

    def check(self, landscape: Landscape) -> None:
        """Refuse a landscape that cannot be measured so.

        Raises:
            ValueError: the message says why.
        """

    @abstractmethod
    def bind(self, landscape: Landscape) -> Callable[[Subject], Mapping[str, Quantity]]:
        """What measures a subject: its quantities by name."""
