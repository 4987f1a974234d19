"""Shorten a path within its level. No run directory is needed."""

# pyright: strict, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false
# JAX and matplotlib are not typed throughout

from __future__ import annotations

from dataclasses import dataclass, field

from landscape.api import display
from landscape.api.problem import Problem, Tree, like, path_of
from landscape.core import paths
from landscape.core.certificate import Certificate, segment_evaluator
from landscape.core.certificate import certify as certify_points
from landscape.core.segments import Memoized
from landscape.core.settings import ADAPTIVE
from landscape.search.shorten import Shortener


@dataclass(frozen=True)
class ShortenResult:
    """A path shortened within its level.

    Attributes:
        status: CONVERGED, STALLED (a much shorter path may be there) or BUDGET.
        reason: Why it is not CONVERGED.
        path: The shortest certified path, every leaf [beads, ...].
        certificate: The loss along it.
        length: Of it, in parameter distance.
        length_found: Of the path that was given.
        chord: The distance of its ends.
        change: By which part of itself the length moved when the beads were last doubled.
        grad_evals: Gradients that it took.
        loss_evals: Losses along segments, of its certificates too.
    """

    status: str
    reason: str
    path: Tree = field(repr=False)
    certificate: Certificate
    length: float
    length_found: float
    chord: float
    change: float | None
    grad_evals: int
    loss_evals: int

    @property
    def normalized_length(self) -> float | None:
        """The length over the chord; None where the ends are one point."""
        return self.length / self.chord if self.chord > 0 else None

    def _repr_html_(self) -> str:
        number, limit = display.number, self.certificate.maximum
        rows = {
            "status": " ".join(filter(None, (self.status, self.reason))),
            "length / chord": number(self.normalized_length),
            "as found": number(self.length_found / self.chord if self.chord else None),
            "moved last by": number(self.change, 2),
            "highest loss": f"{limit:.6g} (+ at most {self.certificate.last_change:.2g})",
            "gradients": f"{self.grad_evals:,}",
            "losses": f"{self.loss_evals:,} along segments",
        }
        figure = display.profile_figure("CONNECTED", self.certificate.profile, limit, limit)
        return display.table(rows) + figure

    def __repr__(self) -> str:
        return display.one_line(
            f"ShortenResult {self.status}",
            (
                f"length/chord {display.number(self.normalized_length)}",
                f"found {display.number(self.length_found / self.chord if self.chord else None)}",
                f"moved last by {display.number(self.change, 2)}",
                self.reason,
            ),
        )


def shorten(
    problem: Problem,
    path: Tree,
    level: float,
    *,
    metric: str = "loss",
    split: str = "train",
    tolerance: float = 3e-3,
    max_beads: int = 65,
    max_sweeps: int = 400,
    grid: int = ADAPTIVE,
    progress: bool | None = None,
) -> ShortenResult:
    """Shorten a path as far as the level allows.

    Args:
        problem: As for `find_path`.
        path: Every leaf [beads, ...]; certified below the level.
        level: What it must stay below.
        metric: Of a task: what the level bounds.
        split: Of a task: on which of its splits.
        tolerance: How little the length may move when the beads are doubled.
        max_beads: At which no more are doubled.
        max_sweeps: The budget of steps.
        grid: Points a segment of the certificate; 0: as many as are needed.
        progress: Show a bar; None: in a terminal or a notebook.

    Returns:
        The shortest certified path, with its certificate.

    Raises:
        ValueError: The path does not fit the problem, or is not below the level.
    """
    landscape, points = path_of(problem, path, metric, split)
    evaluate = Memoized(segment_evaluator(landscape, grid))
    before = certify_points(points, evaluate, level)
    if not before.holds(level):
        raise ValueError(
            f"the path is not below {level:g}: {before.maximum:.6g} at {before.max_at:.3f}"
        )
    shortener = Shortener(landscape, evaluate, tolerance)
    ends = [float(before.profile[0, 1]), float(before.profile[-1, 1])]
    string = shortener.start("0-1", points, level, ends, max_beads, max_sweeps)
    with display.progress("shortening", progress) as tell:
        while string.ended is None:
            shortener.sweep([string])
            tell({"sweep": string.sweeps, "length": f"{paths.length(string.kept):.5g}"})
    kept = string.kept
    return ShortenResult(
        status=str(string.ended),
        reason=string.reason,
        path=like(path, kept),
        certificate=certify_points(kept, evaluate, level),
        length=paths.length(kept),
        length_found=paths.length(points),
        chord=paths.chord(points),
        change=string.change,
        grad_evals=string.grad_evals,
        loss_evals=string.loss_evals,
    )
