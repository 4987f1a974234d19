"""By what one network is aligned to another. No JAX here."""

from __future__ import annotations

from typing import Literal

Align = Literal["weights", "weights-and-scales", "activations", "straight-through"]
