"""Eigenvalues of matrices whose spectra are known: the truth is within the error, always."""

import numpy as np
import pytest

from landscape.measures.lanczos import (
    BUDGET,
    CLOSE,
    CONVERGED,
    ENDS,
    LARGEST,
    NON_FINITE,
    ROUNDING,
    chosen,
    exact,
    lanczos,
    largest,
)

BULK = np.concatenate([np.linspace(0, 2, 96), [-0.05, -0.04, -0.03]])


class Known:
    """A matrix of known eigenvalues in a random basis, as an operator in a type."""

    def __init__(self, eigenvalues, dtype: type = float, seed=0):
        self.random = np.random.default_rng(seed)
        self.eigenvalues = np.sort(eigenvalues)
        size = len(eigenvalues)
        basis = np.linalg.qr(self.random.normal(size=(size, size)))[0].astype(np.longdouble)
        # orthogonal to more digits than the type has, or the matrix has other eigenvalues (Björck
        # and Bowie 1971, the first order)
        basis = basis @ (3 * np.eye(size) - basis.T @ basis) / 2
        matrix = (basis * self.eigenvalues) @ basis.T
        self.matrix = ((matrix + matrix.T) / 2).astype(dtype)
        self.rounding = 10 * float(np.finfo(dtype).eps)

    def product(self, vectors):
        return vectors @ self.matrix

    def start(self, count=1):
        rows = self.random.normal(size=(count, len(self.matrix)))
        return rows.astype(self.matrix.dtype)

    def lanczos(self, steps, until=ENDS, count=1):
        return lanczos(self.product, self.start(count), steps, self.rounding, until)

    def top(self, count, steps):
        first = self.lanczos(steps)
        starts = [self.start() for _ in range(count - 1)]
        return largest(self.product, first, starts, steps, self.rounding)


@pytest.mark.parametrize("top", [1e3, 1e6])
def test_a_slightly_negative_eigenvalue_beside_a_large_one(top):
    known = Known([top, *BULK])
    found = known.lanczos(80).eigenvalues(*ENDS)
    assert found.statuses.tolist() == [[CONVERGED, CONVERGED]] and found.products < 80
    assert (found.errors <= CLOSE * abs(found.values)).all()
    assert (abs(found.values - [[-0.05, top]]) <= found.errors).all()
    assert found.values[0, 0] == pytest.approx(-0.05, rel=1e-6)


def test_too_few_steps_are_told():
    """The value is wrong by a quarter of itself, and its error says so."""
    found = Known([1e3, *BULK]).lanczos(20).eigenvalues(*ENDS)
    assert found.statuses.tolist() == [[BUDGET, CONVERGED]]
    assert 1e-3 < abs(found.values[0, 0] + 0.05) <= found.errors[0, 0]


def test_what_rounding_hides_is_told():
    known = Known([1e6, *BULK], np.float32)
    found = known.lanczos(100).eigenvalues(*ENDS)
    assert found.statuses.tolist() == [[ROUNDING, CONVERGED]] and found.products < 100
    assert found.errors[0, 0] >= known.rounding * 1e6 > abs(found.values[0, 0])
    assert abs(found.values[0, 0] + 0.05) <= found.errors[0, 0]


def spectra(random):
    """Of every kind: spread, clustered, graded, an outlier of any size, few distinct, one."""
    size = int(random.integers(2, 120))
    normal = random.normal(size=size)
    outlier = np.append(0.01 * normal, 10 ** random.uniform(0, 6))
    few = random.choice([-0.1, 0.0, 1.0, 5.0], size=size)
    return normal, normal**5, np.linspace(-1, 1, size) ** 3, outlier, few, np.full(size, 3.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_truth_is_within_the_error(dtype):
    random = np.random.default_rng(1)
    for seed in range(25):
        for eigenvalues in spectra(random):
            known, steps = Known(eigenvalues, dtype, seed), int(random.integers(1, 80))
            found = known.lanczos(steps, count=3).eigenvalues(*ENDS)
            wrong = abs(found.values - known.eigenvalues[[0, -1]])
            assert (wrong <= found.errors).all(), (seed, steps, eigenvalues)
            some = known.top(3, steps)
            truth = known.eigenvalues[::-1][: some.values.shape[1]]
            assert (abs(some.values[0] - truth) <= some.errors[0]).all(), (seed, steps)


def test_multiple_eigenvalues_are_counted_as_often():
    known = Known([5.0, 5.0, 5.0, 5.0, *np.linspace(-1, 2, 96)])
    found = known.top(6, 60)
    truth = [5, 5, 5, 5, 2, known.eigenvalues[-6]]
    np.testing.assert_allclose(found.values[0], truth, rtol=1e-8)
    assert set(found.statuses[0]) == {CONVERGED} and (np.diff(found.values[0]) <= 0).all()
    assert (abs(found.values[0] - truth) <= found.errors[0]).all()


def test_one_eigenvalue_that_is_all_of_them():
    found = Known(np.full(7, 3.0)).top(9, 5)
    assert found.values.shape == (1, 7), "no more than there are"
    np.testing.assert_allclose(found.values, 3, rtol=1e-12)


def test_a_top_eigenvalue_that_was_not_found_is_in_the_errors_of_the_next():
    """Nine close eigenvalues, and steps for none of them."""
    known = Known([*np.linspace(4.9, 5, 9), *np.linspace(-5, 4.8, 91)])
    found = known.top(5, 8)
    assert set(found.statuses[0]) == {BUDGET}
    assert (abs(found.values[0] - known.eigenvalues[:-6:-1]) <= found.errors[0]).all()


def test_with_as_many_steps_as_dimensions_all_is_exact():
    known = Known([1e6, *BULK])
    assert np.allclose(known.lanczos(100, until=()).values, known.eigenvalues, atol=1e-8)
    values, errors = exact([known.matrix], known.rounding)
    assert (abs(values[0] - known.eigenvalues) <= errors[0]).all() and errors[0] < 1e-8
    found = chosen(values, errors, ENDS)
    assert found.statuses.tolist() == [[CONVERGED, CONVERGED]]
    assert found.facts(0, "smallest", "largest")["smallest"] == pytest.approx(-0.05)


def test_what_is_zero_is_known_to_be():
    known = Known(np.zeros(30))
    found = known.lanczos(20).eigenvalues(*ENDS)
    assert found.products == 1 and not found.values.any() and not found.errors.any()
    assert found.statuses.tolist() == [[CONVERGED, CONVERGED]]


def test_an_operator_that_is_not_symmetric_is_told_by_its_error():
    """Products in fewer digits than is said: the error is what is seen, not what is claimed."""
    known = Known([10.0, *BULK])
    noise = 1e-3 * known.random.normal(size=known.matrix.shape) / 10
    known.matrix = known.matrix + noise
    found = known.lanczos(99).eigenvalues(*ENDS)
    assert (abs(found.values - [[-0.05, 10]]) <= found.errors).all()
    assert (found.errors > 1e-4).all() and (found.errors < 1e-2).all()


def test_what_is_not_finite_ends_its_row_alone():
    def product(vectors):
        scales = np.array([[1.0], [np.nan], [2.0]])
        return scales * vectors * np.linspace(1, 2, 40)

    starts = np.random.default_rng(0).normal(size=(3, 40))
    ritz = lanczos(product, starts, 30, 1e-15, ENDS)
    found = ritz.eigenvalues(*ENDS)
    np.testing.assert_allclose(found.values[[0, 2]], [[1, 2], [2, 4]], rtol=1e-3)
    assert np.isnan(found.values[1]).all() and np.isnan(found.errors[1]).all()
    assert found.statuses[1].tolist() == [NON_FINITE, NON_FINITE]
    assert ritz.sizes.tolist()[1] == 0
    more = largest(product, ritz, [starts[::-1]], 30, 1e-15)
    assert more.statuses[1].tolist() == [NON_FINITE] * 2 and more.statuses[0, 1] != NON_FINITE
    values, errors = exact([np.full((2, 2), np.nan), np.eye(2)], 1e-15)
    assert np.isnan(values[0]).all() and np.isnan(errors[0]) and values[1].tolist() == [1, 1]


def test_the_vector_of_an_end_is_an_eigenvector():
    known = Known([7.0, *BULK])
    ritz = known.lanczos(60)
    vector = ritz.vector(LARGEST)[0]
    np.testing.assert_allclose(known.matrix @ vector, 7 * vector, atol=1e-9)
    assert ritz.residuals(LARGEST)[0] < 1e-9
