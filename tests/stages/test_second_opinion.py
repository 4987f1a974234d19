"""`connect.also`: more path finders, each a set of its own, judged as strictly as the first."""

import pytest

from landscape import connect, open_run
from landscape.config.load import ConfigError, config_from, resolved, revised
from landscape.config.naming import set_name
from landscape.stages.check import TYPICAL_BEADS, check
from landscape.stages.sweep import run as run_whole

TASK = {"task": {"name": "digits"}, "levels": {"values": [1.0]}}
SEVERAL = ["bezier", {"method": "bezier", "steps": 300}]


def config(**keys):
    return config_from({**TASK, "connect": keys})


def test_it_is_other_sets_and_not_part_of_the_first():
    found = config(also=SEVERAL, target=0.9)
    assert set_name(found.connect) == set_name(config(target=0.9).connect)
    first, second = found.connect.others
    assert first == config(method="bezier", target=0.9).connect
    assert second == config(method="bezier", steps=300, target=0.9).connect
    again = config_from(resolved(found))
    assert again.connect == found.connect
    assert config(also="bezier").connect.also == ("bezier",)


def test_another_method_or_a_tree_is_meant_alone():
    found = config(also=["bezier"])
    for alone in ("connect.method=bezier", "connect.pairs=tree"):
        assert revised(found, [alone]).connect.also == ()
    assert revised(found, ["connect.pairs=disjoint"]).connect.also == ("bezier",)


@pytest.mark.parametrize(
    "keys, key, said",
    [
        ({"also": ["bezir"]}, "connect.also[0].method", "did you mean 'bezier'? (allowed: dss, "),
        (
            {"also": ["bezier", {"method": "polygon", "step": 3}]},
            "connect.also[1].step",
            "did you mean 'steps'? (allowed: ",
        ),
        (
            {"also": [{"method": "bezier", "steps": "3"}]},
            "connect.also[0].steps",
            "expected a whole number, got '3'",
        ),
        ({"also": [{"steps": 300}]}, "connect.also[0]", "expected text, got null"),
        ({"also": ["bezier", {"method": "bezier"}]}, "connect.also[1]", "there already"),
        ({"also": ["dss"]}, "connect.also[0]", "there already"),
        ({"also": ["bezier"], "pairs": "tree"}, "connect.also", "a tree chooses its pairs"),
        ({"also": 3}, "connect.also", "expected a list, got 3"),
    ],
)
def test_a_mistake_is_named(keys, key, said):
    with pytest.raises(ConfigError) as caught:
        config(**keys)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{key}: ") and said in problem


def test_it_searches_the_same_pairs_and_resumes(ring, tmp_path):
    asked = ring(connect={"also": SEVERAL, "pairs": "disjoint"}, levels={"values": [1.0, 0.1]})
    run, rows = run_whole(asked, tmp_path)
    pairs = [(level, *pair) for level in (1.0, 0.1) for pair in ((0, 1), (2, 3))]
    assert [(row.level, row.a, row.b) for row in rows] == 3 * pairs
    assert list(dict.fromkeys(row.set for row in rows)) == [
        set_name(one) for one in (asked.connect, *asked.connect.others)
    ]
    written = stamps(run)
    assert connect(open_run(run.directory)) == rows
    second = run.connection_file(rows[4].set, 1.0, 0, 1)
    second.unlink()
    assert [as_before(row) for row in connect(open_run(run.directory))] == list(
        map(as_before, rows)
    )
    again = stamps(run)
    assert {path for path in again if again[path] != written[path]} == {second}


def stamps(run):
    return {path: path.stat().st_mtime_ns for path in run.directory.glob("sets/**/*.safetensors")}


def as_before(row):
    return row.set, row.level, row.a, row.b, row.status, row.length, row.grad_evals


def test_a_check_counts_it_too():
    alone, both = check(config(pairs="0-1")), check(config(pairs="0-1", also=["bezier"]))
    beads = (both["disk_bytes"] - alone["disk_bytes"]) / (4 * alone["parameters"])
    assert beads == TYPICAL_BEADS
