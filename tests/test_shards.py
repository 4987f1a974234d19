"""Several devices of one machine, by eight of XLA's host devices: models side by side, a model's
parameters spread, and both at once."""

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
    descender = Descender(landscape, optax.adam(1e-2), check_every=10, max_steps=120)
    keys = np.stack([key_data("models", model) for model in range(5)])
    params = each(lambda key: landscape.init(jax.random.wrap_key_data(key)))(keys)
    state = descender.start(params, keys, np.zeros(5))
    state.target[:] = state.value * (0, 0.9, 0, 0.5, 0)  # they end at different steps
    parts = []
    while descender.going(state).any():
        state = descender.advance(state)
        if state.held is not None:
            parts = parts_of(state.held)
    held = each(lambda p: p).hold(params)
    state = state.settled()
    return state.arrays()["params"], state.step.tolist(), parts_of(held), parts

def parts_of(held):
    items = held.items.get("params", held.items)
    biggest = max(items.values(), key=lambda leaf: leaf.size)
    models, *own = biggest.addressable_shards[0].data.shape
    return [len(biggest) // models, int(np.prod(biggest.shape[1:]) // np.prod(own))]

def apart(one, other):
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)

found = {"devices": len(jax.devices())}
for strategy in ("map", "vmap"):
    alone, steps, *_ = descended(strategy=strategy, devices=1)
    found[strategy] = {"steps": steps}
    for name, how in (
        ("all", {}), ("8", {"spread": None}), ("3", {"spread": None, "devices": 3}),
        ("2x4", {"spread": 4}), ("3x2", {"spread": 2, "devices": 6}),
    ):
        params, own, *parts = descended(strategy=strategy, **how)
        found[strategy][name] = [apart(alone, params), own == steps, *parts]
try:
    devices.configure(spread=3)
except ValueError as error:
    found["refused"] = str(error)
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
    assert found["map"]["all"][:3] == [0.0, True, [8, 1]]
    assert len(set(found["map"]["steps"])) > 2, "models end at different steps"


@pytest.mark.parametrize("strategy", ["map", "vmap"])
@pytest.mark.parametrize(
    ("name", "parts"),
    [("8", [1, 8]), ("2x4", [2, 4]), ("3x2", [3, 2])],
)
def test_a_model_that_is_spread_is_the_same_within_rounding(found, strategy, name, parts):
    apart, same_steps, placed, moved = found[strategy][name]
    assert apart < 2e-4 and same_steps, "Adam's steps are 1e-2 each"
    assert placed == parts, "each device has its part of the largest array, of its models"
    assert moved == parts, "and keeps it from call to call"


@pytest.mark.parametrize("strategy", ["map", "vmap"])
def test_what_does_not_divide_is_on_each_device(found, strategy):
    apart, same_steps, placed, _ = found[strategy]["3"]
    assert apart < 2e-4 and same_steps and placed == [1, 1]


def test_devices_that_cannot_be_shared_out_are_the_users_mistake(found):
    assert found["refused"] == "8 devices cannot be shared out 3 to a network"
