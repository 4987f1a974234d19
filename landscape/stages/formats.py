"""Check points of networks trained elsewhere, whatever wrote them: arrays with dotted names."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
# PyTorch need not be there

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from safetensors.numpy import load_file

from landscape.config.endpoint_files import SUFFIXES, TORCH, orbax_tree
from landscape.store.files import Arrays

LARGE = 2**28  # bytes, which may be packed as tightly as they like
DEEPEST = 100  # levels of a check point's tree
MOST_PACKED = 100  # the numbers of networks are not alike enough for more

Leaf = np.ndarray | np.generic | bytes | str | float | None
Tree: TypeAlias = "Mapping[str, Tree] | list[Tree] | tuple[Tree, ...] | Leaf"


class Unreadable(Exception):
    """A check point that cannot be read; the message names the file and the reason."""


def read_arrays(path: str) -> Arrays:
    """The arrays of a check point: safetensors, npz, msgpack of flax, what torch.save wrote of
    tensors, or a folder of orbax. What else is in it, such as numbers and texts, is left out.

    Raises Unreadable.
    """
    whole = Path(path)
    reader = _orbax if whole.is_dir() else READERS.get(whole.suffix)
    if reader is None:
        allowed = ", ".join(SUFFIXES)
        raise Unreadable(f"{path}: of no known kind (allowed: {allowed}, or a folder of orbax)")
    try:
        _check_size(whole)
        return dict(_flat(reader(whole), ""))
    except Unreadable:
        raise
    except MemoryError as error:
        raise Unreadable(f"{path}: larger than the memory: {error}") from error
    except ImportError as error:
        raise Unreadable(
            f"{path}: reading it needs {error.name}, which is not installed"
        ) from error
    except OSError as error:
        raise Unreadable(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        said = (str(error).splitlines() or [""])[0]
        raise Unreadable(f"{path}: no {whole.suffix[1:]} check point: {said:.200}") from error


def _check_size(path: Path) -> None:
    """Raise Unreadable for a file that unpacks to much more than networks do."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as packed:
        size = sum(one.file_size for one in packed.infolist())
    if size > max(LARGE, MOST_PACKED * path.stat().st_size):
        raise Unreadable(
            f"{path}: unpacks to {size:,} bytes, more than {MOST_PACKED} times its own"
        )


def _flat(tree: Tree, name: str, depth: int = 0) -> list[tuple[str, np.ndarray]]:
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} deep")
    if isinstance(tree, np.ndarray | np.generic):
        return [(name or "params", np.asarray(tree))]
    if isinstance(tree, list | tuple):
        tree = {str(number): part for number, part in enumerate(tree)}
    if not isinstance(tree, Mapping):
        return []
    below = f"{name}." if name else ""
    return [
        found for key, part in tree.items() for found in _flat(part, f"{below}{key}", depth + 1)
    ]


def _npz(path: Path) -> Tree:
    with np.load(path, allow_pickle=False) as file:
        return dict(file) if isinstance(file, np.lib.npyio.NpzFile) else file


def _msgpack(path: Path) -> Tree:
    from flax.serialization import msgpack_restore

    return msgpack_restore(path.read_bytes())


def _torch(path: Path) -> Tree:
    import torch

    def plain(value: object) -> Tree:
        if isinstance(value, torch.Tensor):
            wide = value.float() if value.dtype is torch.bfloat16 else value
            return wide.detach().numpy()
        if isinstance(value, Mapping):
            return {str(key): plain(part) for key, part in value.items()}
        return [plain(part) for part in value] if isinstance(value, list | tuple) else None

    try:
        return plain(torch.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise Unreadable(
            f"{path}: not tensors alone, or no file of torch.save; save the network's state_dict()"
        ) from error


def _orbax(path: Path) -> Tree:
    import jax
    from orbax.checkpoint import PyTreeCheckpointer, RestoreArgs

    place = orbax_tree(path)
    if place is None:
        raise Unreadable(f"{path}: a folder, and no check point of orbax")
    reader = PyTreeCheckpointer()
    kept = reader.metadata(place.absolute()).item_metadata
    if kept is None:
        raise Unreadable(f"{path}: a check point of orbax without its metadata")
    as_numpy = jax.tree.map(lambda _: RestoreArgs(restore_type=np.ndarray), kept.tree)
    return reader.restore(place.absolute(), restore_args=as_numpy)


READERS: dict[str, Callable[[Path], Tree]] = {
    ".safetensors": load_file,
    ".npz": _npz,
    ".msgpack": _msgpack,
    **dict.fromkeys(TORCH, _torch),
}
