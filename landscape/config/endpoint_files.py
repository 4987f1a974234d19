"""The check points that `train.endpoints` names: files, folders and globs of them."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TORCH = (".pt", ".pth", ".ckpt", ".bin")
SUFFIXES = (".safetensors", ".npz", ".msgpack", *TORCH)

Network = str | tuple[str, ...]  # a check point, or several of one network along its training


def is_orbax(folder: Path) -> bool:
    """Whether a folder is one check point of orbax, not a folder of check points."""
    return orbax_tree(folder) is not None


def orbax_tree(folder: Path) -> Path | None:
    """Where in a check point of orbax its arrays are."""
    places = (folder, folder / "default", folder / "state", folder / "params")
    return next((place for place in places if (place / "_METADATA").is_file()), None)


def networks_of(given: object) -> object:
    """What `train.endpoints` says, as a list of networks: each a file, or several in order.

    A text is a file, or a folder or glob of them, each a network of its own; a list in the list, or
    a value of a mapping, is one network. Raises ValueError for a folder or glob without files.
    """
    if isinstance(given, Mapping):
        return tuple(_each([[one] if isinstance(one, str) else one for one in given.values()]))
    if isinstance(given, str):
        return tuple(_each([given]))
    return tuple(_each(given)) if isinstance(given, list | tuple) else given


def _each(items: Sequence[object]) -> Iterator[object]:
    for item in items:
        if isinstance(item, str):
            yield from _files(item)
        elif isinstance(item, list | tuple) and all(isinstance(one, str) for one in item):
            found = tuple(path for one in item for path in _files(str(one)))
            yield found[0] if len(found) == 1 else found
        else:
            yield item


def _files(text: str) -> list[str]:
    """The check points that a text names, step-2 before step-10."""
    path = Path(text)
    folder = path.is_dir() and not is_orbax(path)
    if not folder and (path.exists() or not glob.has_magic(text)):
        return [text]
    named = map(str, path.iterdir()) if folder else glob.glob(text)
    found = [one for one in named if Path(one).suffix in SUFFIXES or is_orbax(Path(one))]
    if not found:
        what = f"{text}: a folder without" if folder else f"'{text}' matches no"
        raise ValueError(f"{what} check points ({', '.join(SUFFIXES)}, or folders of orbax)")
    return sorted(found, key=_in_order)


def _in_order(path: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]


def content(path: str) -> Iterator[bytes]:
    """The bytes of a check point, file after file. Raises OSError."""
    whole = Path(path)
    inside = sorted(one for one in whole.rglob("*") if one.is_file()) if whole.is_dir() else [whole]
    for one in inside:
        yield one.read_bytes()
