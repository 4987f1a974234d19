"""The page's first part: how long the paths are, what of it is the landscape's, what not known."""

from __future__ import annotations

from typing import Any

from landscape.report.data import costs
from landscape.report.data.known_said import (
    COLUMNS,
    CURVATURE_COLUMNS,
    WHAT,
    curvature_row_of,
    findings_of,
    row_of,
)
from landscape.report.data.wording import errors, series
from landscape.report.figures import style
from landscape.report.figures.style import Figure
from landscape.report.page import html

CURVED = (
    "Of each pair's shortest shortened path; the method error is how much that of another method "
    "differs. Curvatures are those of the path, and can differ where lengths agree."
)


def known(report: dict[str, Any], figures: list[Figure]) -> str:
    """The section of the best known paths; figures: `known_figures` of the report."""
    records = [record for record in report["best_known"] if record["known"]]
    if not records:
        return ""
    named = style.by_series(records)
    several = len(named) > 1
    content = "".join(
        html.part(name, html.findings(findings_of(own)))
        if several
        else html.findings(findings_of(own))
        for name, own in named.items()
    )
    content += html.grid(figures)
    first = ["search"] * several
    rows = [[series(one, records)] * several + row_of(one) for one in records]
    content += html.table([*first, *COLUMNS], rows)
    content += "".join(map(html.paragraph, [WHAT, *errors([one["length"] for one in records])]))
    turned = [one for one in records if one["total_curvature"]["n"]]
    if turned:
        rows = [[series(one, records)] * several + curvature_row_of(one) for one in turned]
        content += html.table([*first, *CURVATURE_COLUMNS], rows) + html.paragraph(CURVED)
    return content


def cost_table(report: dict[str, Any]) -> str:
    """What the paths cost."""
    records = report["costs"]
    rows = [[series(one, records), *costs.cells(one)] for one in records]
    return html.table(costs.COLUMNS, rows) + html.paragraph(costs.SAID) if rows else ""
