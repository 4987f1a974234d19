"""The path of Theorem 2.4 between two networks with one hidden layer of m ReLU units.

F = E|Y − Φ|² + κ Σᵢ ‖βᵢ‖₁‖wᵢ‖ (Freeman & Bruna 2017, Sec. 2.3.2). From each end the path goes to
the best second layer over its units, to the best m − l of them, each turned by an angle of at most
α, and to l units of an oracle where the second layer has vanished. Its loss is at most max(λ, ε),

    ε = min over l, α of max{e(l), δ_A(m,0), δ_A(m−l,α), δ_B(m,0), δ_B(m−l,α)} + r(α),
    r(α) = α B √(‖Σ_X‖ E|Y|²) + α² B² ‖Σ_X‖ / 4,

e(l) the best loss with l units, δ_W(k, α) that with k of W's own units turned by up to α, B the
larger ‖β‖₁ of the two ends of the piece that turns. These minima cannot be computed: for each
stands the loss of the network that the path visits, an upper bound; the inequality stays true.
docs/theory.md has the derivation, and how r(α) differs from what is printed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy  # its parts are loaded when they are used

from landscape.core.landscape import Landscape
from landscape.core.level import LevelSpec
from landscape.core.task import Form
from landscape.core.trees import Params
from landscape.methods.base import Method
from landscape.methods.constructions.curves import Curve, Piece, constructed, form_of, line, reverse
from landscape.search.state import Problem, Stepper

ANGLES = (0.0, 0.03, 0.1, 0.3)
TURNS = 30  # steps by which kept units are turned
ORACLE_STEPS = 200
STEPS = 20_000
LASSO_GAP = 1e-9


class ReluConstruction(Method):
    """The constructed path between two networks with one hidden layer of ReLU units.

    Its facts: the `bound` max(λ, ε) with λ the higher end's loss, ε and the l and α that it is
    taken at, and each of its terms.

    References:
        Freeman & Bruna 2017, Theorem 2.4.
    """

    name: ClassVar[str] = "relu-construction"
    makes_start: ClassVar[bool] = True
    searches: ClassVar[bool] = False

    def check(self, landscape: Landscape) -> None:
        one_hidden_layer(landscape)

    def bind(self, problem: Problem, level: LevelSpec) -> Stepper:
        return constructed(curve_between(problem.landscape), problem, level, self.max_beads)


def one_hidden_layer(landscape: Landscape) -> Form:
    """The form of a landscape that Theorem 2.4 speaks of. Raises ValueError for any other."""
    form = form_of(landscape, "relu-construction")
    if form.activation != "relu":
        raise ValueError(f"relu-construction needs activation: relu, not {form.activation}")
    if len(form.kernels) != 2:
        hidden = len(form.kernels) - 1
        raise ValueError(
            f"relu-construction needs one hidden layer, not {hidden}: for more the theorem is open"
        )
    if form.kappa and form.penalty != "l1":
        raise ValueError(f"relu-construction needs penalty: l1 or kappa: 0, not {form.penalty}")
    return form


# -- networks with units of length 1 ---------------------------------------------------------------


class Network(NamedTuple):
    """units [m, inputs], rows wᵢ; outer [m, outputs], rows βᵢ."""

    units: np.ndarray
    outer: np.ndarray


@dataclass(frozen=True)
class Loss:
    """The loss over data x [samples, inputs], y [samples, outputs], in float64."""

    x: np.ndarray
    y: np.ndarray
    kappa: float

    def hidden(self, units: np.ndarray) -> np.ndarray:
        return np.maximum(self.x @ units.T, 0)

    def __call__(self, network: Network) -> float:
        residual = self.y - self.hidden(network.units) @ network.outer
        return float(np.square(residual).sum(1).mean()) + self.kappa * path_norm(network)

    @property
    def energy(self) -> float:
        """E|Y|², the loss of zero."""
        return float(np.square(self.y).sum(1).mean())

    def fitted(self, units: np.ndarray, start: np.ndarray) -> Network:
        """The best second layer over units of length 1: a lasso for every output. Never worse
        than `start`, nor than zero, so that what the theorem says holds wherever the solver
        stops."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import Lasso

        hidden = self.hidden(units)
        if not len(units):
            return Network(units, start)
        if self.kappa == 0:
            found = np.linalg.lstsq(hidden, self.y)[0]
        else:
            solver = Lasso(
                self.kappa / 2, fit_intercept=False, precompute=True, tol=LASSO_GAP, max_iter=STEPS
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                found = solver.fit(hidden, self.y).coef_.reshape(self.y.shape[1], -1).T
        tried = [Network(units, outer) for outer in (found, start, np.zeros_like(start))]
        return min(tried, key=self)

    def smooth(self, network: Network) -> tuple[float, Network]:
        """E|Y − Φ|² + ½κ Σᵢ (‖βᵢ‖² + ‖wᵢ‖²) and its gradient: for one output its minima are those
        of the loss, because |β|‖w‖ is the least ½(β² + ‖w‖²) over the rescalings of a unit."""
        units, outer = network
        hidden = self.hidden(units)
        residual = hidden @ outer - self.y
        squares = np.square(units).sum() + np.square(outer).sum()
        value = np.square(residual).sum(1).mean() + self.kappa * squares / 2
        slope = 2 / len(self.x)
        back = (residual @ outer.T) * (hidden > 0)
        gradient = Network(
            slope * back.T @ self.x + self.kappa * units,
            slope * hidden.T @ residual + self.kappa * outer,
        )
        return float(value), gradient

    def descended(self, network: Network) -> Network:
        """A network that conjugate gradients find from this one, with units of length 1 and the
        best second layer over them. Never worse than where it began."""
        cut = network.units.size

        def unpacked(flat: np.ndarray) -> Network:
            units, outer = np.split(flat, [cut])
            return Network(units.reshape(network.units.shape), outer.reshape(network.outer.shape))

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self.smooth(unpacked(flat))
            return value, np.concatenate([leaf.ravel() for leaf in gradient])

        size = np.sqrt(np.maximum(np.linalg.norm(network.outer, axis=1), 1e-3))[:, None]
        start = np.concatenate([(network.units * size).ravel(), (network.outer / size).ravel()])
        options = {"maxiter": ORACLE_STEPS}
        # not L-BFGS-B, whose tiny BLAS calls wait for threads where cores are shared
        found = scipy.optimize.minimize(objective, start, jac=True, method="CG", options=options)
        rescaled = normalised(unpacked(found.x))
        return min([self.fitted(*rescaled), network], key=self)

    def turned(self, kept: Network, alpha: float) -> Network:
        """The network with each unit turned by at most alpha, in `TURNS` projected gradient steps.
        Never worse than where it began."""
        best, units = kept, kept.units
        for step in range(TURNS if alpha and len(units) else 0):
            down = -self.smooth(Network(units, best.outer))[1].units
            down -= (down * units).sum(1, keepdims=True) * units
            longest = np.linalg.norm(down, axis=1).max()
            if not longest:
                break
            units = within(units + down * (alpha / longest / (1 + step / 4)), kept.units, alpha)
            if step % 10 == 9:
                best = min(best, self.fitted(units, best.outer), key=self)
                units = best.units
        return best


def path_norm(network: Network) -> float:
    """Σᵢ ‖βᵢ‖₁‖wᵢ‖."""
    units, outer = network
    return float(np.abs(outer).sum(1) @ np.linalg.norm(units, axis=1))


def normalised(network: Network) -> Network:
    """The same function, of the same loss, with units of length 1; one of length 0 is off."""
    size = np.linalg.norm(network.units, axis=1, keepdims=True)
    first = np.eye(1, network.units.shape[1])
    units = np.where(size > 0, network.units / np.where(size > 0, size, 1), first)
    return Network(units, network.outer * size)


def within(units: np.ndarray, centres: np.ndarray, alpha: float) -> np.ndarray:
    """The units, made of length 1, brought within the angle alpha of the centres."""
    units = units / np.linalg.norm(units, axis=1, keepdims=True)
    along = (units * centres).sum(1, keepdims=True)
    across = units - along * centres
    width = np.linalg.norm(across, axis=1, keepdims=True)
    edge = np.cos(alpha) * centres + np.sin(alpha) * across / np.where(width > 0, width, 1)
    return np.where(np.arctan2(width, along) > alpha, edge, units)


def taken(network: Network, units: np.ndarray) -> Network:
    return Network(network.units[units], network.outer[units])


# -- the networks that the path visits -------------------------------------------------------------


def chosen(loss: Loss, full: Network, count: int) -> tuple[np.ndarray, Network]:
    """`count` of the units, by number, and the best second layer over them: those that matter least
    are left out, half of what is too many at a time."""
    kept = np.flatnonzero(np.abs(full.outer).sum(1))
    own = taken(full, kept)
    while len(kept) > count:
        size = np.sqrt(np.square(loss.hidden(own.units)).mean(0))
        matters = np.argsort(-np.linalg.norm(own.outer, axis=1) * size, kind="stable")
        left = max(count, (len(kept) + count) // 2)
        remain = np.sort(matters[:left])
        kept = kept[remain]
        own = loss.fitted(*taken(own, remain))
    return kept, own


@dataclass(frozen=True)
class Leg:
    """From an end to m − l of its units: the end with units of length 1, the best second layer over
    them, and the kept units, by number, turned."""

    start: Network
    best: Network
    kept: np.ndarray
    turned: Network

    def whole(self) -> Network:
        """All m units, those that were not kept without a second layer."""
        units, outer = self.start.units.copy(), np.zeros_like(self.start.outer)
        units[self.kept], outer[self.kept] = self.turned
        return Network(units, outer)


def remainder(loss: Loss, alpha: float, size: float) -> float:
    """r(α), with ‖Σ_X‖ the largest eigenvalue of E X Xᵀ."""
    spread = float(np.linalg.eigvalsh(loss.x.T @ loss.x / len(loss.x))[-1])
    reach = alpha * size * np.sqrt(spread)
    return float(reach * np.sqrt(loss.energy) + reach**2 / 4)


# -- the path --------------------------------------------------------------------------------------


def curve_between(landscape: Landscape) -> Callable[[Params, Params], Curve]:
    """(θA, θB) → the curve between them, in float64. Raises ValueError as `one_hidden_layer`."""
    form = one_hidden_layer(landscape)
    inner, outer = form.kernels
    x, y = (np.asarray(leaf, np.float64) for leaf in landscape.data)
    loss = Loss(x, y, form.kappa)

    def network(params: Params) -> Network:
        return Network(params[inner].T, params[outer])

    def named(at: Network) -> Params:
        return {inner: at.units.T, outer: at.outer}

    def construct(a: Params, b: Params) -> Curve:
        legs, oracle, facts = _best(loss, network(a), network(b))
        highest = max(loss(network(a)), loss(network(b)))
        facts |= {"lambda": highest, "bound": max(highest, facts["epsilon"])}
        pieces = _pieces(network(a), network(b), *legs, oracle)
        return Curve([Piece(name, lambda t, at=at: named(at(t))) for name, at in pieces], facts)

    return construct


def _best(loss: Loss, a: Network, b: Network) -> tuple[tuple[Leg, Leg], Network, dict[str, float]]:
    """The legs and the oracle at the l and α of the least ε, and ε with its terms."""
    width = len(a.units)
    starts = [normalised(end) for end in (a, b)]
    bests = [loss.fitted(*start) for start in starts]
    pool = loss.fitted(*(np.concatenate(both) for both in zip(*bests, strict=True)))
    found: Any = None
    best = loss.energy  # e(m): fewer units are as many with some off
    for count in sorted({width, *(2**k for k in range(width.bit_length()) if 2**k < width)}):
        oracle = loss.descended(chosen(loss, pool, count)[1])
        best = min(best, loss(oracle))
        picked = [chosen(loss, best, width - count) for best in bests]
        for alpha in ANGLES:
            legs = tuple(
                Leg(start, best, kept, loss.turned(own, alpha))
                for start, best, (kept, own) in zip(starts, bests, picked, strict=True)
            )
            facts = _terms(loss, legs, oracle, count, alpha)
            if found is None or facts["epsilon"] < found[2]["epsilon"]:
                found = legs, oracle, facts
    legs, oracle, facts = found
    return legs, oracle, facts | {"e(m)": best, "epsilon - e(m)": facts["epsilon"] - best}


def _terms(
    loss: Loss, legs: tuple[Leg, ...], oracle: Network, count: int, alpha: float
) -> dict[str, float]:
    facts: dict[str, float] = {"l": count, "alpha": alpha, "e(l)": loss(oracle)}
    remainders = []
    for name, leg in zip("AB", legs, strict=True):
        facts[f"delta_{name}(m, 0)"] = loss(leg.best)
        facts[f"delta_{name}(m - l, alpha)"] = loss(leg.turned)
        size = max(np.abs(leg.best.outer).sum(), np.abs(leg.turned.outer).sum())
        remainders.append(remainder(loss, alpha, float(size)))
    terms = [value for key, value in facts.items() if key.startswith(("e", "delta"))]
    facts["r(alpha)"] = max(remainders)
    facts["epsilon"] = max(terms) + facts["r(alpha)"]
    return facts | {"E|Y|^2": loss.energy}


def _pieces(a: Network, b: Network, from_a: Leg, from_b: Leg, oracle: Network) -> list[Piece]:
    """The oracle's units stand in A's free places, and then in B's: one that is free for both keeps
    its unit, and a place that is free for B alone is empty when A's free places are full, so that
    all others move at once, at constant loss."""
    width, count = len(a.units), len(oracle.units)
    free_a, free_b = (np.setdiff1d(np.arange(width), leg.kept) for leg in (from_a, from_b))
    both = np.intersect1d(free_a, free_b)[:count]
    more = count - len(both)
    places_a = np.concatenate([both, np.setdiff1d(free_a, both)[:more]])
    places_b = np.concatenate([both, np.setdiff1d(free_b, both)[:more]])
    left_a, in_a = _oracle_in(from_a, oracle, places_a)
    left_b, in_b = _oracle_in(from_b, oracle, places_b)

    copied = in_a.units.copy()
    copied[places_b] = oracle.units
    moved = in_b.outer
    return [
        *_out(a, from_a),
        line("oracle units into A's free places", left_a, Network(in_a.units, left_a.outer)),
        line("to the oracle", Network(in_a.units, left_a.outer), in_a),
        line("copies for B's free places", in_a, Network(copied, in_a.outer)),
        line("over to the copies", Network(copied, in_a.outer), Network(copied, moved)),
        line("B's units into their places", Network(copied, moved), in_b),
        line("from the oracle", in_b, Network(in_b.units, left_b.outer)),
        line("oracle units out of B's free places", Network(in_b.units, left_b.outer), left_b),
        *reverse(_out(b, from_b)),
    ]


def _out(end: Network, leg: Leg) -> list[Piece]:
    """From an end to its best m − l units."""
    size = np.linalg.norm(end.units, axis=1, keepdims=True)
    off = size == 0
    scale = np.where(off, 1, size)

    def rescaled(t: float) -> Network:
        return Network(end.units * scale**-t, end.outer * scale**t)

    pieces = [Piece("units to length 1", rescaled)]
    if off.any():
        last = rescaled(1.0)
        still = Network(last.units, leg.start.outer)
        pieces += [line("units that are off", last, still)]
        pieces += [line("units that are off, to length 1", still, leg.start)]
    return [
        *pieces,
        line("best second layer", leg.start, leg.best),
        line("best m - l units", leg.best, leg.whole()),
    ]


def _oracle_in(leg: Leg, oracle: Network, places: np.ndarray) -> tuple[Network, Network]:
    """The end's best m − l units, and the oracle in these places with nothing else in use."""
    whole = leg.whole()
    units, outer = whole.units.copy(), np.zeros_like(whole.outer)
    units[places], outer[places] = oracle
    return whole, Network(units, outer)
