"""Models run together: the same results whichever way, and never more than asked for."""

import os
import re
import sys

import jax
import numpy as np
import optax
import pytest

from landscape.config.load import ConfigError, load_config
from landscape.core import cores, devices, trees
from landscape.core.devices import each
from landscape.core.keys import key_data
from landscape.core.landscape import bind
from landscape.search.descend import Descender
from landscape.stages.build import build_landscape
from landscape.tasks.polynomial import polynomial
from tests.compiled import compiled

MODELS = 37
TARGET = 0.1


@pytest.fixture
def configure():
    """devices.configure, undone afterwards."""
    yield lambda **how: devices.configure(jax.config.read("jax_enable_x64") * "float64", **how)
    devices.configure()


@pytest.fixture(scope="module")
def landscape():
    return bind(polynomial(coefficients=(0.1, 0.25, 0.5), points=200, test_points=50), "mae")


def come_down(landscape, stop=None):
    """Models with different ways to go, to the end or for so many calls; the descent, the calls,
    and who was on the devices in each."""
    descender = Descender(landscape, optax.adam(1e-2), check_every=10, max_steps=600)
    keys = np.stack([key_data("models", model) for model in range(MODELS)])
    params = each(lambda key: landscape.init(jax.random.wrap_key_data(key)))(keys)
    descent, seen = descender.start(params, keys, np.full(MODELS, TARGET)), []
    while descender.going(descent).any() and stop != len(seen):
        before = descent.step
        descent = descender.advance(descent)
        seen.append(np.flatnonzero(descent.step != before))
    return descent, seen


def assert_alike(one, other, **bounds):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, **bounds)


def test_the_number_of_devices_does_not_matter_bit_for_bit(configure, landscape):
    if len(jax.devices()) < 2:
        pytest.skip("one device: there is no other number to compare it with")
    several, _ = come_down(landscape)
    configure(devices=1)
    alone, _ = come_down(landscape)
    assert_alike(several.arrays(), alone.arrays(), rtol=0)
    assert len(set(several.step)) > 5, "the models should end at different steps"


def test_the_strategy_does_not_matter_within_rounding(configure, landscape):
    configure(strategy="map")
    mapped, _ = come_down(landscape)
    configure(strategy="vmap")
    assert not devices.exact_in_any_batch()
    together, _ = come_down(landscape)
    same = mapped.step == together.step
    assert same.mean() > 0.9  # a last bit may turn one check
    assert_alike(
        trees.take(mapped.params, same), trees.take(together.params, same), rtol=2e-3, atol=2e-4
    )


@pytest.mark.parametrize("strategy", ["map", "vmap"])
def test_a_descent_that_was_put_away_goes_on_exactly(configure, landscape, strategy):
    configure(strategy=strategy)
    whole, calls = come_down(landscape)
    assert len(calls) > 2
    descent, _ = come_down(landscape, stop=2)
    kept = jax.tree.map(np.copy, descent.settled().arrays())
    descender = Descender(landscape, optax.adam(1e-2), check_every=10, max_steps=600)
    again = type(descent)(**kept)
    while descender.going(again).any():
        again = descender.advance(again)
    assert_alike(whole.arrays(), again.arrays(), rtol=0)


def test_what_has_ended_leaves_and_what_waits_comes_in(configure, landscape):
    """Every call is full as long as enough models are going on."""
    configure(strategy="vmap", devices=1)
    bytes_each = 4 * (24 * 3 + 10)
    configure(strategy="vmap", devices=1, memory=devices.SHARE_ON_DEVICE * 8 * bytes_each)
    _, seen = come_down(landscape)
    assert max(map(len, seen)) == 8
    started = [max(who) for who in seen if len(who)]
    assert started == sorted(started), "models come in in their order"
    assert {model for who in seen for model in who} == set(range(MODELS))
    full = [len(who) for who in seen if max(who) < MODELS - 1]
    assert set(full) == {8}


def test_less_memory_means_fewer_at_once_and_the_same_result(configure, landscape):
    configure(strategy="vmap", devices=1)
    _, wide = come_down(landscape)
    configure(strategy="vmap", devices=1, memory=2**12)
    narrow, few = come_down(landscape)
    assert max(map(len, few)) < max(map(len, wide)) == MODELS
    assert (narrow.value <= TARGET).mean() > 0.5


def test_results_come_in_the_order_of_the_items_with_every_strategy(configure):
    items = {"x": np.arange(53.0), "y": np.arange(106.0).reshape(53, 2)}
    for strategy in ("map", "vmap"):
        configure(strategy=strategy)
        run = each(lambda item, scale: {"sum": item["y"].sum() + item["x"] * scale})
        np.testing.assert_allclose(run(items, 3.0)["sum"], items["y"].sum(1) + items["x"] * 3)


@pytest.mark.parametrize(
    ("compute", "said"),
    [
        ("{devices: 999}", r"compute\.devices: 999 devices"),
        ("{devices: 1, spread: 3}", r"compute\.spread: 1 devices cannot be"),
    ],
)
def test_devices_that_are_not_there_or_cannot_be_shared_out_are_the_users_mistake(
    tmp_path, compute, said
):
    config = tmp_path / "c.yaml"
    config.write_text(
        "task: {name: polynomial, coefficients: [1, 2]}\n"
        "levels: {metric: mae, values: [0.1]}\n"
        f"compute: {compute}\n"
    )
    with pytest.raises(ConfigError, match=rf"c\.yaml:3: {said}"):
        build_landscape(load_config(str(config)))
    devices.configure()


def test_processes_that_share_devices_take_memory_as_it_is_needed(monkeypatch):
    name = "XLA_PYTHON_CLIENT_PREALLOCATE"
    monkeypatch.setenv(name, "true")
    devices.configure(shared=True)
    assert os.environ[name] == "true", "as the user has it"
    monkeypatch.delenv(name)
    devices.configure()
    assert name not in os.environ
    devices.configure(shared=True)
    assert os.environ[name] == "false"


def test_cores_are_counted_where_the_platform_says_nothing_of_this_process(monkeypatch):
    for name in ("process_cpu_count", "sched_getaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(sys, "version_info", (3, 11))
    for count, found in ((3, 3), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert cores.usable() == found


def test_fast_matrix_products_are_for_descents_and_not_for_levels(configure):
    """On a CPU both are the same; what is asked of a device is in the program."""
    landscape, found, asked = bind(polynomial(coefficients=(0.5, 1), points=20), "mae"), {}, {}
    for matmul in ("exact", "fast"):
        configure(matmul=matmul)
        assert ("fast" in devices.device_description()) == (matmul == "fast")
        descender = Descender(landscape, optax.adam(1e-2), check_every=10, max_steps=20)
        keys = np.stack([key_data("models", model) for model in range(2)])
        params = each(lambda key: landscape.init(jax.random.wrap_key_data(key)))(keys)
        descent = descender.start(params, keys, np.full(2, TARGET))
        held = descender._advance.hold(descent.arrays())
        program = descender._advance._program(len(held.counts))
        text = program.move.lower(held.items, held.counts, np.int32(1)).as_text()
        asked[matmul] = set(re.findall(r"precision = \[(\w+), \w+\]", text))
        found[matmul] = descender.advance(descent).settled().arrays()
    assert asked == {"exact": {"HIGHEST"}, "fast": {"HIGHEST", "DEFAULT"}}
    for one, other in zip(*map(jax.tree.leaves, found.values()), strict=True):
        assert np.array_equal(one, other)


def test_a_batch_of_any_size_is_of_few_programs(configure):
    """Sizes are powers of four, and at most half of a call is padding."""
    configure(strategy="vmap", devices=1)
    squares, asked = each(lambda x: x**2), []
    put = squares._put

    def watched(items, some):
        held = put(items, some)
        asked.append((len(held.slots), len(items)))
        return held

    squares._put = watched
    with compiled() as programs:
        for count in range(1, 101):
            items = np.arange(float(count), dtype=np.float32)
            assert np.array_equal(squares(items), items**2)
    assert len(programs) == 4
    assert {size for size, _ in asked} == {1, 4, 16, 64}
    assert all(size <= 2 * count for size, count in asked)
