"""Check points from elsewhere: nothing in them is run, and none takes more than it is worth."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from landscape.stages.formats import Unreadable, read_arrays


class Trap:
    """Is run by whoever unpickles it."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


def npz(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, member in members.items():
            packed.writestr(name, member)
    return content.getvalue()


def npy(shape, data=b"", kind="<f8"):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def objects():
    content = io.BytesIO()
    np.save(content, np.array([Trap()], dtype=object), allow_pickle=True)
    return content.getvalue()


HARMFUL = {
    "a pickle in npz": ("x.npz", npz({"w.npy": objects()})),
    "a pickle as npz": ("x.npz", pickle.dumps(Trap())),
    "an npy of objects as npz": ("x.npz", objects()),
    "terabytes in npz": ("x.npz", npz({"w.npy": npy("(1099511627776,)", b"12345678")})),
    "a negative shape": ("x.npz", npz({"w.npy": npy("(-1, 8)", b"12345678")})),
    "code for a shape": ("x.npz", npz({"w.npy": npy("__import__('os').mkdir('sprung')")})),
    "an expression for a type": ("x.npz", npz({"w.npy": npy("(1,)", b"12345678", "O")})),
    "terabytes in safetensors": (
        "x.safetensors",
        struct.pack("<Q", 68)
        + b'{"w":{"dtype":"F64","shape":[1099511627776],"data_offsets":[0,8]}}  ',
    ),
    "deep msgpack": ("x.msgpack", b"\x91" * 100_000 + b"\xc0"),
    "deep maps": ("x.msgpack", b"\x81\xa1a" * 900 + b"\xc0"),
    "a long list in msgpack": ("x.msgpack", b"\xdd\xff\xff\xff\xff"),
    "terabytes in msgpack": ("x.msgpack", b"\xc9\xff\xff\xff\xff\x01"),
    "nothing": ("x.msgpack", b""),
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_it_is_refused_by_its_name_and_not_run(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    name, content = HARMFUL[kind]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=str(path)):
        read_arrays(str(path))
    assert [item.name for item in tmp_path.iterdir()] == [name]


def test_a_bomb_is_not_unpacked(tmp_path):
    """Half a gigabyte of zeros in half a megabyte."""
    path = tmp_path / "x.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("w.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy(f"({2**29 // 8},)"))
        for _ in range(2**29 // 2**24):
            member.write(bytes(2**24))
    assert path.stat().st_size < 2**20
    with pytest.raises(Unreadable, match="unpacks to 536,8"):
        read_arrays(str(path))


def test_what_is_packed_as_networks_are_is_read(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, w=np.zeros((100, 100), np.float32))
    assert read_arrays(str(path))["w"].shape == (100, 100)


@pytest.mark.torch
@pytest.mark.parametrize("new", [True, False])
def test_a_pickle_of_torch_is_not_run(tmp_path, monkeypatch, new):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    torch.save({"w": Trap()}, "x.pt", _use_new_zipfile_serialization=new)
    Path("y.pt").write_bytes(pickle.dumps(Trap()))
    for name in ("x.pt", "y.pt"):
        with pytest.raises(Unreadable, match=rf"{name}: not tensors alone|{name}: no pt"):
            read_arrays(name)
    assert not Path("sprung").exists()
