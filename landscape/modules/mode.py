"""How a network is told that it is trained, or judged: by an argument of a known name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

TRAINS = ("train", "training", "is_training")
JUDGES = ("deterministic", "use_running_average", "inference", "eval")


def mode(call: Callable[..., Any], trains: bool) -> dict[str, Any]:
    """The arguments among TRAINS and JUDGES that a function takes, for one mode."""
    names = inspect.signature(call).parameters
    told: dict[str, Any] = {name: trains for name in TRAINS if name in names}
    return told | {name: not trains for name in JUDGES if name in names}
