"""The experiments on the paper's theorems: what each found, in sentences and a figure.

Every sentence is made of the numbers of the sweep. Nothing is called disconnected that the theory
does not prove so: of a search that ends without a path, only that is said.
"""

from __future__ import annotations

from collections.abc import Callable

from landscape.report.data.series import Record
from landscape.report.theory import (
    linear_vs_relu,
    poor_minima,
    ridge_depth,
    smoothness,
    swapped_teacher,
    width,
)
from landscape.report.theory.parts import Finding

__all__ = ["EXPERIMENTS", "Finding", "finding"]

EXPERIMENTS: dict[str, Callable[[Record], Finding]] = {
    "linear-vs-relu": linear_vs_relu.finding,
    "ridge-depth": ridge_depth.finding,
    "width": width.finding,
    "smoothness": smoothness.finding,
    "swapped-teacher": swapped_teacher.finding,
    "poor-minima": poor_minima.finding,
}


def finding(report: Record) -> Finding | None:
    """What a sweep that is one of the experiments found; None for others, and before any run."""
    if not report["theory"] or not report["records"]:
        return None
    return EXPERIMENTS[report["theory"]](report)
