"""Several devices of one machine, by eight of XLA's host devices: models side by side, and one
model's parameters spread."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json
import jax, numpy as np, optax
from landscape.core import devices, trees
from landscape.core.devices import each
from landscape.core.keys import key_data
from landscape.core.landscape import bind
from landscape.search.descend import Descender
from landscape.tasks.polynomial import polynomial

def descended(**how):
    devices.configure(**how)
    task = polynomial(coefficients=(0.1, 0.25, 0.5), hidden=(32, 64), points=50, test_points=50)
    landscape = bind(task, "mae")
    descender = Descender(landscape, optax.adam(1e-2), check_every=10, max_steps=30)
    keys = np.stack([key_data("models", model) for model in range(5)])
    params = each(lambda key: landscape.init(jax.random.wrap_key_data(key)))(keys)
    state = descender.start(params, keys, np.full(5, 1e-9))
    while descender.going(state).any():
        state = descender.advance(state)
    held = each(lambda p: p).hold(params)
    biggest = max(held.items.values(), key=lambda leaf: leaf.size)
    parts = biggest.size // biggest.addressable_shards[0].data.size
    return state.settled().arrays()["params"], parts

def apart(one, other):
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)

found = {"devices": len(jax.devices())}
for strategy in ("map", "vmap"):
    alone, _ = descended(strategy=strategy, devices=1)
    found[strategy] = {}
    for name, how in (("all", {}), ("8", {"spread": True}), ("3", {"spread": True, "devices": 3})):
        params, parts = descended(strategy=strategy, **how)
        found[strategy][name] = [apart(alone, params), parts]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    eight = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    done = subprocess.run([sys.executable, "-c", CODE], env=eight, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_models_side_by_side_are_the_same_bit_for_bit(found):
    assert found["devices"] == 8
    assert found["map"]["all"] == [0.0, 8]


@pytest.mark.parametrize("strategy", ["map", "vmap"])
def test_a_model_that_is_spread_is_the_same_within_rounding(found, strategy):
    apart, parts = found[strategy]["8"]
    assert apart < 2e-4, "Adam's steps are 1e-2 each"
    assert parts == 8, "each device has its part of the largest array"


@pytest.mark.parametrize("strategy", ["map", "vmap"])
def test_what_does_not_divide_is_on_each_device(found, strategy):
    apart, parts = found[strategy]["3"]
    assert apart < 2e-4 and parts == 1
