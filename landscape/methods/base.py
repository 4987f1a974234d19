"""What a path finder is: settings, flags, and how they are bound to a problem.

A method never says that it has connected anything: the certificate alone does
(search/driver.py). This module does not import JAX.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field

from landscape.core.settings import Settings

if TYPE_CHECKING:
    from landscape.core.landscape import Landscape
    from landscape.core.level import LevelSpec
    from landscape.search.state import Problem, Stepper


class Method(Settings):
    """The settings of a path finder; its fields are keys of `connect` in a config.

    A subclass sets `name`, adds its fields, and defines `bind`. The flags say what the rest of the
    program has to know of it.

    Attributes:
        name: What results and folders call it.
        chains: Whether it can begin from a path that was found at another level.
        makes_start: Whether its path is a start for another method.
        searches: Whether it descends at all.
        descends_level: Whether its beads descend the level's own metric where that is possible and
            cheap, rather than as in training.
    """

    name: ClassVar[str]
    chains: ClassVar[bool] = False
    makes_start: ClassVar[bool] = False
    searches: ClassVar[bool] = True
    descends_level: ClassVar[bool] = False

    max_beads: Annotated[int, Field(ge=3)] = 257
    """Of a path, its ends counted."""

    @property
    def is_drawn_tight(self) -> bool:
        """Whether what connects may be drawn tight: it searches, and its path is to be short."""
        return self.searches

    def check(self, landscape: Landscape) -> None:
        """Refuse a landscape that the method is not made for.

        Raises:
            ValueError: the message names the hypothesis that is not met.
        """

    @abstractmethod
    def bind(self, problem: Problem, level: LevelSpec) -> Stepper:
        """The search with these settings, for one problem and level."""

    def brief(self, rounds: int) -> Self:
        """The same, with at most so many rounds where the method has `max_rounds`."""
        own = getattr(self, "max_rounds", None)
        return self if own is None else self.model_copy(update={"max_rounds": min(rounds, own)})
