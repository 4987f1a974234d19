"""Are these trained networks connected at this loss, and how curved is the road between them?

An implementation of C. D. Freeman and J. Bruna, "Topology and Geometry of Half-Rectified Network
Optimization", ICLR 2017 (arXiv:1611.01540).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landscape.base import Landscape, Outputs, Status, Task, bind, energy_task
    from landscape.config import Config, ConfigError, config_from, load_config
    from landscape.data import DataError
    from landscape.files import RunError
    from landscape.runs import Run, open_run
    from landscape.stages.check import check
    from landscape.stages.connect import connect
    from landscape.stages.measure import measure
    from landscape.stages.train import train
    from landscape.stages.verify import verify

# imported when first used, so that reading a run does not start JAX
_HOMES = {
    "landscape.base": ("Landscape", "Outputs", "Status", "Task", "bind", "energy_task"),
    "landscape.config": ("Config", "ConfigError", "config_from", "load_config"),
    "landscape.data": ("DataError",),
    "landscape.files": ("RunError",),
    "landscape.runs": ("Run", "open_run"),
    "landscape.stages.check": ("check",),
    "landscape.stages.connect": ("connect",),
    "landscape.stages.measure": ("measure",),
    "landscape.stages.train": ("train",),
    "landscape.stages.verify": ("verify",),
}

__all__ = [
    "Config", "ConfigError", "DataError", "Landscape", "Outputs", "Run", "RunError", "Status",
    "Task", "bind", "check", "config_from", "connect", "energy_task", "load_config", "measure",
    "open_run", "train", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'landscape' has no attribute '{name}'")
