"""How processes of one machine share what it has: cores, GPUs. No JAX here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

One = TypeVar("One")


def share(items: Sequence[One], part: int, parts: int) -> list[One]:
    """A part's own of the items, where there are enough; else one, that others have too.

    Args:
        items: What is shared.
        part: Which part, from 0.
        parts: Of how many.

    Returns:
        Its items; the parts' numbers of them differ by one at most. [] of nothing.
    """
    return list(items[part % parts :: parts] or items[part % max(len(items), 1) :][:1])
