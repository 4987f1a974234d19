"""Where the theory proves that no path is below a height: walls between networks.

A search that fails shows nothing. A wall does: every path from one of its sides to the other passes
a place where the loss is at least the wall's height. Two are known (docs/theory.md): the one around
θ = 0 of a deep linear network with ridge and three layers or more, and the first layers of rank one
between two arrangements of two rectified units over two inputs.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy  # its parts are loaded when they are used

from landscape.core.landscape import Landscape
from landscape.core.task import Form
from landscape.core.trees import Params

ANGLES = 360  # of the scan over half a turn
DIRECTIONS = 240  # of the flood, over a whole turn
ALONE = 1e-9  # sin² of the angle between two units, as functions, below which they are one


class LowerBound(NamedTuple):
    """name; height, the least that the highest loss is on any path from one side to the other;
    side: parameters → 1 or −1, 0 on the wall itself; facts: the numbers that the height comes from,
    or lists of them."""

    name: str
    height: float
    side: Callable[[Params], int]
    facts: dict[str, Any]


def barrier_lower_bounds(landscape: Landscape) -> list[LowerBound]:
    """The walls that are known of a landscape; [] for most."""
    form = landscape.form
    if form is None:
        return []
    found = (around_zero(landscape, form), rank_one(landscape, form))
    return [wall for wall in found if wall is not None]


def around_zero(landscape: Landscape, form: Form) -> LowerBound | None:
    """With ridge and K ≥ 3 linear layers of product W̃ = W_K … W_1, F(θ) − F(0) is at least
    Σ f(sᵢ) over the singular values of W̃,

        f(s) = κK s^(2/K) − 2σs + μs²,

    σ the largest singular value of E YXᵀ and μ the smallest eigenvalue of E XXᵀ. f rises to its
    first maximum f(s*) and is positive before; so no path on which the largest singular value
    passes s* is below F(0) + f(s*). None where f only rises: then nothing is lower than F(0).
    With fewer samples than inputs μ is 0, and s* = (κ/σ)^(K/(K−2)).
    """
    depth = len(form.kernels)
    if form.activation != "linear" or form.penalty != "ridge" or not form.kappa or depth < 3:
        return None
    x, y = _data(landscape)
    sigma = float(np.linalg.norm(x.T @ y / len(x), 2))
    mu = max(float(np.linalg.eigvalsh(x.T @ x / len(x))[0]), 0.0)

    def f(s: float) -> float:
        return form.kappa * depth * s ** (2 / depth) - 2 * sigma * s + mu * s * s

    # f' = 2(κ s^(2/K − 1) − σ + μs) is convex: least where κ(1 − 2/K) s^(2/K − 2) = μ
    low = (form.kappa * (1 - 2 / depth) / mu) ** (depth / (2 * depth - 2)) if mu > 0 else np.inf

    def slope(log: float) -> float:
        return form.kappa * np.exp(log * (2 / depth - 1)) - sigma + mu * np.exp(log)

    # without μ f' is zero here, with it still positive; by logarithms, as s* is ~ κ³ at K = 3
    top = (form.kappa / sigma) ** (depth / (depth - 2)) if sigma > 0 else np.inf
    if not 0 < top < low or (mu > 0 and slope(np.log(low)) >= 0):
        return None
    if mu > 0:
        top = float(np.exp(scipy.optimize.brentq(slope, np.log(top), np.log(low))))  # pyright: ignore[reportArgumentType]
    zero = float(np.square(y).sum(1).mean())

    def side(params: Params) -> int:
        product = np.linalg.multi_dot([np.asarray(params[name], float) for name in form.kernels])
        return int(np.sign(np.linalg.norm(product, 2) - top))

    facts = {"F(0)": zero, "sigma": sigma, "mu": mu, "s*": top, "f(s*)": f(top)}
    return LowerBound("around zero", zero + f(top), side, facts)


def rank_one(landscape: Landscape, form: Form) -> LowerBound | None:
    """With two rectified units over two inputs det W_1 changes its sign on every path between two
    networks of which it has another sign; where it is zero the units are multiples of one
    direction u, and the loss at least the least over u of the best second layer over ρ(⟨u, x⟩) and
    ρ(−⟨u, x⟩): `scan` over half a turn of u, and the least of it, by a search around its lowest."""
    inner = landscape.shapes[form.kernels[0]].shape
    if form.activation != "relu" or len(form.kernels) != 2 or inner != (2, 2):
        return None
    x, y = _data(landscape)

    def loss(angle: float) -> float:
        along = x @ np.array([np.cos(angle), np.sin(angle)])
        hidden = np.maximum(np.stack([along, -along], 1), 0)
        outer = np.linalg.lstsq(hidden, y, rcond=None)[0]
        return float(np.square(hidden @ outer - y).sum(1).mean())

    angles = np.pi * np.arange(ANGLES) / ANGLES
    scan = np.array([loss(angle) for angle in angles])
    at, step = float(angles[scan.argmin()]), np.pi / ANGLES
    least = scipy.optimize.minimize_scalar(loss, bounds=(at - step, at + step), method="bounded")
    height = min(float(least.fun), float(scan.min()))  # pyright: ignore[reportAttributeAccessIssue]

    def side(params: Params) -> int:
        return int(np.sign(np.linalg.det(np.asarray(params[form.kernels[0]], float))))

    facts: dict[str, Any] = {"angles": angles.tolist(), "scan": scan.tolist()}
    if not form.kappa:
        facts["pass"] = _pass(x, y)
    return LowerBound("rank one", height, side, facts)


def _pass(x: np.ndarray, y: np.ndarray) -> float:
    """The lowest height at which the best two directions of two rectified units are joined to
    these two swapped, without a penalty: by flooding the torus of directions, a grid of DIRECTIONS
    each way, under the best second layer over each pair.

    The lengths of units are the second layer's, in which the loss is convex; so level sets are
    joined as their directions are. Steps go to the four neighbours, so that none skips the diagonal
    a = b, where there is one unit and the loss jumps up. A unit of length 0 may take any direction;
    there the other is alone, as on the diagonal.
    """
    turns = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    hidden = np.maximum(x @ np.stack([np.cos(turns), np.sin(turns)]), 0)
    gram, along = hidden.T @ hidden / len(x), hidden.T @ y / len(x)
    size, meet = np.diag(gram), along @ along.T
    own = np.diag(meet)
    volume = np.outer(size, size) - gram**2
    gain = own[:, None] * size + size[:, None] * own - 2 * meet * gram
    alone = volume <= ALONE * np.outer(size, size)
    by_one = own / np.where(size > 0, size, 1)  # a unit that no sample switches on explains nothing
    explained = np.where(alone, np.maximum.outer(by_one, by_one), gain / np.where(alone, 1, volume))
    loss = float(np.square(y).sum(1).mean()) - explained
    best = np.unravel_index(loss.argmin(), loss.shape)
    start, goal = (int(best[0]), int(best[1])), (int(best[1]), int(best[0]))
    reached, queue = {start: float(loss[start])}, [(float(loss[start]), start)]
    while True:
        height, at = heapq.heappop(queue)
        if at == goal:
            return height
        for step in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            to = (at[0] + step[0]) % DIRECTIONS, (at[1] + step[1]) % DIRECTIONS
            higher = max(height, float(loss[to]))
            if higher < reached.get(to, np.inf):
                reached[to] = higher
                heapq.heappush(queue, (higher, to))


def _data(landscape: Landscape) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.asarray(leaf, float) for leaf in landscape.data)
    return x, y
