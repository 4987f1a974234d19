"""What components and barriers need beyond the searches: the models' own paths, lower barriers.

Both are parts of `lscape measure`, which holds the run while they work.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import jax
import numpy as np

from landscape.analysis import topology
from landscape.core import devices, paths, trees
from landscape.core.alignment import Align
from landscape.core.keys import key_data
from landscape.core.landscape import Landscape
from landscape.core.permute import Change
from landscape.search.driver import Connection, judge
from landscape.search.elastic_band import Elastic
from landscape.search.state import String
from landscape.stages.build import Progress, silent
from landscape.stages.context import ConnectContext
from landscape.stages.snapshots import carry, missing
from landscape.store.records.base import names
from landscape.store.records.strings import (
    BarrierRecord,
    SnapshotRecord,
    StringRecord,
)
from landscape.store.run import Run

BEADS = (5, 9, 17, 33, 65)  # of a band: not fewer than its stretch had, as far as memory holds
USUAL = 17  # at least, where it does
SHARE_OF_BANDS = 2  # memory's part for bands that are lowered together, at their longest
COPIES = 13  # of a band's bead: it and its momentum, given, held and returned; and 7 in a step:
# gradient, tangent, force, what it moves by, and it and its momentum again, before they are spread
PATHS = 5  # of a path's bead: the best, cut in three, lowered, and both ends of its segments
STEPS = 100  # a cycle, of one gradient a bead
GRADIENTS = 10_000  # a pair: after the cycle in which they are spent there is no other
GROWN = GRADIENTS // STEPS + BEADS[-1]  # beads that a path gains in all cycles, at most
BETWEEN = 0.25  # of the height above the ends: that much above all beads, beads are missing
TOLERANCE = 0.01  # of what a barrier is above the ends: how far above a pass it may be at the most
FINEST = 1e-3  # of the level: where it does not matter any more
SLOWER = 0.25  # of a step's length, after a cycle that did not lower a barrier
RESTARTS = 3  # times that a band starts again off its line, if nothing moves it across, or the
OFF = 0.05  # loss on it is not finite: so far off its length, doubled each time
HELD = 1e-5  # of the steepest gradient: a smaller force across a band is rounding
TIGHT = 0.01  # of the barrier: above the ends by less, it is not lowered further
BATCH = 16  # pairs lowered together: what is lost when interrupted


def measure_snapshots(context: ConnectContext, progress: Progress = silent) -> list[SnapshotRecord]:
    """The models' own paths between their snapshots, certified; returns snapshots/'s records.

    By the settings of the context; what is there already is left as it is. The run must be held
    (`run.stage`). Raises RunError, OSError as `connect`.
    """
    for level in context.config.levels.values:
        if missing(context.run, level):
            carry(context, level, progress)
    return context.run.snapshots()


def measure_barriers(context: ConnectContext, progress: Progress = silent) -> list[BarrierRecord]:
    """Lower the barriers of the disconnectivity graph; returns barriers/'s records.

    For every merge, the best known path between the deepest snapshots of a pair that it joins is
    lowered by elastic bands (landscape/search/elastic_band.py) on its highest stretch, until it is
    near the ends' losses, or converged, or GRADIENTS are spent. It has converged where, within
    TOLERANCE of its height above the ends or FINEST of the level, a cycle does not lower it, and it
    is no higher than the band's highest bead, nor that above a stationary point, as its gradient
    says. A band that nothing moves off its line, or whose loss is not finite, starts again off it.
    Lowered barriers can change the tree, so until every merge's pair has been lowered. Then so for
    the graph of paths to aligned models, for each way of aligning. A path that
    is worse than the one before is never kept. As many pairs together, and beads a band, as their
    share of the memory holds beside the paths: `band` records the most beads of a band, on which
    the result depends. The run must be held. Raises as `measure_snapshots`.
    """
    run, elastic, done = context.run, Elastic(context.landscape, STEPS), 0
    while todo := pending_barriers(run):
        total = done + len(todo)
        for batch in _batches(context, todo):
            facts = {"pairs": f"{done}/{total}"}
            for fraction, barriers in _lowered(context, elastic, batch):
                progress(
                    "lowering barriers",
                    done + fraction * len(batch),
                    total,
                    **facts,
                    highest=max(barrier.bound for barrier in barriers),
                )
                for barrier in barriers if fraction == 1 else ():
                    _save(context, barrier)
            done += len(batch)
    return [*run.barriers(), *run.aligned_barriers()]


class Lowering(NamedTuple):
    """A pair whose path is to be lowered, the second model permuted or as it is."""

    a: int
    b: int
    align: Align | None


def pending_barriers(run: Run) -> list[Lowering]:
    """What, lowered, would lower the merges of a tree: that of the models as they are, and that of
    each way of aligning; of what is not lowered yet."""
    rows, barriers = run.rows(), [*run.barriers(), *run.aligned_barriers()]
    ways: tuple[Align | None, ...] = (None, *get_args(Align))
    return [
        Lowering(*pair, how)
        for how in ways
        if (own := [row for row in rows if row.align == how])
        for pair in _pending(run, own, [record for record in barriers if record.align == how])
    ]


def _pending(
    run: Run, rows: Sequence[StringRecord], barriers: Sequence[BarrierRecord]
) -> list[topology.Pair]:
    """For each merge, of the pairs that it joins, the one with the lowest path known; then the
    first pair of models that no merge joins, if the loss on its path was not finite."""
    snapshots = run.snapshots()
    minima = topology.leaves(run.models())
    tree = topology.merges(minima, topology.edges(rows, snapshots, barriers))
    lowest = topology.direct(minima, rows, snapshots, barriers)
    lowered = {(record.a, record.b) for record in barriers}
    found = []
    for merge in tree:
        pairs = [(min(a, b), max(a, b)) for a in merge.older for b in merge.younger]
        best = min(pairs, key=lambda pair: (lowest.get(pair, (np.inf, None))[0], pair))
        if best not in lowered:
            found.append(best)
    joined = [{*merge.older, *merge.younger} for merge in tree]
    apart = ((row.a, row.b) for row in rows if row.status == "NON_FINITE" and row.max_loss is None)
    new = (pair for pair in apart if pair not in lowered and not any({*pair} <= j for j in joined))
    return found or list(itertools.islice(new, 1))


@dataclass
class _Barrier:
    """A path between the deepest snapshots of two models on its way down."""

    a: int
    b: int
    levels: tuple[float, float]
    best: Connection
    start: float
    origin: str
    align: Align | None = None
    matched_at: float | None = None
    status: str = ""
    reason: str = ""
    gradient: float | None = None
    band: int | None = None
    restarts: int = 0
    off: float = 0.0
    is_coarse: bool = False
    rate: float = 1.0
    grad_evals: int = 0
    seconds: float = 0.0

    @property
    def bound(self) -> float:
        return self.best.upper

    @property
    def floor(self) -> float:
        """The greater loss of the ends: no barrier is lower."""
        return float(self.best.certificate.profile[[0, -1], 1].max())

    @property
    def allowed(self) -> float:
        """How far above a pass it may be where it has converged."""
        return max(TOLERANCE * (self.bound - self.floor), FINEST * abs(max(self.levels)))

    def restart(self) -> None:
        """Let the next band begin off its line, farther each time."""
        self.restarts += 1
        self.off = OFF * 2**self.restarts

    @property
    def is_tight(self) -> bool:
        return self.bound - self.floor <= TIGHT * abs(self.bound)

    @property
    def spent(self) -> float:
        """The fraction done, when it has come to an end or as if its budget is what ends it."""
        return 1.0 if self.status else min(0.99, self.grad_evals / GRADIENTS)


def _batches(context: ConnectContext, wanted: Sequence[Lowering]) -> Iterator[list[_Barrier]]:
    """The pairs' barriers at their start, as many together as have room for bands of any size."""
    batch: list[_Barrier] = []
    for one in wanted:
        barrier = _started(context, *one)
        if len(batch) == BATCH or (batch and _room(context, [*batch, barrier], GROWN) < BEADS[-1]):
            yield batch
            batch = []
        batch.append(barrier)
    yield batch


def _room(context: ConnectContext, barriers: Sequence[_Barrier], grown: int = 0) -> int:
    """How many beads the band of each may have beside the paths, were these longer by `grown`."""
    held = sum(trees.count(barrier.best.string.points) + grown for barrier in barriers)
    return (_held(context.landscape) - PATHS * held) // (COPIES * len(barriers))


def _lowered(
    context: ConnectContext, elastic: Elastic, barriers: list[_Barrier]
) -> Iterator[tuple[float, list[_Barrier]]]:
    """The fraction done, and the barriers as they are; at 1, as they stay."""
    why = _fixed(context)
    for barrier in barriers:
        while not (why or np.isfinite(barrier.bound) or barrier.restarts == RESTARTS):
            barrier.restart()
            whole = paths.at(barrier.best.string.points, np.linspace(0, 1, USUAL))
            found = _judged(context, barrier, _off_line(context, barrier, whole))
            if np.isfinite(found.upper):
                barrier.best, barrier.off = found, 0.0
        if barrier.is_tight:
            barrier.status = "TIGHT"
        elif why or not np.isfinite(barrier.bound):
            barrier.status, barrier.reason = (
                "KEPT",
                why or (f"the loss is not finite on its path, nor on {RESTARTS} off it"),
            )
    while going := [barrier for barrier in barriers if not barrier.status]:
        yield float(np.mean([barrier.spent for barrier in barriers])), barriers
        most = _room(context, barriers)
        if most < BEADS[0]:
            for barrier in going:
                barrier.status = "BUDGET" if barrier.grad_evals else "KEPT"
                barrier.reason = f"compute.memory holds less than {BEADS[0]} beads and what "
                barrier.reason += "lowers them, beside the path"
            break
        cuts = [_highest_stretch(context, barrier, most) for barrier in going]
        sizes = [trees.count(middle) for _, middle, _ in cuts]
        for size in sorted(set(sizes)):
            mine = [n for n, beads in enumerate(sizes) if beads == size]
            some = [going[n] for n in mine]
            keys = [key_data(context.problem.seed, "barrier", b.a, b.b, b.grad_evals) for b in some]
            rates = np.array([barrier.rate for barrier in some])
            bands = elastic.start(trees.stack([cuts[n][1] for n in mine]), np.stack(keys), rates)
            while elastic.going(bands):
                began = time.perf_counter()
                bands = elastic.advance(bands)
                for barrier in some:
                    barrier.seconds += (time.perf_counter() - began) / len(some)
                yield float(np.mean([barrier.spent for barrier in barriers])), barriers
            # of a metric without a gradient, the training loss's says nothing
            unsettled = (
                elastic.unsettled(bands)
                if context.landscape.train_objective
                else np.zeros(len(some))
            )
            for number, (n, barrier) in enumerate(zip(mine, some, strict=True)):
                left, _, right = cuts[n]
                moved = trees.take(bands.points, number)
                points = trees.concatenate([left, moved, right])
                barrier.grad_evals += STEPS * size
                barrier.band = max(barrier.band or 0, size)
                gradient = float(bands.gradient[number])
                barrier.gradient = gradient if np.isfinite(gradient) else None
                is_held = bool(bands.across[number] <= HELD)
                _accept(context, barrier, points, is_held, float(unsettled[number]))
    yield 1, barriers


def _accept(
    context: ConnectContext,
    barrier: _Barrier,
    points: trees.Params,
    is_held: bool,
    unsettled: float,
) -> None:
    """Keep a lowered path if it is lower, and say whether to go on."""
    before, barrier.off = barrier.bound, 0.0
    if not paths.finite_beads(points).all():
        barrier.status, barrier.reason = "KEPT", "beads of the band became non-finite"
        return
    found = _judged(context, barrier, points)
    barrier.seconds += found.string.seconds
    is_kept = found.upper <= before  # equal where another peak is as high
    if is_kept:
        barrier.best = found
    between = max(barrier.bound - _highest_bead(found), 0.0)
    is_still = before - barrier.bound < barrier.allowed
    if barrier.is_tight:
        barrier.status = "TIGHT"
    elif is_still and is_held and barrier.restarts < RESTARTS:
        barrier.restart()
    elif is_still and between + unsettled <= barrier.allowed:
        barrier.status = "CONVERGED"
    elif barrier.grad_evals >= GRADIENTS:
        barrier.status = "BUDGET"
        barrier.reason = (
            f"its last cycle lowered it by {before - barrier.bound:.2g}; it is {between:.2g} above "
            f"its highest bead, which may change by {unsettled:.2g} along its gradient"
        )
    else:
        barrier.is_coarse = is_still and unsettled <= barrier.allowed
        barrier.rate *= 1 if is_kept else SLOWER


def _off_line(context: ConnectContext, barrier: _Barrier, band: trees.Params) -> trees.Params:
    """A band whose middle is off its line, by barrier.off of its length, in a random direction."""
    key = key_data(context.problem.seed, "barrier", barrier.a, barrier.b, "off", barrier.restarts)
    shape = np.sin(np.pi * np.linspace(0, 1, trees.count(band)))
    shape[-1] = 0  # the end stays bit for bit
    away = trees.random_move(trees.take(band, 0), barrier.off * paths.length(band), key)
    return {
        name: (leaf + np.multiply.outer(shape, away[name])).astype(leaf.dtype)
        for name, leaf in band.items()
    }


def _highest_bead(path: Connection) -> float:
    places = paths.bead_places(path.string.points)
    return float(np.interp(places, *path.certificate.profile.T).max())


def _highest_stretch(context: ConnectContext, barrier: _Barrier, most: int) -> tuple[Any, Any, Any]:
    """A path cut in three: the beads before, a band of its highest stretch, of `most` beads at the
    most, and the beads after.

    The stretch is around the maximum, where the loss is above that of the ends; above half the
    height where the maximum is between two beads, so that there are more of them; where nothing
    else is left to do, above that of the highest bead less what the maximum is above it.
    """
    points, certificate = barrier.best.string.points, barrier.best.certificate
    at, (where, loss) = paths.bead_places(points), certificate.profile.T
    highest, above = _highest_bead(barrier.best), barrier.bound - barrier.floor
    between, cut = barrier.bound - highest, barrier.floor
    if barrier.is_coarse:
        cut = max(cut, highest - between)
    elif trees.count(points) > 2 and between > BETWEEN * above:
        cut += above / 2
    low = where[(where < certificate.max_at) & (loss <= cut)]
    high = where[(where > certificate.max_at) & (loss <= cut)]
    start, stop = low.max(initial=0.0), high.min(initial=1.0)
    ends = paths.at(points, np.array([start, stop]))
    inside = trees.take(points, (at > start) & (at < stop))
    first, last = (trees.take(ends, slice(n, n + 1)) for n in (0, 1))
    stretch = trees.concatenate([first, inside, last])
    enough = next((n for n in BEADS if n >= max(USUAL, trees.count(stretch))), BEADS[-1])
    beads = max(n for n in BEADS if n <= min(enough, most))
    band = paths.at(stretch, np.linspace(0, 1, beads))
    if barrier.off:
        band = _off_line(context, barrier, band)
    return trees.take(points, at < start), band, trees.take(points, at > stop)


def _held(landscape: Landscape) -> int:
    """How many beads the share of the memory for barriers holds."""
    itemsize = max(shape.dtype.itemsize for shape in landscape.shapes.values())
    return devices.memory() // SHARE_OF_BANDS // (trees.size(landscape.shapes) * itemsize)


def _fixed(context: ConnectContext) -> str:
    """Why barriers cannot be lowered; nothing if they can."""
    landscape = context.landscape
    if landscape.train_objective is None and jax.tree.leaves(landscape.carry):
        return "the metric has no gradient, and the training loss needs a state that is carried on"
    return ""


def _started(context: ConnectContext, a: int, b: int, align: Align | None) -> _Barrier:
    """The lowest path known between the deepest snapshots of two models, or the straight one; the
    second permuted as it is on that path."""
    run = context.run
    minima = topology.leaves(run.models())
    levels = minima[a].level, minima[b].level
    first, second = (
        context.end_points.params(model, level) for model, level in zip((a, b), levels, strict=True)
    )
    how = context.problem.evaluate, context.level_spec(max(levels))
    rows = [row for row in run.rows() if (row.a, row.b, row.align) == (a, b, align)]
    _, found = topology.direct(minima, rows, run.snapshots()).get((a, b), (None, None))
    row = found if isinstance(found, StringRecord) else None
    matched_at, change = None, Change({}, {})
    if align is not None:
        both = {*context.end_points.levels(a)} & {*context.end_points.levels(b)}
        matched_at = min(both) if row is None else row.level
        change = context.alignments.change(align, matched_at, (a, b))
    line = paths.straight(first, change.of(second))
    best, origin = judge(String(f"{a}-{b}", line), *how), "straight"
    if row is not None:
        known = judge(String(f"{a}-{b}", _through(context, row, levels, change)), *how)
        if known.upper < best.upper:
            best, origin = known, f"{row.set} at {row.level:g}"
    return _Barrier(a, b, levels, best, best.upper, origin, align, matched_at)


def _judged(context: ConnectContext, barrier: _Barrier, points: trees.Params) -> Connection:
    string = String(f"{barrier.a}-{barrier.b}", points)
    return judge(string, context.problem.evaluate, context.level_spec(max(barrier.levels)))


def _through(
    context: ConnectContext, row: StringRecord, levels: tuple[float, float], change: Change
) -> trees.Params:
    """A connection's string, from deepest snapshot to deepest snapshot by the models' own paths,
    the second's changed as its end is."""
    run = context.run
    string, _, _ = run.load_connection(row)
    sides = []
    for model, deepest in zip((row.a, row.b), levels, strict=True):
        down = []
        for record in run.snapshots():
            if record.model == model and deepest < record.level <= row.level:
                points, _, _ = run.load_path(run.snapshot_file(model, record.level))
                down.append(trees.take(points, slice(1, None)))
        sides.append(down)
    up = [trees.take(part, slice(None, None, -1)) for part in reversed(sides[0])]
    joined = trees.concatenate([*up, string, *map(change.of_path, sides[1])])
    return {name: leaf.astype(string[name].dtype) for name, leaf in joined.items()}


def _save(context: ConnectContext, barrier: _Barrier) -> None:
    profile = barrier.best.certificate.profile
    known = barrier.best.record() | {
        "a": barrier.a,
        "b": barrier.b,
        "level_a": barrier.levels[0],
        "level_b": barrier.levels[1],
        "start": barrier.start if np.isfinite(barrier.start) else None,
        "origin": barrier.origin,
        "gradient": barrier.gradient,
        "band": barrier.band,
        "restarts": barrier.restarts,
        "grad_evals": barrier.grad_evals,
        "seconds": round(barrier.seconds, 3),
        "status": barrier.status,
        "reason": barrier.reason,
        "align": barrier.align,
        "matched_at": barrier.matched_at,
    }
    record = BarrierRecord(**{key: known[key] for key in names(BarrierRecord)})
    file = context.run.barrier_file(barrier.a, barrier.b, barrier.align)
    context.run.save_path(file, record, barrier.best.string.points, profile)
