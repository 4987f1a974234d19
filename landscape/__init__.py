"""Are these trained networks connected at this loss, and how curved is the road between them?

An implementation of C. D. Freeman and J. Bruna, "Topology and Geometry of Half-Rectified Network
Optimization", ICLR 2017 (arXiv:1611.01540).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landscape.api.aligning import AlignResult, align, scales, symmetries
    from landscape.api.graph import (
        Components,
        DisconnectivityGraph,
        components,
        disconnectivity_graph,
    )
    from landscape.api.measuring import (
        CurvatureResult,
        HessianExtremes,
        Lengths,
        SpectrumResult,
        curvature,
        hessian_extremes,
        lengths,
        spectrum,
    )
    from landscape.api.paths import PathResult, certify, find_path
    from landscape.api.planes import PlaneResult, plane
    from landscape.api.saving import save_parameters
    from landscape.api.shortening import ShortenResult, shorten
    from landscape.api.training import TrainedModel, train_models
    from landscape.config.load import Config, config_from, load_config
    from landscape.config.validation import ConfigError
    from landscape.core.certificate import Certificate
    from landscape.core.devices import configure
    from landscape.core.landscape import Landscape, bind
    from landscape.core.level import LevelSpec
    from landscape.core.permute import permuted
    from landscape.core.state import State, Variables
    from landscape.core.status import Status
    from landscape.core.task import Margins, Outputs, Task, energy_task, margin
    from landscape.data import DataError
    from landscape.measures.base import Measure, Quantity, Subject
    from landscape.methods.autoneb import AutoNEB
    from landscape.methods.base import Method
    from landscape.methods.bezier import Bezier
    from landscape.methods.constrained import Constrained
    from landscape.methods.constructions.linear_network import LinearNetwork
    from landscape.methods.constructions.relu import ReluConstruction
    from landscape.methods.dss import DSS
    from landscape.methods.growing_string import GrowingString
    from landscape.methods.neb import NEB
    from landscape.methods.polygon import Polygon
    from landscape.methods.straight import Straight
    from landscape.modules.from_equinox import equinox_task
    from landscape.modules.from_haiku import haiku_task
    from landscape.modules.from_linen import flax_task
    from landscape.modules.from_nnx import nnx_task
    from landscape.modules.from_pytorch import torch_task
    from landscape.search.state import Problem, Search, Stepper, String
    from landscape.stages.check import check
    from landscape.stages.compare import compare
    from landscape.stages.connect import connect
    from landscape.stages.measure.run import measure
    from landscape.stages.train import train
    from landscape.stages.verify import verify
    from landscape.store.files import RunError
    from landscape.store.run import Run, open_run
    from landscape.symmetry.scales import Scales
    from landscape.symmetry.spec import PermutationClass, PermutationSpec, PinnedAxis, Place

# imported when first used, so that reading a run does not start JAX
_HOMES = {
    "landscape.api.aligning": ("AlignResult", "align", "scales", "symmetries"),
    "landscape.api.graph": (
        "Components", "DisconnectivityGraph", "components", "disconnectivity_graph",
    ),
    "landscape.api.measuring": (
        "CurvatureResult", "HessianExtremes", "Lengths", "SpectrumResult", "curvature",
        "hessian_extremes", "lengths", "spectrum",
    ),
    "landscape.api.paths": ("PathResult", "certify", "find_path"),
    "landscape.api.planes": ("PlaneResult", "plane"),
    "landscape.api.saving": ("save_parameters",),
    "landscape.api.shortening": ("ShortenResult", "shorten"),
    "landscape.api.training": ("TrainedModel", "train_models"),
    "landscape.config.load": ("Config", "config_from", "load_config"),
    "landscape.config.validation": ("ConfigError",),
    "landscape.core.certificate": ("Certificate",),
    "landscape.core.devices": ("configure",),
    "landscape.core.level": ("LevelSpec",),
    "landscape.core.permute": ("permuted",),
    "landscape.core.state": ("State", "Variables"),
    "landscape.core.status": ("Status",),
    "landscape.core.landscape": ("Landscape", "bind"),
    "landscape.core.task": ("Margins", "Outputs", "Task", "energy_task", "margin"),
    "landscape.data": ("DataError",),
    "landscape.measures.base": ("Measure", "Quantity", "Subject"),
    "landscape.methods.autoneb": ("AutoNEB",),
    "landscape.methods.base": ("Method",),
    "landscape.methods.bezier": ("Bezier",),
    "landscape.methods.constrained": ("Constrained",),
    "landscape.methods.constructions.linear_network": ("LinearNetwork",),
    "landscape.methods.constructions.relu": ("ReluConstruction",),
    "landscape.methods.dss": ("DSS",),
    "landscape.methods.growing_string": ("GrowingString",),
    "landscape.methods.neb": ("NEB",),
    "landscape.methods.polygon": ("Polygon",),
    "landscape.methods.straight": ("Straight",),
    "landscape.modules.from_equinox": ("equinox_task",),
    "landscape.modules.from_haiku": ("haiku_task",),
    "landscape.modules.from_linen": ("flax_task",),
    "landscape.modules.from_nnx": ("nnx_task",),
    "landscape.modules.from_pytorch": ("torch_task",),
    "landscape.search.state": ("Problem", "Search", "Stepper", "String"),
    "landscape.stages.check": ("check",),
    "landscape.stages.compare": ("compare",),
    "landscape.stages.connect": ("connect",),
    "landscape.stages.measure.run": ("measure",),
    "landscape.stages.train": ("train",),
    "landscape.stages.verify": ("verify",),
    "landscape.store.files": ("RunError",),
    "landscape.store.run": ("Run", "open_run"),
    "landscape.symmetry.scales": ("Scales",),
    "landscape.symmetry.spec": ("PermutationClass", "PermutationSpec", "PinnedAxis", "Place"),
}  # fmt: skip

__all__ = [
    "DSS", "NEB", "AlignResult", "AutoNEB", "Bezier", "Certificate", "Components", "Config",
    "ConfigError", "Constrained", "CurvatureResult", "DataError", "DisconnectivityGraph",
    "GrowingString", "HessianExtremes", "Landscape", "Lengths", "LevelSpec", "LinearNetwork",
    "Margins", "Measure", "Method", "Outputs", "PathResult", "PermutationClass", "PermutationSpec",
    "PinnedAxis", "Place", "PlaneResult", "Polygon", "Problem", "Quantity", "ReluConstruction",
    "Run", "RunError", "Scales", "Search", "ShortenResult", "SpectrumResult", "State", "Status",
    "Stepper", "Straight", "String", "Subject", "Task", "TrainedModel", "Variables", "align",
    "bind", "certify", "check", "compare", "components", "config_from", "configure", "connect",
    "curvature", "disconnectivity_graph", "energy_task", "equinox_task", "find_path",
    "flax_task", "haiku_task", "hessian_extremes", "lengths", "load_config", "margin", "measure",
    "nnx_task", "open_run", "permuted", "plane", "save_parameters", "scales", "shorten",
    "spectrum", "symmetries", "torch_task", "train", "train_models", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'landscape' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
