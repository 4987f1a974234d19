"""Methods within one budget, side by side, in numbers and in words."""

from __future__ import annotations

from typing import Any

from landscape.analysis.comparison import compared
from landscape.report.data.wording import number
from landscape.store.comparisons import compared_rows, comparisons_of
from landscape.store.run import Run

COLUMNS = (
    "search", "level", "connected", "gradients to a path", "against first", "lowest max loss",
    "barrier", "length", "in functions", "gradients", "losses", "seconds",
)  # fmt: skip
SAID = (
    "Each method searched the same pairs from the same paths, within the same budget. Gradients to "
    "a path: until one was certified, a loss as a third of a gradient; where none was, the whole "
    "budget. Against first: the same less that of the first method on the same pair, mean over "
    "pairs. Lowest max loss: the least certified bound of all paths that a search had. Length: "
    "over the distance of the ends, of connected pairs, drawn tight by what the budget left. "
    "In functions: the same in the distance of the outputs, over at most measure.samples samples. "
    "Gradients and losses: all that was spent, the last certificate counted. ± is the error over "
    "pairs."
)


def comparison_records(run: Run) -> list[dict[str, Any]]:
    """The records of `compared` of all comparisons of a run."""
    return [
        one
        for record in comparisons_of(run)
        for one in compared(record, compared_rows(run, record))
    ]


def row_of(record: dict[str, Any]) -> list[str]:
    """A row of the table, by COLUMNS."""
    apart = record["cost"]["difference"]
    return [
        record["search"],
        f"{record['level']:g}",
        f"{record['connected']}/{record['pairs']}",
        number(record["cost"], 0),
        "–" if apart is None else number(apart, 0),
        *(number(record[key]) for key in ("lowest", "barrier", "length", "function_length")),
        *(number(record[key], 0) for key in ("gradients", "losses")),
        number(record["seconds"], 1),
    ]
