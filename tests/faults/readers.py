"""Every reader of what may come from strangers, as a function of bytes; seeds to begin from."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from landscape.config.load import ConfigError, load_config
from landscape.core.trust import trusting
from landscape.data import DataError, Store, text
from landscape.data.cifar10 import read_archive
from landscape.data.mnist import read_idx
from landscape.data.ptb import _words as read_words
from landscape.report.data.against import read_published
from landscape.stages.checkpoints import Checkpoints, KeptPlane, kept
from landscape.stages.formats import Unreadable, read_arrays
from landscape.store.files import (
    RunError,
    checked,
    checksum,
    load_arrays,
    place_of,
    read_json,
)
from landscape.store.journal import Journal, sealed
from landscape.store.records.models import Line, Models
from landscape.store.records.runs import Meta, SweepRecord
from landscape.store.records.strings import BarrierRecord, SnapshotRecord, StringRecord
from landscape.store.tables import LostModel, LostString, lines_of
from tests.runs_of_old.make import HERE

RUNS = max(HERE.glob("format-*"))
Read = Callable[[Path], object]


@dataclass(frozen=True)
class Reader:
    """file: the name that a file has to have; write: the file of given bytes, with its checksums
    right, None to leave it as it is; refusal: what it may raise; share: of all executions."""

    file: str
    read: Read
    refusal: type[Exception]
    seeds: Sequence[bytes]
    share: int
    write: Callable[[bytes, Path], bytes] | None = None

    def run(self, content: bytes, folder: Path) -> str:
        """Read a file of these bytes: how that ended. Raises what the reader must not."""
        path = folder / self.file
        path.write_bytes(content if self.write is None else self.write(content, path))
        try:
            self.read(path)
        except self.refusal as error:
            if str(path) not in str(error):
                raise AssertionError(f"refused without a name: {error}") from error
            return str(error).replace(str(path), "")
        return "read"


def _line(content: bytes, path: Path) -> bytes:
    lines = content.replace(b"\n", b" ")
    return sealed(lines, place_of(path)) + b"\n" if lines else b""


def _json(content: bytes, path: Path) -> bytes:
    """With its checksum right, where it is an object."""
    try:
        record = json.loads(content)
        text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return content
    if not isinstance(record, dict):
        return content
    return json.dumps({**record, "sha256": checksum(text.encode(), place_of(path))}).encode()


def _header(content: bytes, path: Path) -> bytes:
    """Arrays beside a record of this text, with its checksum right."""
    text = content.decode(errors="replace")
    metadata = {
        "format": "3", "record": text, "sha256": checksum(text.encode(), place_of(path)),
    }  # fmt: skip
    return save({"w": np.zeros(2, np.float32)}, metadata=metadata)


def _journal(kind: Any) -> Read:
    return lambda path: Journal(path, kind, lambda record: str(record)).records()


def _recorded(kind: Any, part: str | None) -> Read:
    def read(path: Path) -> None:
        record = read_json(path)
        checked(kind, record if part is None else record.get(part), path)

    return read


def _path_record(path: Path) -> None:
    _, record = load_arrays(path)
    checked(SnapshotRecord | BarrierRecord, record.get("path"), path)


def _config(path: Path) -> None:
    with trusting("known"):  # nothing is imported, whatever a mutation names
        load_config(path)


def _lines(name: str) -> list[bytes]:
    found = [path.read_bytes().splitlines() for path in sorted(RUNS.rglob(name))]
    return [line[: line.rindex(b', "sha256"')] + b"}" for lines in found for line in lines[:2]]


def _plain(name: str) -> list[bytes]:
    found = [json.loads(path.read_text()) for path in sorted(RUNS.rglob(name))]
    return [json.dumps({k: v for k, v in one.items() if k != "sha256"}).encode() for one in found]


def _records(glob: str) -> list[bytes]:
    return [json.dumps(load_arrays(path)[1]).encode() for path in sorted(RUNS.glob(glob))]


def _files(*globs: str) -> list[bytes]:
    return [path.read_bytes() for glob in globs for path in sorted(RUNS.glob(glob))[:3]]


def _npz() -> bytes:
    content = io.BytesIO()
    np.savez(content, w=np.arange(3.0), b=np.float32(1))
    return content.getvalue()


def _npz_of_names() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr("../w.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', }")
    return content.getvalue()


def _msgpack() -> bytes:
    from flax.serialization import msgpack_serialize

    return msgpack_serialize({"params": {"w": np.arange(3.0, dtype=np.float32)}, "step": 3})


PUBLISHED = (
    b"task,level,length_mean,length_lo,length_hi,beads_mean,beads_lo,beads_hi\nd,0.1,1,1,1,2,2,2\n"
)
IDX = b"\0\0\x08\x01\0\0\0\x03\1\2\3"
KEPT = (
    b'{"data": {"dict": {"rows": {"list": [{"array": "w"}]}, "of": {"value": "00"}}}, '
    b'"arrays": {"w": "float32[2]"}}'
)
CONFIGS = [
    b"task: {name: digits, hidden: [4]}\nlevels: {values: [0.5, 0.1]}\n",
    b"task: {factory: 'a:b'}\ntrain: {models: 2, optimizer: {name: sgd, momentum: 0.9}}\n"
    b"levels: {values: [1]}\nconnect: {method: [bezier, dss], also: [straight], pairs: 0-1}\n",
    b"task: &a {name: polynomial, coefficients: [1, 2]}\nlevels: {values: [1e-3]}\n"
    b"sweep: {over: {task.hidden: [[2], [3]]}}\nseed: 7\ncompute: {memory: 1024}\n",
]
READERS: dict[str, Reader] = {
    "rows": Reader("rows.jsonl", _journal(StringRecord), RunError, _lines("rows.jsonl"), 20, _line),
    "history": Reader("h.jsonl", _journal(Line), RunError, _lines("history.jsonl"), 12, _line),
    "models": Reader(
        "m.json", _recorded(Models, "records"), RunError, _plain("models.json"), 8, _json
    ),
    "meta": Reader("n.json", _recorded(Meta, None), RunError, _plain("meta.json"), 6, _json),
    "sweep": Reader(
        "s.json", _recorded(SweepRecord, None), RunError, [b'{"format": 3, "runs": []}'], 3, _json
    ),
    "arrays": Reader(
        "a.safetensors", load_arrays, RunError, _files("*/models/*/*", "*/sets/*/*/*/*"), 8
    ),
    "records": Reader(
        "r.safetensors", _path_record, RunError, _records("*/snapshots/*/*"), 8, _header
    ),
    "kept": Reader(
        "k.partial", lambda path: kept(Checkpoints(path), KeptPlane), RunError, [KEPT], 5, _header
    ),
    "strings table": Reader(
        "s.csv",
        lambda path: list(lines_of(path, LostString)),
        RunError,
        _files("*/measures/*/strings.csv"),
        4,
    ),
    "models table": Reader(
        "m.csv",
        lambda path: list(lines_of(path, LostModel)),
        RunError,
        _files("*/measures/*/models.csv"),
        4,
    ),
    "published": Reader("p.csv", read_published, RunError, [PUBLISHED], 4),
    "config": Reader("c.yaml", _config, ConfigError, CONFIGS, 4),
    "npz": Reader(
        "e.npz", lambda path: read_arrays(str(path)), Unreadable, [_npz(), _npz_of_names()], 3
    ),
    "msgpack": Reader(
        "e.msgpack", lambda path: read_arrays(str(path)), Unreadable, [_msgpack()], 7
    ),
    "safetensors": Reader(
        "e.safetensors",
        lambda path: read_arrays(str(path)),
        Unreadable,
        [save({"w": np.arange(3.0)})],
        6,
    ),
    "idx": Reader("i.idx", lambda path: read_idx(path, 1), DataError, [IDX], 5),
    "cifar": Reader(
        "c.tar", lambda path: read_archive(path, ["a.bin"]), DataError, [b"", b"\x1f\x8b\x08"], 2
    ),
    "words": Reader("w.txt", read_words, DataError, [b"the cat <unk>\nN sat\n"], 6),
    "text": Reader(
        "t.txt",
        lambda path: text.load(Store(path.parent), path.name),
        DataError,
        ["Größe\n".encode(), b"a"],
        3,
    ),
}
