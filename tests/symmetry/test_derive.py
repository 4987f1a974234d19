"""The permutations of a function from its jaxpr: known answers."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.symmetry.derive import derive
from landscape.symmetry.spec import PermutationSpec
from tests.symmetry.networks import places, sizes

X = jnp.asarray(np.random.default_rng(0).normal(size=(7, 5)), jnp.float32)
IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 4, 2)), jnp.float32)


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


def derived(function, **shapes) -> PermutationSpec:
    return derive(lambda p: function(**p), {n: shape(*s) for n, s in shapes.items()}).spec


def convolved(x, kernel, groups=1):
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )  # fmt: skip


def normed(x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / jnp.sqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-6)


def attended(query, key):
    q, k = (jnp.einsum("ni,ihd->nhd", X, w) for w in (query, key))
    return jnp.einsum("nhd,mhd->hnm", q, k)


def lstm(inputs, recurrent, out):
    def tick(state, fed):
        cell, hidden = state
        enter, new, forget, leave = jnp.split(fed + hidden @ recurrent, 4, axis=-1)
        cell = nn.sigmoid(forget) * cell + nn.sigmoid(enter) * jnp.tanh(new)
        hidden = nn.sigmoid(leave) * jnp.tanh(cell)
        return (cell, hidden), hidden

    rest = jnp.zeros((7, 3))
    return jax.lax.scan(tick, (rest, rest), jnp.stack([X, -X]) @ inputs)[1] @ out


@pytest.mark.parametrize(
    "function, shapes, found",
    [
        (lambda u, v: nn.relu(X @ u) @ v, {"u": (5, 4), "v": (4, 2)}, [{"u[1]", "v[0]"}]),
        (lambda u, v: v @ jnp.tanh(u @ X.T), {"u": (4, 5), "v": (2, 4)}, [{"u[0]", "v[1]"}]),
        (
            lambda u, b, v: nn.gelu(X @ u + b[None]) @ v,
            {"u": (5, 4), "b": (4,), "v": (4, 2)},
            [{"u[1]", "b[0]", "v[0]"}],
        ),
        (
            lambda u, r, v: (X @ u + nn.relu(X @ u @ r)) @ v,  # a residual stream
            {"u": (5, 4), "r": (4, 4), "v": (4, 2)},
            [{"u[1]", "r[0]", "r[1]", "v[0]"}],
        ),
        (
            lambda u, s, v: (normed(X @ u) * s[None]) @ v,
            {"u": (5, 4), "s": (4,), "v": (4, 2)},
            [{"u[1]", "s[0]", "v[0]"}],
        ),
        (
            lambda k, v: nn.relu(convolved(IMAGES, k)).reshape(3, -1) @ v,
            {"k": (3, 3, 2, 4), "v": (64, 2)},
            [{"k[3]", "v[0] in 16 blocks"}],
        ),
        (
            lambda k, v: nn.relu(convolved(IMAGES, k)).transpose(0, 3, 1, 2).reshape(3, -1) @ v,
            {"k": (3, 3, 2, 4), "v": (64, 2)},
            [{"k[3]", "v[0] in runs of 16"}],
        ),
        (
            lambda k, d, v: convolved(convolved(IMAGES, k), d, 4).mean((1, 2)) @ v,  # depthwise
            {"k": (1, 1, 2, 4), "d": (3, 3, 1, 4), "v": (4, 2)},
            [{"k[3]", "d[3]", "v[0]"}],
        ),
        (
            lambda u, v: jnp.concatenate([X @ u, jnp.tanh(X @ u)], 1) @ v,
            {"u": (5, 4), "v": (8, 2)},
            [{"u[1]", "v[0] in 2 blocks"}],
        ),
        (
            lambda u, w, v: jnp.concatenate([X @ u, X @ w], 1) @ v,
            {"u": (5, 3), "w": (5, 4), "v": (7, 2)},
            [{"u[1]", "v[0] from 0 to 2"}, {"w[1]", "v[0] from 3 to 6"}],
        ),
        (
            lstm,
            {"inputs": (5, 12), "recurrent": (3, 12), "out": (3, 2)},
            [{"inputs[1] in 4 blocks", "recurrent[1] in 4 blocks", "recurrent[0]", "out[0]"}],
        ),
        (
            lambda e, u: (e[jnp.array([0, 2, 1])] @ u) @ e.T,  # a tied embedding
            {"e": (6, 4), "u": (4, 4)},
            [{"e[1]", "u[0]", "u[1]"}],
        ),
        (
            lambda q, k: attended(q, k).max(0),
            {"q": (5, 2, 3), "k": (5, 2, 3)},
            [{"q[1]", "k[1]"}, {"q[2]", "k[2]"}],
        ),
        (
            lambda u, v: jax.lax.map(lambda x: nn.relu(x @ u) @ v, X, batch_size=2),
            {"u": (5, 4), "v": (4, 2)},
            [{"u[1]", "v[0]"}],
        ),
        (lambda u, v: jnp.sort(X @ u, axis=1) @ v, {"u": (5, 4), "v": (4, 2)}, [{"u[1]"}]),
    ],
)  # fmt: skip
def test_known_classes(function, shapes, found):
    spec = derived(function, **shapes)
    assert sorted(map(sorted, places(spec))) == sorted(map(sorted, found))


@pytest.mark.parametrize(
    "function, reason",
    [
        (lambda u, v: jnp.cumsum(X @ u, 1) @ v, "cumsum"),
        (lambda u, v: (X @ u)[:, ::-1] @ v, "rev"),
        (lambda u, v: (X @ u * np.arange(4, dtype=np.float32)[None]) @ v, "data"),
        (lambda u, v: jnp.linalg.qr(X @ u)[0] @ v, "no rule"),
        (lambda u, v: (X @ u) @ v + (X @ u).argmax(1)[:, None], "argmax"),
        (lambda u, v: (X @ u) @ v * (X @ u)[:, :1], "cut"),
    ],
)
def test_what_gives_units_an_order_is_told(function, reason):
    spec = derived(function, u=(5, 4), v=(4, 2))
    reasons = {f"{pin.array}[{pin.axis}]": pin.reason for pin in spec.pinned}
    if reason == "cut":  # one unit is not like the others, which still are alike
        assert places(spec) == [{"u[1] from 1 to 3", "v[0] from 1 to 3"}]
    else:
        assert not spec.classes
        assert reason in reasons["u[1]"] or reason in reasons["v[0]"]
    assert reasons["v[1]"] == "a result" and reasons["u[0]"].startswith("data")


def test_constants_that_are_equal_along_an_axis_leave_it_free():
    spec = derived(
        lambda u, v: (X @ u * jnp.full((1, 4), 2.0) + np.ones((7, 4), np.float32)) @ v,
        u=(5, 4), v=(4, 2),
    )  # fmt: skip
    assert sizes(spec) == [4]


def test_the_stack_of_layers_that_a_scan_runs_through_has_an_order():
    spec = derived(
        lambda u, w, v: jax.lax.scan(lambda h, k: (nn.relu(h @ k), 0), X @ u, w)[0] @ v,
        u=(5, 4), w=(3, 4, 4), v=(4, 2),
    )  # fmt: skip
    assert places(spec) == [{"u[1]", "w[1]", "w[2]", "v[0]"}]
    assert {(pin.array, pin.axis): pin.reason for pin in spec.pinned}["w", 0] == "scan"
