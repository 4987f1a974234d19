"""Every key of every record of a run, altered with its checksum made right again: it is refused by
name, or harmless."""

import copy
import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from landscape.report import report
from landscape.store.files import (
    RunError,
    checked,
    load_arrays,
    place_of,
    read_json,
    save_arrays,
    write_json,
    write_records,
)
from landscape.store.journal import sealed
from landscape.store.records.base import as_dict, columns
from landscape.store.records.models import FinalStateRecord, Line, LowerBoundRecord
from landscape.store.records.planes import Drawn, PlaneRecord
from landscape.store.records.strings import BarrierRecord, SnapshotRecord, TreeRecord
from landscape.store.run import open_run
from tests.pages import ALL, measured, parts, row, save

CERTIFIED = {
    "max_loss": 0.4, "last_change": 0.0, "max_at": 0.5, "resolution": 0.01, "grid": 50,
    "verified": None, "beads": 2, "length": 1.0, "chord": 1.0, "normalized_length": 1.0,
    "grad_evals": 10, "seconds": 0.1, "reason": "",
}  # fmt: skip
SNAPSHOT_RECORD = {"model": 0, "level": 0.5, "lower": 0.1, "limit": 0.5, "status": "CONNECTED"}
BARRIER_RECORD = {
    "a": 0, "b": 1, "level_a": 0.1, "level_b": 0.1, "loss_a": 0.1, "loss_b": 0.1, "start": 0.3,
    "origin": "straight", "gradient": 0.1, "band": 5, "restarts": 0, "status": "CONVERGED",
}  # fmt: skip
DRAWN = {
    "a": 0, "b": 1, "set": "dss-1", "status": "CONNECTED", "distance": 0.1, "distance_at": 0.5,
    "chord": 2.0,
}  # fmt: skip
PLANE = {
    "kind": "pair", "models": [0, 1], "level": 0.5, "grid": 3, "metric": "train loss",
    "strings": [DRAWN], "span": [-1.0, 1.0, -1.0, 1.0], "filters": {"w": [0]},
}  # fmt: skip
WAY = {
    "run": "r", "model": 0, "optimizer": "adam", "learning_rate": 0.1, "snapshots": 3,
    "distance": 0.1, "distance_at": 10, "chord": 1.0,
}  # fmt: skip
TRAJECTORY = {
    "kind": "trajectory", "models": [0], "level": 0.5, "grid": 3, "metric": "train loss",
    "strings": [], "trajectories": [WAY], "shares": [0.75, 0.25],
}  # fmt: skip
END = {
    "model": 0, "value": 0.1, "size": 1.0, "gradient": 0.1, "gain": 0.01, "smallest": -0.1,
    "smallest_error": 0.01, "largest": 3.0,
}  # fmt: skip
WALLS = [
    {
        "name": "around zero", "height": 1.2, "sides": [{"model": 0, "level": 0.5, "side": 1}],
        "facts": {"F(0)": 1.0, "sigma": 0.5, "mu": 0.1, "s*": 0.2, "f(s*)": 0.2},
    },
    {"name": "rank one", "height": 0.1, "sides": [], "facts": {"angles": [0.0], "scan": [0.1]}},
]  # fmt: skip
TREE = {
    "level": 0.5, "limit": 0.5, "tries": 4, "models": 4, "pairs": 6, "searched": 6, "connected": 6,
    "components": [[0, 1, 2, 3]], "joins": [{"a": 0, "b": 1, "level": 0.5}],
}  # fmt: skip
FILES = {
    "row": "sets/dss-1/rows.jsonl",
    "string": "sets/dss-1/0.5/0/1.safetensors",
    "snapshot": "snapshots/0/0.5.safetensors",
    "barrier": "barriers/0/1.safetensors",
    "measured string": "measures/m/strings/dss-1/0.5/0/1.safetensors",
    "measured model": "measures/m/models/0.5/0.safetensors",
    "plane": "planes/pair-0-1-0.5.safetensors",
    "trajectory": "planes/trajectory-0-0.5.safetensors",
    "models": "models.json",
    "ends": "final_states.json",
    "walls": "lower_bounds.json",
    "tree": "sets/dss-1/tree.json",
    "meta": "meta.json",
}


def kept(kind, value):
    return checked(kind, value, "here")


@pytest.fixture
def whole(run):
    """A run with every kind of record."""
    save(run, ALL)
    measured(run, ALL)
    points, profile = {"w": np.zeros((2, 3), np.float32)}, np.array([[0, 0.1], [1, 0.1]])
    snapshot = SnapshotRecord(**SNAPSHOT_RECORD, **CERTIFIED)
    barrier = BarrierRecord(**BARRIER_RECORD, **CERTIFIED)
    run.save_path(run.snapshot_file(0, 0.5), snapshot, points, profile)
    run.save_path(run.barrier_file(0, 1), barrier, points, profile)
    axis = {name: np.zeros(3) for name in ("x", "y")}
    arrays = {**axis, "loss": np.zeros((3, 3)), "models": np.zeros((2, 2))}
    run.save_plane(
        "pair-0-1-0.5", {**arrays, "string.0": np.zeros((2, 4))}, kept(PlaneRecord, PLANE)
    )
    ways = {**axis, "loss": np.zeros((3, 3)), "trajectory.0": np.zeros((3, 5))}
    run.save_plane("trajectory-0-0.5", ways, kept(PlaneRecord, TRAJECTORY))
    write_records(run.final_states_file, [kept(FinalStateRecord, END)])
    write_records(run.lower_bounds_file, kept(list[LowerBoundRecord], WALLS))
    write_records(run.tree_file("dss-1"), [kept(TreeRecord, TREE)])
    return run


def read(run):
    """All that is read of a run, as the commands read it."""
    opened = open_run(run.directory)
    for records in (opened.models, opened.final_states, opened.lower_bounds, opened.history):
        records()
    opened.tree("dss-1")
    for string in opened.rows():
        opened.load_connection(string)
    for record in [*opened.string_measures(), *opened.model_measures()]:
        opened.load_measures(record)
    for path in (opened.snapshot_file(0, 0.5), opened.barrier_file(0, 1)):
        opened.load_path(path)
    for name in opened.planes():
        opened.load_plane(name)
    json.dumps(report([opened]), allow_nan=False)


def places(value, path=()):
    """The way to every key of a record, and to the first item of its lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(value, list) and key:
            return
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


def altered(record, place):
    """The record with the key gone, of another type, and out of range."""
    *way, last = place
    old = record
    for key in place:
        old = old[key]
    wrong = [{"other": {}}, True, -1, 1e9, "../x"]
    for new in (..., None, *wrong):
        if new is ... or type(new) is not type(old) or new != old:
            changed = copy.deepcopy(record)
            inner = changed
            for key in way:
                inner = inner[key]
            if new is ...:
                del inner[last]
            else:
                inner[last] = new
            yield new, changed


def arrays_and_record(path):
    """Of a journal, the record of its first line."""
    if path.suffix == ".jsonl":
        first = json.loads(path.read_text().splitlines()[0])
        return {}, {key: value for key, value in first.items() if key != "sha256"}
    return ({}, read_json(path)) if path.suffix == ".json" else load_arrays(path)


def rewrite(path, arrays, record):
    """With the checksums right."""
    if path.suffix == ".jsonl":
        _, *others = path.read_bytes().splitlines(keepends=True)
        first = sealed(json.dumps(record, default=as_dict).encode(), place_of(path)) + b"\n"
        path.write_bytes(b"".join([first, *others]))
    elif path.suffix == ".json":
        write_json(path, record)
    else:
        save_arrays(path, arrays, record)


@pytest.mark.parametrize("kind", FILES)
def test_a_record_is_checked_before_it_is_used(whole, kind):
    read(whole)
    path = whole.directory / FILES[kind]
    content, refused = path.read_bytes(), {}
    arrays, record = arrays_and_record(path)
    own = {
        key: record[key] for key in record if key not in ("arrays", "arrays_sha256", "each_sha256")
    }
    for place in places(own):
        for new, changed in altered(own, place):
            rewrite(path, arrays, changed)
            try:
                read(whole)
            except RunError as error:
                assert str(whole.directory) in str(error), (place, new)
                refused.setdefault(place, []).append(new)
            except Exception as error:
                raise AssertionError(f"{place} = {new!r}") from error
    path.write_bytes(content)
    read(whole)
    free = {place for place in places(own) if {"other": {}} not in refused.get(place, [])}
    assert not free, "of any type"


def test_a_record_is_checked_when_it_is_made_too():
    with pytest.raises(ValueError, match="CONNECTED has a number for max_loss"):
        row(0, 1, max_loss=None)
    with pytest.raises(ValueError, match="lower is below level"):
        SnapshotRecord(**SNAPSHOT_RECORD | {"lower": 0.5}, **CERTIFIED)
    with pytest.raises(ValueError, match="smallest and smallest_error are both known"):
        replace(parts(0.5, 0)[0], smallest_error=None)


def test_a_number_is_as_json_has_it():
    line = {"model": 0, "step": 10, "value": 1}
    assert kept(Line, line) == Line(model=0, step=10, value=1.0)
    for wrong in ({"value": True}, {"value": "1"}, {"step": 10.0}, {"step": True}, {"model": -1}):
        with pytest.raises(RunError, match=rf"here: {next(iter(wrong))}: Input should be .*, got"):
            kept(Line, line | wrong)


def test_what_may_be_left_out_is_left_out():
    assert as_dict(kept(PlaneRecord, PLANE)) == {**PLANE, "strings": [kept(Drawn, DRAWN)]}
    assert "facts" not in as_dict(row(0, 1)) and "facts" not in columns(type(row(0, 1)))
    with pytest.raises(RunError, match=r"here: filters: .*left out"):
        kept(PlaneRecord, PLANE | {"filters": None})


@pytest.mark.parametrize("kind", FILES)
def test_a_changed_byte_is_noticed(whole, kind):
    path = whole.directory / FILES[kind]
    content = path.read_bytes()
    at = content.index({"meta": b"done", "ends": b"1.0", "string": b"arrays"}.get(kind, b"0.5"))
    path.write_bytes(content[:at] + b"9" + content[at + 1 :])
    with pytest.raises(RunError, match=path.name):
        read(whole)


@pytest.mark.parametrize(
    "metadata",
    [{"format": None}, {"format": "x"}, {"format": "0"}, {"format": "1.0"}, {"sha256": None},
     {"sha256": "x"}, {"record": "[]"}, {"record": "{"}, {"record": '{"row": {}}'}],
)  # fmt: skip
def test_a_header_is_checked_before_it_is_used(whole, metadata):
    path = whole.directory / FILES["string"]
    with safe_open(path, framework="np") as file:
        header = {**(file.metadata() or {}), **metadata}
    if "record" in metadata:
        header["sha256"] = hashlib.sha256(metadata["record"].encode()).hexdigest()
    arrays, _ = load_arrays(path)
    save_file(arrays, path, {key: value for key, value in header.items() if value is not None})
    with pytest.raises(RunError, match=r"0/1\.safetensors: "):
        read(whole)


def test_arrays_read_in_part_are_as_listed(whole):
    """The type and shape of an array are in its file's header, which has no other checksum."""
    path = whole.directory / FILES["string"]
    content, row = path.read_bytes(), whole.rows()[0]
    assert (row.a, row.b, row.level) == (0, 1, 0.5)
    for old, new in (
        (b'"shape":[3]', b'"shape":[1]'),
        (b'"F64"', b'"I64"'),
        (b'"profile.loss":', b'"profile.lost":'),
    ):
        path.write_bytes(content.replace(old, new))
        with pytest.raises(RunError, match=r"0/1\.safetensors"):
            whole.load_profile(row)
