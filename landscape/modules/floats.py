"""State whose arrays are in part no floats, as counters: these are held as they are."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from landscape.core import trees


def floats_of(state: Any) -> dict[str, jax.Array]:
    """The floats among a state's arrays, by name."""
    named = trees.to_named(state)
    return {name: leaf for name, leaf in named.items() if jnp.issubdtype(leaf.dtype, jnp.inexact)}


def with_floats(like: Any, floats: dict[str, jax.Array]) -> Any:
    """The state with other floats."""
    return trees.from_named(like, {**trees.to_named(like), **floats})
