"""Every key of what interrupted work has kept, altered with its checksum made right again: it is
refused by name, or harmless."""

import jax
import numpy as np
import pytest

from landscape.stages.checkpoints import (
    Checkpoints,
    KeptPlane,
    KeptSearch,
    KeptShortening,
    KeptTraining,
    kept,
)
from landscape.store.files import RunError, load_arrays, save_arrays
from tests.test_records import altered, places

DESCENT = {
    "params": {"w": np.ones((2, 3))},
    "memory": [np.ones((2, 3))],
    "key": np.zeros((2, 2), np.uint32),
    "step": np.array([10, 20]),
    **{name: np.ones(2) for name in ("value", "target", "reach")},
    "moved": np.array([True, False]),
    "fixed": {"left.w": np.ones((2, 3))},
}
ROUND = {
    "facts": np.ones(5), "beads": np.arange(3), "places": np.ones(3), "profile": np.ones((5, 2)),
}  # fmt: skip
SEGMENTS = {
    "upper": np.ones(2), "place": np.ones(2), "ts": np.ones((2, 3)), "values": np.ones((2, 3)),
    "own": {"x": np.ones(2)},
}  # fmt: skip
STRING = {
    "name": "0-1", "points": {"w": np.ones((3, 3))}, "segments": SEGMENTS, "level": None,
    "history": [ROUND], "ids": np.arange(3), "left": {}, "left_ids": np.arange(0),
    "chained_from": None, "facts": {"bound": 1.0}, "ended": None, "reason": "", "rounds": 1,
    "turn": 0, "restarts": 0, "grad_evals": 10, "loss_evals": 20, "tightening": None,
    "length_found": None, "seconds": 0.5,
}  # fmt: skip
SHORTENING = {
    "name": "dss-1/0.5/0-1", "limit": 0.5, "extra": np.ones(2), "stiffness": np.ones(3),
    "held": np.zeros(3, bool), "max_beads": 9, "max_sweeps": 10, "max_cost": None, "fresh": 1,
    "loss_evals": 20,
    **{key: {"w": np.ones((3, 3))} for key in ("points", "safe", "kept")}, "ends": [0.1, 0.1],
    "lengths": [1.0], "seen": {"above": np.ones(2)}, "cuts": {}, "tube": 0.1, "margin": 0.1,
    "penalty": 0.0, "recent": [[1.0, 0.0]], "failures": 0, "landing": False, "sweeps": 1,
    "grad_evals": 10, "history": [[1.0, 2.0, 3.0, 4.0, 1.0]],
    "ended": None, "reason": "", "seconds": 0.5,
}  # fmt: skip
PENDING = {
    "owner": np.array([0, 0]), "place": np.array([0, 1]), "fresh": np.array([True, False]),
    "descent": DESCENT,
}  # fmt: skip
OF_ONE = jax.tree.map(lambda leaf: leaf[:1], DESCENT)
KEPT = {
    "training": (KeptTraining, {"descent": OF_ONE, "met": [[0.5, 10, 0.4]]}),
    "searching": (KeptSearch, {"strings": [STRING], "pending": PENDING}),
    "shortening": (list[KeptShortening], [SHORTENING]),
    "plane": (KeptPlane, {"rows": [np.ones(3)], "of": "0" * 64}),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_was_kept_is_checked_before_it_is_used(tmp_path, name):
    kind, data = KEPT[name]
    checkpoints = Checkpoints(tmp_path / "kept.safetensors")
    checkpoints.keep(lambda: data, now=True)
    arrays, record = load_arrays(checkpoints.path)
    own = {"data": record["data"]}
    assert kept(checkpoints, kind) is not None
    for place in places(own):
        for new, changed in altered(own, place):
            save_arrays(checkpoints.path, arrays, changed)
            gone = new is ... and place[-1] not in ("w", "left.w", "x", "above", "bound", 0)
            try:
                kept(checkpoints, kind)
            except RunError as error:
                assert str(checkpoints.path) in str(error)
            else:
                assert not gone and new != {"other": 1}, (place, new)


def test_beads_are_of_strings_that_are_there(tmp_path):
    checkpoints = Checkpoints(tmp_path / "kept.safetensors")
    for wrong in ({"owner": [0, 1]}, {"place": [0, 3]}, {"place": [0, -1]}, {"place": [0]}):
        data = {
            "strings": [STRING],
            "pending": PENDING | {key: np.array(value) for key, value in wrong.items()},
        }
        checkpoints.keep(lambda data=data: data, now=True)
        with pytest.raises(RunError, match="pending"):
            kept(checkpoints, KeptSearch)


def test_arrays_are_of_one_number_of_models(tmp_path):
    checkpoints = Checkpoints(tmp_path / "kept.safetensors")
    wrong = {"step": np.array([-1]), "value": np.ones(3), "key": np.zeros((2, 3), np.uint32)}
    for name, array in (*wrong.items(), ("params", {"w": np.ones((3, 3))})):
        data = {"descent": OF_ONE | {name: array}, "met": []}
        checkpoints.keep(lambda data=data: data, now=True)
        with pytest.raises(RunError, match=f"descent: .*{name}"):
            kept(checkpoints, KeptTraining)
