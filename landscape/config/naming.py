"""The names of sets and measures: what of their settings makes another one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic_core import to_jsonable_python

from landscape.config.sections import Connect, Measure

# keys of a section that do not name a set, or measures
UNNAMED = {"connect": {"pairs", "tries", "also"}, "measure": {"barriers"}}


def set_name(connect: Connect) -> str:
    """The name of a search's set of rows: its method, and a hash of all but which pairs."""
    settings = {key: value for key, value in connect.flat().items() if value is not None}
    settings = {key: value for key, value in settings.items() if key not in UNNAMED["connect"]}
    return f"{connect.finder.name}-{digest(settings)[:6]}"


def measures_name(measure: Measure) -> str:
    """The name of the measures of strings and models that these settings make."""
    settings = measure.model_dump(mode="json", exclude=UNNAMED["measure"])
    return f"measures-{digest(settings)[:6]}"


def plain(section: Any) -> Any:
    """A section as plain data, every key of it, as it stands in a config."""
    return section.flat() if isinstance(section, Connect) else to_jsonable_python(section)


def digest(data: Any) -> str:
    """64 hex digits of plain data."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
