"""The page's part on methods that were compared within one budget."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from landscape.report.data.comparisons import COLUMNS, SAID, row_of
from landscape.report.figures.style import Figure
from landscape.report.page import html


def comparison_table(records: list[dict[str, Any]], figures: list[Figure]) -> str:
    """The figures, and a table a run and comparison; nothing where there are none."""
    if not records:
        return ""
    content = html.grid(figures)
    for (run, name), group in groupby(records, key=lambda one: (one["run"], one["comparison"])):
        own = list(group)
        title = f"{run}: {own[0]['budget']:,} gradients a pair and level ({name})"
        content += html.part(title, html.table(COLUMNS, map(row_of, own)))
    return content + html.paragraph(SAID)
