"""The page's figures of connectedness: components by level, and the disconnectivity graphs."""

from __future__ import annotations

from typing import Any

from landscape.report.data.wording import number
from landscape.report.figures import tree
from landscape.report.figures.style import Figure
from landscape.report.page import html

Topologies = dict[str, dict[str, Any]]


def component_figures(topologies: Topologies, metric: str) -> list[Figure]:
    """topologies: `landscape.analysis.topology.describe`'s, by run."""
    with_levels = {name: one for name, one in topologies.items() if one["levels"]}
    found = [_components(with_levels, metric)] if with_levels else []
    several = len(topologies) > 1
    graphs = [
        (graph, name if several else "", suffix)
        for name, one in topologies.items()
        for graph, suffix in ((one, ""), (one["modulo_permutations"], " modulo symmetries"))
    ]
    return found + [
        _disconnectivity(graph, metric, run, suffix)
        for graph, run, suffix in graphs
        if graph and graph["leaves"] and graph["merges"]
    ]


def persistence(topology: dict[str, Any]) -> str:
    """The components' births and deaths as a table."""
    rows = [
        [
            str(record["model"]), number(record["birth"]), number(record["death"]),
            "–" if record["into"] is None else str(record["into"]),
        ]
        for record in topology["persistence"] * bool(topology["merges"])
    ]  # fmt: skip
    head = ["model", "birth", "death at most", "into"]
    return html.details("Persistence of the components", html.table(head, rows)) if rows else ""


def _components(topologies: Topologies, metric: str) -> Figure:
    said = "; ".join(
        ", ".join(f"{len(level['components'])} at {level['level']:g}" for level in one["levels"])
        for one in topologies.values()
    )
    return Figure(
        "components",
        f"Components among the models against level, at most: {said}",
        "Connected components among the trained models that the certificates leave, an upper bound "
        "on the truth among these models.",
        lambda axes: tree.components(axes, topologies, metric),
        [
            {"run": name, **line}
            for name, one in topologies.items()
            for line in tree.components_table(one)
        ],
    )


def _disconnectivity(topology: dict[str, Any], metric: str, run: str, modulo: str) -> Figure:
    """run: its name, where there are several; modulo: what is taken as one, if anything."""
    of = f" of {run}" * bool(run) + modulo
    highest = max(merge["height"] for merge in topology["merges"])
    return Figure(
        "-".join(filter(None, ["disconnectivity", run, modulo.strip().replace(" ", "-")])),
        f"Disconnectivity graph{of}, {len(topology['leaves'])} models: all known barriers are "
        f"at most {number(highest)}",
        f"Disconnectivity graph{of}: each model's deepest snapshot at its energy, connected at the "
        "lowest barrier known. Every barrier is an upper bound.",
        lambda axes: tree.disconnectivity(axes, topology, metric),
        tree.persistence_table(topology),
        tree.size(len(topology["leaves"])),
    )
