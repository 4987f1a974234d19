"""Lanczos with full reorthogonalisation: eigenvalues of symmetric operators, with their errors.

Operators are given by their products with vectors [n, dimension], n operators at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # its parts are loaded when they are used

Product = Callable[[np.ndarray], np.ndarray]
End = Literal[0, -1]
SMALLEST: End = 0
LARGEST: End = -1
ENDS: tuple[End, End] = (SMALLEST, LARGEST)

CLOSE = 1e-4  # of its own magnitude: the error at which an eigenvalue has converged
MISSED = 1e-3  # the probability that an eigenvalue lies beyond its error
LOOK = 10  # steps between two looks at the eigenvalues
NEWTON = 100  # steps at most; each of them is a bound

CONVERGED = "CONVERGED"  # the error is below CLOSE of the eigenvalue itself
ROUNDING = "ROUNDING"  # it is not, and is what rounding allows
BUDGET = "BUDGET"  # the steps were spent first
NON_FINITE = "NON_FINITE"


@dataclass(frozen=True)
class Eigenvalues:
    """Of n operators k eigenvalues each: values, errors (NaN where products are not finite) and
    statuses [n, k]; products: how many were made of each operator.

    An eigenvalue is within its error of its value, but for a chance of MISSED a Lanczos run.
    """

    values: np.ndarray
    errors: np.ndarray
    statuses: np.ndarray
    products: int

    def facts(self, row: int, *names: str) -> dict[str, float | str]:
        """Of one operator, as columns of records: `name`, `name_error` and `name_status`."""
        found: dict[str, float | str] = {}
        for place, name in enumerate(names):
            found[name] = float(self.values[row, place])
            found[f"{name}_error"] = float(self.errors[row, place])
            found[f"{name}_status"] = str(self.statuses[row, place])
        return found


def joined(parts: Sequence[Eigenvalues]) -> Eigenvalues:
    """Those of several operators; products: of one of them, at most."""
    return Eigenvalues(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.errors for part in parts]),
        np.concatenate([part.statuses for part in parts]),
        max(part.products for part in parts),
    )


def sized(vectors: np.ndarray) -> np.ndarray:
    """The norms [n] of rows, in float64."""
    return np.sqrt(dots(vectors, vectors))


def dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Inner products [n] of rows, in float64."""
    return np.einsum("ij,ij->i", a, b, dtype=float, casting="same_kind")


def units(vectors: np.ndarray) -> np.ndarray:
    """Rows divided by their norms; a row of zeros stays."""
    sizes = sized(vectors)[:, None]
    return (vectors / np.where(sizes > 0, sizes, 1)).astype(vectors.dtype)


def without(vectors: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Rows [n, dimension] less their parts along orthonormal bases [n, m, dimension]."""
    return vectors - (_parts(vectors, basis)[:, None] @ basis)[:, 0]


def _parts(vectors: np.ndarray, basis: np.ndarray) -> np.ndarray:
    # NumPy's matmul of such stacks can warn of invalid values where there are none
    return np.einsum("nij,nj->ni", basis, vectors)


@dataclass(frozen=True)
class Ritz:
    """What Lanczos found of n operators, in m steps at most.

    values [n, m], ascending, and their vectors [n, m, m] in the basis [n, m, dimension], a column a
    value; NaN and 0 in unused places. betas [n, m]: the norms of the remainders. rounding [n]: what
    rounding can do to a value: its part of the largest magnitude, or by how much the operator, as
    computed, is not symmetric within the basis.
    """

    values: np.ndarray
    vectors: np.ndarray
    basis: np.ndarray
    betas: np.ndarray
    rounding: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        return np.isfinite(self.values).sum(axis=1)

    @property
    def weights(self) -> np.ndarray:
        """Squared first components of the vectors [n, m]; the values' weights in the quadrature."""
        return np.where(np.isnan(self.values), np.nan, self.vectors[:, 0] ** 2)

    @property
    def mean(self) -> np.ndarray:
        return np.nansum(self.weights * self.values, axis=1)

    @property
    def spread(self) -> np.ndarray:
        """The standard deviation [n] of the values under the weights."""
        square = np.nansum(self.weights * (self.values - self.mean[:, None]) ** 2, axis=1)
        return np.sqrt(square)

    def residuals(self, end: End) -> np.ndarray:
        """‖Hy − θy‖ [n] of an end's value θ and its vector y."""
        found = np.zeros(len(self.values))
        for row, size in enumerate(self.sizes):
            if size:
                last = self.vectors[row, size - 1, range(size)[end]]
                found[row] = abs(self.betas[row, size - 1] * last) + self.rounding[row]
        return found

    def vector(self, end: End) -> np.ndarray:
        """An end's vectors y [n, dimension]."""
        at = np.where(self.sizes > 0, self.sizes - 1, 0) if end else np.zeros(len(self.values), int)
        chosen = np.take_along_axis(self.vectors, at[:, None, None], axis=2)[:, :, 0]
        return units((chosen[:, None].astype(self.basis.dtype) @ self.basis)[:, 0])

    def eigenvalues(self, *ends: End) -> Eigenvalues:
        """The ends of the spectrum, if the start was a random direction."""
        shape = len(self.values), len(ends)
        values, beyond = np.full(shape, np.nan), np.full(shape, np.nan)
        for row, size in enumerate(self.sizes):
            for place, end in enumerate(ends[: len(ends) * bool(size)]):
                theta = self.values[row, :size]
                values[row, place] = theta[end]
                gaps = abs(theta - theta[end])
                if size < self.basis.shape[2]:
                    beyond[row, place] = _beyond(gaps, self.betas[row, :size], self.basis.shape[2])
                else:
                    beyond[row, place] = 0
        rounding = np.broadcast_to(self.rounding[:, None], shape)
        errors = beyond + rounding
        statuses = judged(values, errors, beyond <= rounding)
        return Eigenvalues(values, errors, statuses, self.values.shape[1])


def judged(values: np.ndarray, errors: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """Statuses of values; rounded: where rounding is most of the error."""
    found = np.where(rounded, ROUNDING, BUDGET)
    found = np.where(errors <= CLOSE * abs(values), CONVERGED, found)
    return np.where(np.isfinite(values), found, NON_FINITE)


def _beyond(gaps: np.ndarray, betas: np.ndarray, dimension: int) -> float:
    """How far beyond an extreme Ritz value an eigenvalue can be, but for a chance of MISSED.

    The last Lanczos vector is p(H)v, with p(t) = Π (t − θⱼ)/βⱼ and a random unit vector v, and has
    norm 1, unless β is 0 and nothing is left. So |p(λ)| ≤ 1/|uᵀv| at an eigenvalue λ with the
    eigenvector u, and |uᵀv| is above δ = MISSED·√(π/(2·dimension)) but for that chance. |p| grows
    beyond the extreme value; Newton's method from the right, in log t, keeps to the right of where
    it is 1/δ.

    References:
        van Dorsselaer, Hochstenbach and van der Vorst, SIAM J. Matrix Anal. Appl. 22 (2000) 837.
    """
    if not betas.all():
        return 0.0
    delta = MISSED * np.sqrt(np.pi / (2 * dimension))
    target = np.log(betas).sum() - np.log(delta)
    gaps = np.log(gaps, out=np.full(len(gaps), -np.inf), where=gaps > 0)
    at = target / len(gaps)
    for _ in range(NEWTON):
        terms = np.logaddexp(at, gaps)
        step = (terms.sum() - target) / np.exp(at - terms).sum()
        at -= step
        if step < 1e-3:
            break
    return float(np.exp(at))


def lanczos(
    product: Product,
    starts: np.ndarray,
    steps: int,
    rounding: float,
    until: Sequence[End] = (),
) -> Ritz:
    """Lanczos of n operators from n starts [n, dimension].

    Steps below the noise of the products still are Rayleigh–Ritz in a growing basis, so only a
    remainder of 0 ends a row.

    Args:
        product: of all operators, each with its vector.
        steps: at most; as many vectors of each operator are held.
        rounding: of a product, relative to the operator's norm.
        until: ends; where each has converged, or has no error but rounding, no more steps are made.
    """
    count, dimension = starts.shape
    steps = min(steps, dimension)
    nothing = np.finfo(starts.dtype).eps ** 2
    basis = np.zeros((count, steps, dimension), starts.dtype)
    alphas, betas = np.zeros((count, steps)), np.zeros((count, steps))
    projected = np.zeros((count, steps, steps))
    sizes = np.full(count, steps)
    vector = units(starts)
    for k in range(steps):
        basis[:, k] = vector
        so_far = basis[:, : k + 1]
        rest = product(vector)
        projected[:, : k + 1, k] = _parts(rest, so_far)
        alphas[:, k] = projected[:, k, k]
        for _ in range(2):  # once leaves what rounding leaves; twice is enough (Parlett)
            rest = without(rest, so_far)
        betas[:, k] = sized(rest)
        magnitude = abs(alphas[:, : k + 1]).max(axis=1) + betas[:, : k + 1].max(axis=1)
        lost = ~np.isfinite(magnitude)
        sizes = np.where((sizes == steps) & lost, 0, sizes)
        ended = betas[:, k] <= nothing * magnitude
        sizes = np.where((sizes == steps) & ended, k + 1, sizes)
        going = sizes == steps
        last = k + 1 == steps or not going.any()
        if last or (until and (k + 1) % LOOK == 0):
            used = np.s_[:, : k + 1]
            square = projected[:, : k + 1, : k + 1]
            found = _ritz(alphas[used], betas[used], so_far, square, sizes, rounding)
            if last or _settled(found, until):
                return found
        vector = np.where(going[:, None], units(rest), 0)
        if (betas[:, k] <= rounding * magnitude).any():
            vector = units(without(vector, so_far))
    raise AssertionError("unreachable")


def _settled(ritz: Ritz, ends: Sequence[End]) -> bool:
    return bool((ritz.eigenvalues(*ends).statuses != BUDGET).all())


def _ritz(
    alphas: np.ndarray,
    betas: np.ndarray,
    basis: np.ndarray,
    projected: np.ndarray,
    sizes: np.ndarray,
    rounding: float,
) -> Ritz:
    count, steps = alphas.shape
    values, vectors = np.full((count, steps), np.nan), np.zeros((count, steps, steps))
    noise = np.full(count, np.nan)
    for row in range(count):
        size = min(sizes[row], steps)
        if not size:
            continue
        off = betas[row, : size - 1]
        found = scipy.linalg.eigh_tridiagonal(alphas[row, :size], off)
        values[row, :size], vectors[row, :size, :size] = found
        asymmetry = np.triu(projected[row, :size, :size], 1) - np.diag(off, 1)
        noise[row] = max(rounding * abs(found[0]).max(), np.linalg.norm(asymmetry, 2))
    return Ritz(values, vectors, basis, betas, noise)


def largest(
    product: Product, first: Ritz, starts: Sequence[np.ndarray], steps: int, rounding: float
) -> Eigenvalues:
    """The largest eigenvalues of n operators in descending order, counted with multiplicity: the
    first one's and one a start [n, dimension], by Lanczos on what the vectors so far leave.

    Leaving out a vector with the residual r is an error ‖r‖ of the operator, orthogonal ones add as
    squares; no eigenvalue moves by more (Weyl). Of the vectors' values and the rest, the j-th
    eigenvalue is at most the largest of the rest, and at least the least of the first j values.
    """
    shape = first.basis.shape
    found: list[Eigenvalues] = []
    locked = np.zeros((shape[0], 0, shape[2]), first.basis.dtype)
    squares, lowest = np.zeros(shape[0]), np.full(shape[0], np.inf)
    spent = np.zeros(shape[0], bool)
    for rank in range(min(1 + len(starts), shape[2])):
        ritz = first
        if rank:
            ritz = lanczos(
                lambda v: without(product(v), locked),  # noqa: B023  called before it changes
                without(starts[rank - 1], locked),
                min(steps, shape[2] - rank),
                rounding,
                (LARGEST,),
            )
        own = ritz.eigenvalues(LARGEST)
        value, spent = own.values[:, 0], spent | (own.statuses[:, 0] == BUDGET)
        lowest = np.minimum(lowest, value)
        errors = own.errors[:, 0] + (value - lowest) + np.sqrt(squares)
        statuses = judged(lowest, errors, ~spent)
        columns = lowest[:, None], errors[:, None], statuses[:, None]
        found.append(Eigenvalues(*columns, own.products))
        squares = squares + ritz.residuals(LARGEST) ** 2
        vector = units(without(ritz.vector(LARGEST), locked))
        locked = np.concatenate([locked, vector[:, None]], axis=1)
    values, errors, statuses = (
        np.concatenate([getattr(one, name) for one in found], axis=1)
        for name in ("values", "errors", "statuses")
    )
    return Eigenvalues(values, errors, statuses, sum(one.products for one in found))


def exact(matrices: Iterable[np.ndarray], rounding: float) -> tuple[np.ndarray, np.ndarray]:
    """All eigenvalues [n, dimension] of n matrices, ascending, and what rounding does to them [n],
    as of `Ritz`. NaN where an entry is not finite."""
    values, noise = [], []
    for matrix in matrices:
        found, asymmetry = np.full(len(matrix), np.nan), np.nan
        if np.isfinite(matrix).all():
            found = np.linalg.eigvalsh((matrix + matrix.T) / 2)
            asymmetry = np.linalg.norm(matrix - matrix.T, 2) / 2
        values.append(found)
        noise.append(np.maximum(rounding * abs(found).max(), asymmetry))
    return np.stack(values), np.array(noise)


def chosen(values: np.ndarray, noise: np.ndarray, places: Sequence[int]) -> Eigenvalues:
    """Some of the eigenvalues that `exact` found, in this order."""
    some = values[:, list(places)]
    errors = np.broadcast_to(noise[:, None], some.shape)
    return Eigenvalues(some, errors, judged(some, errors, errors >= 0), values.shape[1])
