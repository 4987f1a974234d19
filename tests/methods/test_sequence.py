"""Several methods, one after the other."""

import jax
import numpy as np
import pytest

from landscape.config.load import ConfigError, config_from, load_config, revised
from landscape.config.naming import set_name
from landscape.core.status import Status
from landscape.methods.sequence import Sequence
from tests.analytic import DOUBLE_WELL_BELOW, RING, search
from tests.test_budget import searched

CURVE = {"method": "bezier", "steps": 60}  # too few to come below the level
SMALL = {"task": {"name": "digits"}, "levels": {"values": [0.5]}}


def test_the_second_begins_from_the_first_ones_path():
    first = search(RING, "bezier", steps=60)["0-1"]
    assert first.status is Status.NOT_FOUND
    found = search(RING, "sequence", methods=[CURVE, "dss"])["0-1"]
    assert found.status is Status.CONNECTED and found.string.turn == 1
    assert found.string.grad_evals > first.string.grad_evals > 0
    begun = next(one for one in found.string.history if len(one.beads) > 2)
    assert len(begun.beads) == first.beads
    alone = search(RING, "dss")["0-1"]
    assert not np.array_equal(alone.string.points["params"][1], found.string.points["params"][1])


def test_what_the_first_connects_the_second_leaves_alone():
    one = search(RING, "dss")["0-1"]
    both = search(RING, "sequence", methods=["dss", "bezier"])["0-1"]
    assert both.string.turn == 0 and both.string.grad_evals == one.string.grad_evals
    assert np.array_equal(both.string.points["params"], one.string.points["params"])


def test_only_those_that_missed_are_handed_on():
    pairs = {
        "0-1": ((1.0, 0.0), (0.995, 0.0998)),  # a straight line is below the level
        "0-2": (RING.a, RING.b),
    }
    found = search(RING, "sequence", pairs, methods=["straight", "dss"])
    assert [found[name].string.turn for name in pairs] == [0, 1]
    assert all(one.status is Status.CONNECTED for one in found.values())


def test_the_last_one_says_how_it_ended():
    found = search(DOUBLE_WELL_BELOW, "sequence", methods=["straight", "constrained"])["0-1"]
    alone = search(DOUBLE_WELL_BELOW, "constrained")["0-1"]
    assert (found.status, found.reason) == (alone.status, alone.reason)


def test_each_has_its_part_of_a_budget():
    energy = RING._replace(energy=lambda x: 1 + 0 * jax.numpy.sum(x))  # nothing leads down
    assert search(energy, "sequence")["0-1"].status is not Status.CONNECTED
    found, cost, _ = searched("sequence", 1800, methods=[{"method": "neb", "steps": 5000}, "dss"])
    assert cost <= 1800 and found.string.turn == 1
    handed = found.string.history[-1]
    assert handed.cost <= 1800 and any(one.cost <= 900 for one in found.string.history)


def test_a_list_of_methods_is_a_sequence():
    config = config_from({**SMALL, "connect": {"method": ["bezier", "dss"]}})
    assert isinstance(config.connect.finder, Sequence)
    assert config.connect.finder.methods == ("bezier", "dss")
    same = config_from({**SMALL, "connect": {"method": "sequence", "methods": ["bezier", "dss"]}})
    assert set_name(same.connect) == set_name(config.connect)
    plain = config_from(SMALL)
    asked = revised(plain, ["connect.method=[bezier, dss]"])
    assert asked.connect == config.connect
    assert revised(asked, ["connect.method=dss"]).connect == plain.connect
    also = config_from({**SMALL, "connect": {"also": [{"method": ["bezier", "dss"]}]}})
    assert also.connect.others[0].finder == config.connect.finder


def test_a_config_with_a_list_is_read_from_a_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("task: {name: digits}\nlevels: {values: [1]}\nconnect: {method: [neb, dss]}\n")
    assert load_config(path).connect.finder == Sequence(methods=("neb", "dss"))


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        (["dss"], "at least 2"),
        (["dss", "dsss"], "unknown method 'dsss'"),
        (["dss", ["bezier"]], "expected"),
        (["dss", "sequence"], "one method"),
        (["dss", {"method": "bezier", "point": 3}], "point"),
        (["dss", {"points": 3}], "one method"),
    ],
)
def test_a_mistake_is_named(methods, said):
    with pytest.raises(ConfigError, match=rf"connect\.methods(?s:.*){said}"):
        config_from({**SMALL, "connect": {"method": methods}})
