"""Connect two pytrees below a level, judge a path. No run directory is needed."""

# pyright: strict, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false, reportMissingTypeStubs=false
# JAX and matplotlib are not typed throughout

from __future__ import annotations

from dataclasses import dataclass, field

import jax
import numpy as np
import optax

from landscape.api import display
from landscape.api.problem import Problem, Tree, as_params, like, path_of
from landscape.api.programs import Settings, programs_of
from landscape.core import trees
from landscape.core.certificate import Certificate, segment_evaluator
from landscape.core.certificate import certify as certify_points
from landscape.core.level import LevelSpec
from landscape.core.settings import ADAPTIVE
from landscape.core.status import Status
from landscape.methods.base import Method
from landscape.methods.registry import DEFAULT_METHOD, METHODS, load_method
from landscape.search.budget import within
from landscape.search.driver import judge, restore_ends, start, steps
from landscape.search.shortening import GRADIENT
from landscape.search.state import Problem as Bound
from landscape.search.state import Search
from landscape.search.tighten import tightened


@dataclass(frozen=True)
class PathResult:
    """A path between two points, and what is certified of it.

    A search that fails has shown nothing: there is no word for "disconnected".

    Attributes:
        status: CONNECTED (certified below the limit), NOT_FOUND, STUCK, NON_FINITE or
            LEVEL_NOT_REACHED (an end is above the level: nothing was searched).
        reason: Why there is no connection, or what to know of it; often empty.
        path: The beads, every leaf [beads, ...] in the structure of the ends, which it contains
            bit for bit.
        level: What was asked for.
        limit: What the whole path had to stay below: the level, with its tolerance.
        certificate: The loss along the path as it is, whether connected or not.
        length: Of the path, in parameter distance, over `length_over`.
        chord: The distance of the ends, over the same parameters.
        rounds: Rounds of the search.
        grad_evals: Gradients that beads took.
        loss_evals: Losses along segments, of the search and the certificate.
        tightening_grad_evals: Gradients that drawing it tight took besides.
        tightening_loss_evals: Losses along segments, likewise.
        length_found: Its length before it was drawn tight.
        beads_found: Its points before it was drawn tight.
        seconds: Of wall time.
    """

    status: Status
    reason: str
    path: Tree = field(repr=False)
    level: float
    limit: float
    certificate: Certificate
    length: float
    chord: float
    rounds: int
    grad_evals: int
    loss_evals: int
    tightening_grad_evals: int
    tightening_loss_evals: int
    length_found: float
    beads_found: int
    seconds: float

    @property
    def connected(self) -> bool:
        """Whether the path is certified below the limit."""
        return self.status is Status.CONNECTED

    @property
    def beads(self) -> int:
        """How many points the path has, its ends counted."""
        return len(jax.tree.leaves(self.path)[0])

    @property
    def normalized_length(self) -> float | None:
        """The length over the chord; None where the ends are one point."""
        return self.length / self.chord if self.chord > 0 else None

    def _facts(self) -> dict[str, str]:
        number, certificate = display.number, self.certificate
        return {
            "status": str(self.status),
            "level": f"{self.level:g}" + (f", limit {self.limit:g}" * (self.limit != self.level)),
            "highest loss": f"{certificate.maximum:.6g} (+ at most {certificate.last_change:.2g}) "
            f"at {certificate.max_at:.3f} of the length",
            "beads": f"{self.beads}, both ends counted",
            "length / chord": number(self.normalized_length),
            "gradients": f"{self.grad_evals:,}",
            "losses": f"{self.loss_evals:,} along segments",
            "drawn tight": self._tightening(),
        } | ({"reason": self.reason} if self.reason else {})

    def __repr__(self) -> str:
        return display.one_line(
            f"PathResult {self.status}",
            (
                f"level {self.level:g}",
                f"highest loss {self.certificate.maximum:.6g}",
                f"{self.beads} beads",
                f"length/chord {display.number(self.normalized_length)}",
                f"{self.grad_evals:,} gradients",
                self.reason,
            ),
        )

    def _tightening(self) -> str:
        if not self.tightening_loss_evals:
            return "no"
        before = self.length_found / self.chord if self.chord > 0 else None
        return (
            f"from length/chord {display.number(before)} and {self.beads_found} beads, by "
            f"{self.tightening_grad_evals:,} gradients and {self.tightening_loss_evals:,} losses"
        )

    def _repr_html_(self) -> str:
        figure = display.profile_figure(
            str(self.status), self.certificate.profile, self.level, self.limit
        )
        return display.table(self._facts()) + figure


def find_path(
    problem: Problem,
    a: Tree,
    b: Tree,
    level: float,
    *,
    method: Method | str = DEFAULT_METHOD,
    metric: str = "loss",
    split: str = "train",
    target: float = 0.95,
    tolerance: float = 1.0,
    grid: int = ADAPTIVE,
    optimizer: str | optax.GradientTransformation | None = None,
    learning_rate: float | None = None,
    max_steps_per_bead: int = 20_000,
    budget: int | None = None,
    length_over: str = "*",
    tighten: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> PathResult:
    """Look for a path between two points on which the loss stays below a level.

    Programs that were compiled for a `Task` or a `Landscape` are kept for the next call with the
    same, so that many pairs of one task cost what they compute. So its functions and data must not
    change between calls. The last four are kept, with their data. A function is compiled at each
    call.

    Args:
        problem: A differentiable loss of a pytree, a `Task`, or a bound `Landscape`.
        a: Parameters, any pytree of floats.
        b: The same structure.
        level: What the loss along the whole path shall stay below.
        method: The search, as `DSS(max_rounds=20)`; or its name, with its defaults.
        metric: Of a task: what the level bounds.
        split: Of a task: on which of its splits.
        target: What beads descend to, as a part of a positive level.
        tolerance: How far above the level the path may rise, as a multiple of a positive level.
        grid: Points a segment at which it is evaluated before its maxima are refined; 0: as many
            as the cubics through them need.
        optimizer: How beads descend: `gauss-newton` or `polyak` on the level's own metric, `adam`,
            `sgd` or an optax transformation on the training loss. None chooses the first where
            samples and parameters are few, the second where the metric has a gradient, else adam.
        learning_rate: Of `polyak` (where it stalls), `adam` and `sgd`.
        max_steps_per_bead: A bead's budget.
        budget: Gradients that the search may cost, a loss as a third of one; None: what the
            method's own settings let it.
        length_over: Globs of the parameters' names that lengths are over.
        tighten: Draw a path that connects tight, for at most what the search took once more.
        seed: All randomness comes from it.
        progress: Show a bar; None: in a terminal or a notebook.

    Returns:
        The path with its certificate, connected or not.

    Raises:
        ValueError: The parameters do not fit the problem, the level cannot be approached, the
            method is not made for the problem, or the optimizer not for the metric.
        TypeError: The parameters are not floats.

    References:
        Freeman & Bruna 2017, Sec. 3.1 (DSS). The certificate: landscape/core/certificate.py.

    Examples:
        >>> found = find_path(loss, a, b, level=0.1)
        >>> found.status, found.normalized_length
    """
    rate = None if learning_rate is None else float(learning_rate)
    settings = Settings(grid, optimizer, rate, max_steps_per_bead)
    landscape, evaluate, descend, shortener, level_of = programs_of(
        problem, a, metric, split, settings
    )
    ends = as_params(landscape, a, "a"), as_params(landscape, b, "b")
    finder = _method(method)
    finder.check(landscape)
    at = _level_spec(level, target, tolerance)
    if not trees.matching(landscape.shapes, length_over):
        allowed = ", ".join(landscape.shapes)
        raise ValueError(f"length_over: '{length_over}' matches none of: {allowed}")
    if budget is not None and not budget >= 1:
        raise ValueError(f"budget must be 1 or more, got {budget}")
    most = None if budget is None else GRADIENT * budget
    bound = Bound(landscape, evaluate, descend, seed, most)
    search = Search([start("0-1", *ends)])
    (string,) = search.strings
    losses = np.asarray(level_of(trees.stack(ends)), float)
    high = ~(losses <= at.level)
    if high.any():
        named = " and ".join(
            f"{name} is at {loss:.6g}"
            for name, loss, above in zip("ab", losses, high, strict=True)
            if above
        )
        finite = np.isfinite(losses).all()
        string.terminate(
            Status.LEVEL_NOT_REACHED if finite else Status.NON_FINITE,
            f"{named}, the level is {level:g}: nothing was searched",
        )
    with display.progress("searching", progress) as tell:
        if string.ended is None:
            stepper = finder.bind(bound, at)
            stepper = stepper if most is None else within(stepper, most)
            if tighten and finder.is_drawn_tight:
                stepper = tightened(stepper, shortener, at, length_over, most)
            for _ in steps(stepper, search):
                tell(_told(search))
    restore_ends(string, *ends)
    found = judge(string, evaluate, at, length_over)
    return PathResult(
        status=Status(string.ended) if high.any() else found.status,
        reason=string.reason if high.any() else found.reason,
        path=like(a, found.string.points),
        level=at.level,
        limit=at.limit,
        certificate=found.certificate,
        length=found.length,
        chord=found.chord,
        rounds=string.rounds,
        grad_evals=string.grad_evals,
        loss_evals=string.loss_evals,
        tightening_grad_evals=string.tightening.grad_evals if string.tightening else 0,
        tightening_loss_evals=string.tightening.loss_evals if string.tightening else 0,
        length_found=found.length_found,
        beads_found=found.beads_found,
        seconds=string.seconds,
    )


def _method(method: Method | str) -> Method:
    if isinstance(method, Method):
        return method
    try:
        return load_method(method)()
    except KeyError:
        allowed = ", ".join(METHODS.names())
        raise ValueError(f"unknown method '{method}' (allowed: {allowed}, module:Class)") from None


def _told(search: Search) -> dict[str, object]:
    (string,) = search.strings
    facts: dict[str, object] = {"round": string.rounds, "beads": trees.count(string.points)}
    if string.history:
        facts["highest"] = f"{string.history[-1].highest:.4g}"
    return facts | {"gradients": f"{string.grad_evals:,}"}


def _level_spec(level: float, target: float, tolerance: float) -> LevelSpec:
    if not np.isfinite(level):
        raise ValueError(f"level must be finite, got {level}")
    if not 0 < target <= 1:
        raise ValueError(f"target is a part of the level, above 0 and at most 1, got {target}")
    if not tolerance >= 1:
        raise ValueError(f"tolerance is a multiple of the level, 1 or more, got {tolerance}")
    if level == 0 and target < 1:
        raise ValueError("level 0 cannot be approached from above: give target=1.0")
    return LevelSpec(float(level), target, tolerance)


def certify(
    problem: Problem,
    path: Tree,
    level: float,
    *,
    metric: str = "loss",
    split: str = "train",
    grid: int = ADAPTIVE,
) -> Certificate:
    """Judge a path from anywhere, by the rules of every search.

    Args:
        problem: As for `find_path`.
        path: Every leaf [beads, ...]; segments between beads are straight.
        level: What it shall stay below; maxima are refined to a part of it.
        metric: Of a task: what the level bounds.
        split: Of a task: on which of its splits.
        grid: Points a segment at which it is evaluated before its maxima are refined; 0: as many
            as the cubics through them need.

    Returns:
        The loss along the path; `certificate.holds(level)` says whether it stays below.

    Raises:
        ValueError: The path does not fit the problem.
    """
    landscape, points = path_of(problem, path, metric, split)
    return certify_points(points, segment_evaluator(landscape, grid), level)
