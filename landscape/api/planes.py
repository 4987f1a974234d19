"""The loss on a plane through three points. No run directory is needed."""

# pyright: strict, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false
# JAX and matplotlib are not typed throughout

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.api import display
from landscape.api.problem import Problem, Tree, as_landscape, as_params
from landscape.core import trees
from landscape.measures.planes import row_evaluator, through


@dataclass(frozen=True)
class PlaneResult:
    """The loss on the plane through three points.

    Attributes:
        x: [n], parameter distance along the side from the first point to the third.
        y: [m], across it, towards the second.
        loss: [m, n].
        points: [3, 2], where the three are.
    """

    x: np.ndarray
    y: np.ndarray
    loss: np.ndarray
    points: np.ndarray

    def _repr_html_(self) -> str:
        return display.heat_figure(self.x, self.y, self.loss, self.points)

    def __repr__(self) -> str:
        low, high = np.nanmin(self.loss), np.nanmax(self.loss)
        return display.one_line(
            "PlaneResult",
            (f"{len(self.x)} × {len(self.y)} points", f"loss {low:.4g} to {high:.4g}"),
        )


def plane(
    problem: Problem,
    a: Tree,
    b: Tree,
    c: Tree,
    *,
    metric: str = "loss",
    split: str = "train",
    grid: int = 31,
    margin: float = 0.2,
) -> PlaneResult:
    """Evaluate the loss on the plane through three points.

    Args:
        problem: As for `find_path`.
        a: The origin.
        b: A second point.
        c: A third, on the x axis.
        metric: Of a task.
        split: Of a task.
        grid: Points each way.
        margin: How far beyond the three, as a part of their extent.

    Returns:
        The loss on a grid.

    Raises:
        ValueError: The points do not fit the problem, or are on a line.

    References:
        Garipov et al. 2018, Sec. 3.
    """
    landscape = as_landscape(problem, a, metric, split)
    named = [as_params(landscape, tree, what) for tree, what in zip((a, b, c), "abc", strict=True)]
    flat = through(*named)
    at, _ = flat.coordinates(trees.stack(named))
    low, high = at.min(0), at.max(0)
    reach = margin * (high - low)
    x, y = (np.linspace(low[axis] - reach[axis], high[axis] + reach[axis], grid) for axis in (0, 1))
    losses = row_evaluator(landscape, flat)
    rows = [losses(np.stack([x, np.full(grid, height)], axis=1)) for height in y]
    return PlaneResult(x, y, np.stack(rows), at)
