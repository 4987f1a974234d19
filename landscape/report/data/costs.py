"""What paths cost: gradients and losses of searching, drawing tight and shortening, apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from landscape.store.records.measures import OFF, StringMeasure
from landscape.store.records.strings import StringRecord

PARTS = ("searching", "tightening", "shortening")
COLUMNS = (
    "search", "level", "searches", "gradients", "losses", "tightenings", "gradients", "losses",
    "shortenings", "gradients", "losses",
)  # fmt: skip
SAID = (
    "Totals over the pairs, of evaluations at one point each. Searching counts the searches that "
    "found nothing, too; tightening is of a path that has just connected; shortening is of "
    "`lscape measure`."
)


def costs_of(
    rows: Sequence[StringRecord], measures: Sequence[StringMeasure]
) -> list[dict[str, Any]]:
    """A record a set and level: {set, method, align, level, and each of PARTS: {paths, gradients,
    losses}}, totals."""
    found = []
    ordered = sorted(rows, key=lambda row: (row.set, -row.level))
    for (name, level), group in groupby(ordered, key=lambda row: (row.set, row.level)):
        own = list(group)
        tight = [row for row in own if row.tightening_grad_evals is not None]
        short = [m for m in measures if (m.set, m.level) == (name, level) and m.shortening != OFF]
        parts = (
            [(row.grad_evals, row.loss_evals) for row in own],
            [(row.tightening_grad_evals, row.tightening_loss_evals) for row in tight],
            [(one.grad_evals, one.loss_evals) for one in short],
        )
        about = {"set": name, "method": own[0].method, "align": own[0].align, "level": level}
        found.append(about | dict(zip(PARTS, map(_total, parts), strict=True)))
    return found


def _total(costs: Sequence[tuple[int | None, int | None]]) -> dict[str, int]:
    return {
        "paths": len(costs),
        "gradients": _sum(gradients for gradients, _ in costs),
        "losses": _sum(losses for _, losses in costs),
    }


def _sum(values: Iterable[int | None]) -> int:
    return sum(value or 0 for value in values)


def cells(record: dict[str, Any]) -> list[str]:
    """A row of the table, but for the search's name."""
    return [f"{record['level']:g}"] + [
        f"{record[part][key]:,}" if record[part]["paths"] else "–"
        for part in PARTS
        for key in ("paths", "gradients", "losses")
    ]
