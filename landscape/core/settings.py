"""What all settings have in common: frozen, complete, and without room for a slip. No JAX here."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ADAPTIVE = 0  # the grid of a certificate that chooses its points

Rate = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]


class Settings(BaseModel):
    """Settings with names: unknown names and numbers that are not finite are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )
