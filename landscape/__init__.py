"""Are these trained networks connected at this loss, and how curved is the road between them?

An implementation of C. D. Freeman and J. Bruna, "Topology and Geometry of Half-Rectified Network
Optimization", ICLR 2017 (arXiv:1611.01540).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landscape.config.load import Config, ConfigError, config_from, load_config
    from landscape.core.status import Status
    from landscape.core.task import Landscape, Outputs, Task, bind, energy_task
    from landscape.data import DataError
    from landscape.stages.check import check
    from landscape.stages.connect import connect
    from landscape.stages.measure.run import measure
    from landscape.stages.train import train
    from landscape.stages.verify import verify
    from landscape.store.files import RunError
    from landscape.store.run import Run, open_run

# imported when first used, so that reading a run does not start JAX
_HOMES = {
    "landscape.core.status": ("Status",),
    "landscape.core.task": ("Landscape", "Outputs", "Task", "bind", "energy_task"),
    "landscape.config.load": ("Config", "config_from", "load_config"),
    "landscape.config.validation": ("ConfigError",),
    "landscape.data": ("DataError",),
    "landscape.store.files": ("RunError",),
    "landscape.store.run": ("Run", "open_run"),
    "landscape.stages.check": ("check",),
    "landscape.stages.connect": ("connect",),
    "landscape.stages.measure.run": ("measure",),
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
