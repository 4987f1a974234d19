"""Second derivatives against dense ones, SciPy's, and landscapes whose curvature is known."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.sparse.linalg import LinearOperator, eigsh

from landscape.core import devices
from landscape.core.landscape import bind
from landscape.core.task import energy_task
from landscape.measures.curvature import classify_peak, curvatures
from landscape.measures.hessian import (
    SHARE_OF_BASIS,
    Hessian,
    lanczos_steps,
)
from landscape.measures.spectrum import spectrum, whole_spectrum
from landscape.tasks.digits import digits
from landscape.tasks.polynomial import polynomial
from tests.analytic import double_well_energy, ring_energy

KEY = np.array([1, 2], np.uint32)


def small(task, metric="loss"):
    """A landscape, a point of it, its dense Hessian, and how to flatten."""
    landscape = bind(task, metric)
    params = jax.device_get(landscape.init(jax.random.key(0)))
    flat, unravel = ravel_pytree(params)
    dense = np.asarray(jax.hessian(lambda x: landscape.level(unravel(x)))(flat))
    return landscape, {name: leaf[None] for name, leaf in params.items()}, dense, unravel


@pytest.fixture
def network(float64):
    return small(polynomial(coefficients=(0.1, 0.25, 0.5), points=300, loss="mse"))


def test_products_are_the_dense_ones(network):
    landscape, point, dense, _ = network
    hessian = Hessian(landscape)
    vector = hessian.probes(1, KEY)
    found = hessian.products(point, vector)
    np.testing.assert_allclose(found[0], dense @ vector[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(next(hessian.matrices(point)), dense, rtol=1e-9, atol=1e-12)


def test_eigenvalues_are_the_dense_ones_and_scipys(network):
    landscape, point, dense, _ = network
    hessian = Hessian(landscape)
    found = curvatures(hessian, point, 60, KEY)
    smallest, largest = found.extremes.values[0]
    wanted = np.linalg.eigvalsh(dense)[[0, -1]]
    np.testing.assert_allclose([smallest, largest], wanted, rtol=1e-4, atol=1e-4 * wanted[1])

    def product(v):
        return hessian.products(point, v.reshape(1, -1))[0]

    operator = LinearOperator(dense.shape, matvec=product, dtype=float)  # type: ignore[call-arg]
    both = np.sort(np.asarray(eigsh(operator, 2, which="BE", return_eigenvectors=False)))
    np.testing.assert_allclose([smallest, largest], both, rtol=1e-4, atol=1e-4 * float(both[-1]))
    gradient = np.asarray(
        jax.grad(landscape.level)({n: x[0] for n, x in point.items()})["Dense_0.kernel"]
    )
    assert found.gradient[0] >= np.linalg.norm(gradient)


def test_a_spectrum_has_the_mass_and_the_moments(network):
    landscape, point, dense, _ = network
    hessian = Hessian(landscape)
    two = {name: np.concatenate([leaf, 1.1 * leaf]) for name, leaf in point.items()}
    both = spectrum(hessian, two, 40, 64, KEY)
    assert both.nodes.shape == both.weights.shape == (2, 64, len(dense)) and both.trace.shape == (
        2,
    )
    nodes, weights = both.nodes[0], both.weights[0]
    np.testing.assert_allclose(both.weights.sum(axis=2), 1, rtol=1e-9)
    assert 0 < abs(both.trace[0] - np.trace(dense)) < 4 * both.trace_error[0]
    squares = len(dense) * (weights * nodes**2).sum(axis=1)
    assert abs(squares.mean() - np.sum(dense**2)) < 4 * squares.std() / 8
    for place in (0, 1):
        one = {name: leaf[place : place + 1] for name, leaf in two.items()}
        alone = spectrum(hessian, one, 1, 64, KEY)
        assert alone.trace == pytest.approx(both.trace[place : place + 1])
        assert alone.nodes.shape == (1, 64, 1)
    assert abs(both.trace[1] - both.trace[0]) > 1e-3 * abs(both.trace[0])


def test_a_spectrum_in_parts_of_the_memory_is_the_same(network, monkeypatch):
    landscape, point, _, _ = network
    hessian = Hessian(landscape)
    two = {name: np.concatenate([leaf, 1.1 * leaf]) for name, leaf in point.items()}
    whole = spectrum(hessian, two, 5, 3, KEY)
    held = 2 * 5 * hessian.parameters * 8  # bytes of two operators' vectors: parts of 2 and 1
    monkeypatch.setattr(devices, "memory", lambda: SHARE_OF_BASIS * held)
    parts = spectrum(hessian, two, 5, 3, KEY)
    np.testing.assert_allclose(parts.nodes, whole.nodes, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts.trace, whole.trace, rtol=1e-4)


def test_a_spectrum_of_one_eigenvalue_has_no_gaps():
    """Lanczos ends after one step: what it did not use is neither a node nor a gap."""
    landscape = bind(energy_task(lambda x: 1.5 * jnp.sum(x**2), lambda key: jnp.zeros(5)))
    found = spectrum(Hessian(landscape), {"params": np.ones((1, 5), "f")}, 5, 3, KEY)
    assert found.nodes.shape == found.weights.shape == (1, 3, 5)
    np.testing.assert_allclose(found.nodes, 3, rtol=1e-5)
    np.testing.assert_allclose(found.weights.sum(axis=2), 1, rtol=1e-6)
    assert found.trace == pytest.approx(15, rel=1e-5)


@pytest.mark.parametrize("over", ["Dense_0*", "Dense_1.kernel", "Dense_2*, Dense_0.kernel"])
def test_a_subset_is_a_diagonal_block(network, over):
    landscape, point, dense, _ = network
    hessian = Hessian(landscape, over)
    chosen = np.concatenate(
        [np.full(leaf[0].size, name in hessian.shapes) for name, leaf in point.items()]
    )
    block = dense[np.ix_(chosen, chosen)]
    assert 0 < hessian.parameters == len(block) < len(dense)
    np.testing.assert_allclose(next(hessian.matrices(point)), block, rtol=1e-9, atol=1e-12)
    found, errors = whole_spectrum(hessian, point)
    assert (abs(found.nodes[0, 0] - np.linalg.eigvalsh(block)) <= errors[0] + 1e-14).all()
    assert found.trace[0] == pytest.approx(np.trace(block), rel=1e-12)


def test_a_subset_of_nothing_names_the_arrays(network):
    with pytest.raises(ValueError, match=r"'conv\*' matches none of: Dense_0\.kernel, Dense_1"):
        Hessian(network[0], "conv*")


def test_the_whole_spectrum_of_few_parameters_is_exact(network, monkeypatch):
    landscape, point, dense, _ = network
    hessian = Hessian(landscape)
    two = {name: np.concatenate([leaf, 1.1 * leaf]) for name, leaf in point.items()}
    found, errors = whole_spectrum(hessian, two)
    assert (errors > 0).all() and (errors < 1e-12 * abs(found.nodes).max()).all()
    assert found.nodes.shape == found.weights.shape == (2, 1, len(dense))
    np.testing.assert_allclose(found.nodes[0, 0], np.linalg.eigvalsh(dense), atol=1e-12)
    assert found.trace[0] == pytest.approx(np.trace(dense), rel=1e-12)
    assert found.trace_error.tolist() == [0, 0] and found.weights.sum() == pytest.approx(2)
    assert hessian.is_small(len(dense)) and not hessian.is_small(len(dense) - 1)
    monkeypatch.setattr(devices, "memory", lambda: 0)
    assert not hessian.is_small(len(dense))


def test_differences_of_gradients_at_zero():
    """Half the way between them is a part of ‖θ‖, which is 0."""
    task = energy_task(lambda x: jnp.sum(x**2), lambda key: jnp.zeros(3))
    hessian = Hessian(bind(replace(task, nonsmooth=("loss",))))
    found = hessian.products({"params": np.zeros((1, 3), "f")}, np.ones((1, 3), "f"))
    np.testing.assert_allclose(found, 2, rtol=1e-3)


def test_samples_in_parts_are_all_samples(network, monkeypatch):
    landscape, point, _, _ = network
    hessian = Hessian(landscape)
    vector = hessian.probes(1, KEY)
    whole, value = hessian.products(point, vector), hessian.gradients(point)[0]
    monkeypatch.setattr(devices, "memory", lambda: 8 * 20_000)
    parted = Hessian(landscape)
    np.testing.assert_allclose(parted.products(point, vector), whole, rtol=1e-9, atol=1e-14)
    assert parted.gradients(point)[0] == pytest.approx(value)


def test_a_mean_absolute_error_by_differences(float64):
    """E|θ − y| over uniform y has the second derivative 2·density, which samples' kinks hide."""
    from landscape.core.task import Task

    y = jnp.linspace(-1, 1, 20_001)
    task = Task(
        init=lambda key: jnp.full((1,), 0.3),
        loss=lambda p, carry, batch, key: (jnp.abs(p[0] - batch).mean(), carry),
        metrics={"loss": lambda p, data: jnp.abs(p[0] - data).mean()},
        data={"train": y},
        sample_means=("loss",),
        nonsmooth=("loss",),
    )
    hessian = Hessian(bind(task))
    assert hessian.by == "differences of gradients" and hessian.step == 1e-3
    found = hessian.products({"params": np.array([[0.3]])}, np.array([[2.0]]))
    assert found[0, 0] == pytest.approx(2.0, rel=0.2)


def test_which_function_is_taken():
    error = bind(digits(hidden=(3,)), "error")
    assert Hessian(error).of == "loss" and error.differentiable_level is None
    assert Hessian(bind(polynomial(coefficients=(1,), points=10), "mae")).of == "mae"
    with pytest.raises(ValueError, match="no metric `loss`"):
        Hessian(error._replace(hessian_target=None))


# -- the level set ---------------------------------------------------------------------------------


def at(energy, *points, tangent=(0.3, 1.0)):
    landscape = bind(energy_task(energy, lambda key: jnp.zeros(2)))
    points = np.array(points)
    tangents = np.tile(tangent, (len(points), 1))
    return curvatures(Hessian(landscape), {"params": points}, 10, KEY, {"params": tangents})


def test_the_ring_bends_by_one_over_its_radius(float64):
    found = at(ring_energy, (0.9, 0.0), (1.1, 0.0))
    np.testing.assert_allclose(found.level_curvature, [-1 / 0.9, 1 / 1.1], rtol=1e-9)
    np.testing.assert_allclose(found.normal[:, 0], [-1 / 0.9, 1 / 1.1], rtol=1e-6)
    np.testing.assert_allclose(found.normal[:, 1], 0, atol=1e-6)


def test_normal_curvatures_of_an_ellipsoid(float64):
    scales = jnp.array([1.0, 4.0, 9.0])
    landscape = bind(energy_task(lambda x: 0.5 * jnp.sum(scales * x**2), lambda key: jnp.zeros(3)))
    point, along = {"params": np.array([[2.0, 0, 0]])}, {"params": np.array([[0.0, 1, 0]])}
    found = curvatures(Hessian(landscape), point, 10, KEY, along)
    np.testing.assert_allclose(found.level_curvature, [4 / 2])
    np.testing.assert_allclose(found.normal[0, 2:], [4 / 2, 9 / 2])
    np.testing.assert_allclose(found.extremes.values[0], [1, 9])
    assert (found.extremes.errors[0] > 0).all(), "all unit vectors, but for rounding"


def test_where_the_gradient_is_noise_there_is_no_level_set():
    found = at(ring_energy, (1.0, 0.0), (1.0, 1e-5), (0.9, 0.0))
    assert np.isnan(found.level_curvature).tolist() == [True, True, False]
    assert np.isnan(found.normal).all(1).tolist() == [True, True, False]
    assert np.isfinite(found.extremes.values).all()
    across = at(ring_energy, (0.9, 0.0), tangent=(1.0, 0.0))
    assert np.isnan(across.level_curvature).all() and np.isfinite(across.normal).all()


@pytest.mark.parametrize(
    "point, said",
    [
        ((0.0, 0.03), "near a saddle"),
        ((0.0, 0.0), "near a saddle"),
        ((0.0, 0.4), "on a slope"),
        ((0.7, 0.3), "on a slope"),
        ((1.0, 0.01), "near a minimum"),
    ],
)
def test_a_double_wells_saddle_is_recognised(point, said):
    found = at(double_well_energy, point)
    ends = found.extremes
    assert classify_peak(found.gradient[0], ends.values[0], ends.errors[0], chord=2.0) == said
    if point == (0.0, 0.0):
        assert found.value[0] == 1 and found.extremes.values[0, 0] == pytest.approx(-4)


def test_nothing_is_said_of_what_is_not_a_number():
    assert classify_peak(np.nan, np.zeros(2), np.zeros(2), 1.0) == "unknown"


@pytest.mark.parametrize(
    "smallest, error, gradient, said",
    [
        (-0.05, 0.001, 1e-4, "near a saddle"),  # though it is small beside the largest
        (-0.05, 0.06, 1e-4, "not resolved"),
        (0.001, 0.2, 1e-4, "not resolved"),
        (0.05, 0.06, 1e-4, "near a minimum"),  # not below −1e-4 of the largest
        (-0.05, 1.0, 200.0, "on a slope"),  # whatever the eigenvalue is
    ],
)
def test_what_the_errors_leave_open_is_not_said(smallest, error, gradient, said):
    values, errors = np.array([smallest, 1000.0]), np.array([error, 1e-3])
    assert classify_peak(gradient, values, errors, chord=2.0) == said


def test_the_memory_of_a_large_network_is_bounded(monkeypatch):
    """Ten million parameters: as many Lanczos vectors as fit, and no matrix."""
    monkeypatch.setattr(devices, "memory", lambda: 2**30)
    assert lanczos_steps(10**7, 4, 60) == 2**29 // (4 * 10**7)
    assert lanczos_steps(10**9, 4, 60) == 2
    assert lanczos_steps(20, 4, 60) == 20
