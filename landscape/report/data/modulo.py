"""Connectedness of networks modulo their symmetries, beside that of their parameters."""

from __future__ import annotations

from typing import Any

from landscape.report.data.wording import number

COLUMNS = ("level", "models", "components", "modulo symmetries")


def rows_of(topology: dict[str, Any]) -> list[list[str]]:
    """A row a level, by COLUMNS; none where no pair was aligned.

    topology: of a run, as `landscape.report.data.report.report` has it.
    """
    modulo = topology["modulo_permutations"]
    if modulo is None:
        return []
    apart = {(at["level"], at["limit"]): len(at["components"]) for at in topology["levels"]}
    return [
        [
            f"{at['level']:g}",
            str(at["models"]),
            str(apart.get((at["level"], at["limit"]), at["models"])),
            str(len(at["components"])),
        ]
        for at in modulo["levels"]
    ]


def said_of(topology: dict[str, Any]) -> str:
    """What the numbers mean, and the highest barriers of both disconnectivity graphs."""
    modulo = topology["modulo_permutations"]
    barriers = " and ".join(
        _barrier(one, name)
        for one, name in ((topology, "as they are"), (modulo, "modulo symmetries"))
    )
    scales = ", or of other signs and scales," * ("weights-and-scales" in modulo["aligned_by"])
    return (
        f"Modulo symmetries, a network and the same with its units in another order{scales} are "
        "one: paths to aligned models count, too. Components are upper bounds on their number. Of "
        f"the models' lowest points, {barriers}."
    )


def _barrier(topology: dict[str, Any], name: str) -> str:
    """Of a disconnectivity graph."""
    if topology["unjoined"] > 1 or not topology["merges"]:
        return f"not all are joined by a path of finite loss {name}"
    highest = max(merge["height"] for merge in topology["merges"])
    return f"the highest barrier is at most {number(highest)} {name}"
