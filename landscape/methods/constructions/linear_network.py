"""The path between any two deep linear networks (Freeman & Bruna 2017, Prop. 2.3).

Φ = W_K … W_1 x with the squared loss, every hidden width above n = min(inputs, outputs); without a
penalty at any depth, with ridge at K = 2. The product of the layers moves on the straight line
between the two products, on which the loss is convex, and the layers are lifted from it; so the
loss is nowhere above the higher end. docs/theory.md has the derivation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import scipy  # its parts are loaded when they are used

from landscape.core.landscape import Landscape
from landscape.core.level import LevelSpec
from landscape.core.task import Form
from landscape.core.trees import Params
from landscape.methods.base import Method
from landscape.methods.constructions.curves import Curve, Piece, constructed, form_of, line, reverse
from landscape.search.state import Problem, Stepper

RANK = 1e-10  # of the largest singular value: what is below is none

Layers = list[np.ndarray]


class LinearNetwork(Method):
    """The constructed path between two deep linear networks.

    The `bound` of its facts is the higher end's loss.

    References:
        Freeman & Bruna 2017, Prop. 2.3.
    """

    name: ClassVar[str] = "linear-network"
    makes_start: ClassVar[bool] = True
    searches: ClassVar[bool] = False

    def check(self, landscape: Landscape) -> None:
        deep_linear(landscape)

    def bind(self, problem: Problem, level: LevelSpec) -> Stepper:
        return constructed(curve_between(problem.landscape), problem, level, self.max_beads)


def deep_linear(landscape: Landscape) -> Form:
    """The form of a landscape that Prop. 2.3 speaks of. Raises ValueError for any other."""
    form = form_of(landscape, "linear-network")
    if len(form.kernels) > 1 and form.activation != "linear":
        raise ValueError(f"linear-network needs activation: linear, not {form.activation}")
    shapes = [landscape.shapes[name].shape for name in form.kernels]
    narrow = min(shapes[0][0], shapes[-1][1])
    for number, shape in enumerate(shapes[:-1], 1):
        if shape[1] <= narrow:
            raise ValueError(
                f"linear-network needs every hidden width above min(inputs, outputs) = {narrow}, "
                f"and hidden layer {number} has {shape[1]}: at that width a level set can fall "
                "apart, as the sign of a determinant then cannot change on it"
            )
    if form.kappa and form.penalty != "ridge":
        raise ValueError(f"linear-network needs penalty: ridge or kappa: 0, not {form.penalty}")
    if form.kappa and len(shapes) > 2:
        raise ValueError(
            f"linear-network with ridge needs two layers, not {len(shapes)}: with more, θ = 0 is a "
            "strict local minimum and the level sets just below its loss fall apart"
        )
    return form


def curve_between(landscape: Landscape) -> Callable[[Params, Params], Curve]:
    """(θA, θB) → the curve between them, in float64. Raises ValueError as `deep_linear`."""
    form = deep_linear(landscape)
    shapes = [landscape.shapes[name].shape for name in form.kernels]
    wide = shapes[0][0] > shapes[-1][1]
    x, y = (np.asarray(leaf, np.float64) for leaf in landscape.data)

    def layers(params: Params) -> Layers:
        """W_1 … W_K of a network with no more inputs than outputs: the other kind transposed."""
        kernels = [params[name] for name in form.kernels]
        return kernels[::-1] if wide else [kernel.T for kernel in kernels]

    def named(own: Layers) -> Params:
        kernels = own[::-1] if wide else [weights.T for weights in own]
        return dict(zip(form.kernels, kernels, strict=True))

    def loss(params: Params) -> float:
        kernels = [params[name] for name in form.kernels]
        penalty = sum(float(np.square(kernel).sum()) for kernel in kernels)
        residual = y - np.linalg.multi_dot([x, *kernels])
        return float(np.square(residual).sum(1).mean()) + form.kappa * penalty

    def construct(a: Params, b: Params) -> Curve:
        make = _balanced if form.kappa else _lifted
        facts = {"bound": max(loss(a), loss(b))}
        pieces = make(layers(a), layers(b))
        return Curve([Piece(name, lambda t, at=at: named(at(t))) for name, at in pieces], facts)

    return construct


# -- rotations -------------------------------------------------------------------------------------


def rotation(a: np.ndarray, b: np.ndarray) -> Callable[[float], np.ndarray]:
    """The curve A exp(t log AᵀB) between two orthogonal matrices of one determinant.

    An orthogonal matrix is normal, so its real Schur form is diagonal but for rotations by an angle
    in the plane of two neighbours; its −1s are even in number, and two of them turn by π.
    """
    form, basis, *_ = scipy.linalg.schur(a.T @ b, output="real")
    skew = np.zeros(len(form))
    planes, single, place = [], [], 0
    while place < len(form):
        if place + 1 < len(form) and abs(form[place + 1, place]) > abs(form[place, place]) * 1e-9:
            planes.append((place, place + 1))
            skew[place] = np.arctan2(form[place + 1, place], form[place, place])
            place += 2
        else:
            single += [place] if form[place, place] < 0 else []
            place += 1
    for first, second in zip(single[::2], single[1::2], strict=True):
        planes.append((first, second))
        skew[first] = np.pi
    left = a @ basis

    def at(t: float) -> np.ndarray:
        turned = left.copy()
        for first, second in planes:
            angle = t * skew[first]
            turned[:, first] = np.cos(angle) * left[:, first] + np.sin(angle) * left[:, second]
            turned[:, second] = np.cos(angle) * left[:, second] - np.sin(angle) * left[:, first]
        return turned @ basis.T

    return at


def completed(columns: np.ndarray) -> np.ndarray:
    """Orthonormal columns [n, r], r < n, completed to a matrix [n, n] of determinant 1."""
    full = np.linalg.qr(np.concatenate([columns, np.eye(len(columns))], 1))[0]
    full[:, : columns.shape[1]] = columns
    full[:, -1] *= np.sign(np.linalg.det(full))
    return full


def _numerical_rank(values: np.ndarray) -> int:
    return int((values > RANK * values.max(initial=0)).sum())


# -- without a penalty, at any depth ---------------------------------------------------------------


class _FullRank:
    """M = U S Vᵀ [m, n], m > n, of rank n, with V and U completed to [m, m] of determinant 1."""

    def __init__(self, matrix: np.ndarray) -> None:
        left, self.values, right = np.linalg.svd(matrix, full_matrices=False)
        sign = np.ones(len(right))
        sign[-1] = np.sign(np.linalg.det(right))
        self.right = right.T * sign
        self.left = completed(left * sign)


def _between(a: np.ndarray, b: np.ndarray) -> Callable[[float], tuple[np.ndarray, np.ndarray]]:
    """t → M(t) and M(t)⁺: from one matrix of full column rank to another through such matrices."""
    one, other = _FullRank(a), _FullRank(b)
    left, right = rotation(one.left, other.left), rotation(one.right, other.right)

    def at(t: float) -> tuple[np.ndarray, np.ndarray]:
        u, v = left(t)[:, : a.shape[1]], right(t)
        s = (1 - t) * one.values + t * other.values
        return (u * s) @ v.T, (v / s) @ u.T

    return at


def _raised(layers: Layers) -> tuple[list[Piece], Layers]:
    """Moves at constant product W_K … W_1 after which W_k … W_1 has full column rank for all k < K.

    Where M_k = W_k … W_1 has not, W_{k+1} first forgets what M_k does not reach; then M_k grows
    into that. Each move is a straight line of one layer.
    """
    here, pieces = list(layers), []
    merged, inverse = np.eye(layers[0].shape[1]), np.eye(layers[0].shape[1])

    def move(number: int, to: np.ndarray, name: str) -> None:
        before = list(here)
        here[number] = to
        pieces.append(line(name, before, list(here)))

    for k in range(len(layers) - 1):
        merged = here[k] @ merged
        u, s, vt = np.linalg.svd(merged)
        rank = _numerical_rank(s)
        if rank < len(vt):
            reached = u[:, :rank] @ u[:, :rank].T
            move(k + 1, here[k + 1] @ reached, f"free layer {k + 2}")
            size = s[:rank].mean() if rank else 1.0
            grown = size * u[:, rank : len(vt)] @ vt[rank:]
            move(k, here[k] + grown @ inverse, f"raise the rank of layer {k + 1}")
            merged = merged + grown
        inverse = np.linalg.pinv(merged)
    return pieces, here


def _lifted(a: Layers, b: Layers) -> list[Piece]:
    """With M_k(t) of full column rank for k < K and M_K(t) the straight line of the products,
    W_{k+1}(t) = M_{k+1}(t) M_k(t)⁺ + Z_{k+1}(t)(I − M_k(t) M_k(t)⁺), Z the straight line."""
    from_a, a = _raised(a)
    from_b, b = _raised(b)
    inputs = a[0].shape[1]
    merged_a, merged_b = _products(a), _products(b)
    inner = [_between(*ends) for ends in zip(merged_a[:-1], merged_b[:-1], strict=True)]

    def product(t: float) -> tuple[np.ndarray, np.ndarray]:
        return (1 - t) * merged_a[-1] + t * merged_b[-1], np.empty((inputs, 0))

    def at(t: float) -> Layers:
        merged = [move(t) for move in [*inner, product]]
        own = [merged[0][0]]
        for (m, inverse), (next_m, _), z_a, z_b in zip(
            merged[:-1], merged[1:], a[1:], b[1:], strict=True
        ):
            z = (1 - t) * z_a + t * z_b
            own.append(next_m @ inverse + z - (z @ m) @ inverse)
        return own

    return [*from_a, Piece("straight product, lifted", at), *reverse(from_b)]


def _products(layers: Layers) -> Layers:
    products = [layers[0]]
    for weights in layers[1:]:
        products.append(weights @ products[-1])
    return products


# -- with ridge, two layers ------------------------------------------------------------------------


def _balanced(a: Layers, b: Layers) -> list[Piece]:
    """Each end walks, at constant product and with falling norms, to a balanced factorisation, and
    turns, at constant loss, to V S^½ Vᵀ and U S^½ Vᵀ in the first units; between these the
    balanced factorisation of the straight product, on which the loss is |Y − W̃X|² + 2κ‖W̃‖_*."""
    from_a, product_a = _to_balance(a)
    from_b, product_b = _to_balance(b)

    def at(t: float) -> Layers:
        return _symmetric((1 - t) * product_a + t * product_b, len(a[0]))

    middle = Piece("straight product, balanced", at)
    return [*from_a, middle, *reverse(from_b)]


def _symmetric(product: np.ndarray, width: int) -> Layers:
    """W_1 = E V S^½ Vᵀ and W_2 = U S^½ Vᵀ Eᵀ, E the embedding into the first of the units."""
    u, s, vt = np.linalg.svd(product, full_matrices=False)
    first = np.zeros((width, len(vt)))
    second = np.zeros((len(u), width))
    first[: len(vt)] = (vt.T * np.sqrt(s)) @ vt
    second[:, : len(vt)] = (u * np.sqrt(s)) @ vt
    return [first, second]


def _to_balance(layers: Layers) -> tuple[list[Piece], np.ndarray]:
    first, second = layers
    product = second @ first
    u, s, _ = np.linalg.svd(first)
    reached = u[:, : _numerical_rank(s)]
    seen = (second @ reached) @ reached.T
    _, s, vt = np.linalg.svd(seen)
    basis = vt[: _numerical_rank(s)].T  # of what the first layer reaches and the second sees
    kept = basis @ (basis.T @ first)
    pieces = [
        line("forget what is not reached", [first, second], [first, seen]),
        line("forget what is not seen", [first, seen], [kept, seen]),
    ]
    if not basis.shape[1]:
        zero = [np.zeros_like(first), np.zeros_like(second)]
        return [*pieces, line("to zero", [kept, seen], zero)], product

    rank = basis.shape[1]
    left, s, vt = np.linalg.svd(product, full_matrices=False)
    left, root, right = left[:, :rank], np.sqrt(s[:rank]), vt[:rank].T
    inner, outer = basis.T @ first, seen @ basis
    # G = P of the polar decomposition S^½ Vᵀ inner⁺ = RᵀP, so that G inner = R S^½ Vᵀ
    rotated, scale, directions = np.linalg.svd((root * right).T @ np.linalg.pinv(inner))
    units = basis @ directions.T @ rotated.T

    def balance(t: float) -> Layers:
        grow = (directions.T * scale**t) @ directions
        shrink = (directions.T * scale**-t) @ directions
        return [basis @ (grow @ inner), (outer @ shrink) @ basis.T]

    target = np.zeros_like(units)
    target[: len(right)] = right
    turn = rotation(completed(units), completed(target))

    def turned(t: float) -> Layers:
        own = turn(t)[:, :rank] * root
        return [own @ right.T, left @ own.T]

    return [*pieces, Piece("balance", balance), Piece("turn", turned)], product
