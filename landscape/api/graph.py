"""Which models are connected, and in what order their components merge as the level rises."""

# pyright: strict, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false
# JAX and matplotlib are not typed throughout

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from landscape.analysis import topology
from landscape.analysis.topology import Edge, Leaf, Pair
from landscape.api import display
from landscape.api.paths import PathResult


@dataclass(frozen=True)
class Components:
    """Models that certified paths connect below a limit.

    More paths can only connect more: their number is an upper bound.

    Attributes:
        components: Models by component, the largest first.
        limit: What the paths stay below.
        pairs: How many pairs were tried.
        connected: How many of them stay below the limit.
    """

    components: list[list[int]]
    limit: float
    pairs: int
    connected: int

    def _repr_html_(self) -> str:
        return display.fields_table(self)


def components(found: Mapping[Pair, PathResult], limit: float | None = None) -> Components:
    """Count the components that paths between pairs of models make below a limit.

    Args:
        found: Pairs of models (numbers) and their paths, connected or not.
        limit: What paths have to stay below; None: the highest limit of the paths themselves.

    Returns:
        The components among all models that are in a pair.

    Raises:
        ValueError: There are no paths.
    """
    edges, models = _edges(found)
    if limit is None:
        limit = max(result.limit for result in found.values())
    connected = sum(edge.upper <= limit for edge in edges)
    parts = topology.components(edges, models, 0.0, limit)
    return Components(parts, limit, len(found), connected)


@dataclass(frozen=True)
class Merge:
    """Two groups of models that a path connects: nowhere above `height`, an upper bound of the
    barrier between them."""

    height: float
    older: tuple[int, ...]
    younger: tuple[int, ...]


@dataclass(frozen=True)
class DisconnectivityGraph:
    """In what order models merge as the level rises.

    Attributes:
        losses: Of each model.
        merges: From the lowest to the highest.
        apart: Groups that no path of finite loss connects.
    """

    losses: dict[int, float]
    merges: tuple[Merge, ...]
    apart: int

    def _repr_html_(self) -> str:
        rows = {
            f"{merge.height:.6g}": f"{list(merge.older)} and {list(merge.younger)}"
            for merge in self.merges
        }
        return display.table({"merges at most at": "of models"} | rows)

    def __repr__(self) -> str:
        heights = ", ".join(f"{merge.height:.4g}" for merge in self.merges)
        return display.one_line(
            "DisconnectivityGraph",
            (f"{len(self.losses)} models", f"merges at {heights or 'no height'}"),
        )


def disconnectivity_graph(
    found: Mapping[Pair, PathResult], losses: Mapping[int, float]
) -> DisconnectivityGraph:
    """The disconnectivity graph of models by their paths, connected or not.

    Args:
        found: Pairs of models and their paths.
        losses: Each model's loss.

    Returns:
        Merges at the paths' bounds: single linkage.

    Raises:
        ValueError: There are no paths, or a model's loss is missing.

    References:
        Becker & Karplus 1997.
    """
    edges, models = _edges(found)
    if missing := [model for model in models if model not in losses]:
        raise ValueError(f"losses: no loss of model {', '.join(map(str, missing))}")
    leaves = {model: Leaf(0.0, float(losses[model])) for model in models}
    merges = tuple(Merge(*merge) for merge in topology.merges(leaves, edges))
    return DisconnectivityGraph(dict(losses), merges, len(models) - len(merges) - 1)


def _edges(found: Mapping[Pair, PathResult]) -> tuple[list[Edge], list[int]]:
    if not found:
        raise ValueError("there are no paths")
    edges = [Edge((a, 0.0), (b, 0.0), result.certificate.bound) for (a, b), result in found.items()]
    finite = [edge for edge in edges if edge.upper < float("inf")]
    return finite, sorted({model for pair in found for model in pair})
