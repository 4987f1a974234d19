"""Networks trained elsewhere: the arrays of their files, under the names that the task has."""

from __future__ import annotations

import re
from collections import Counter

from safetensors import SafetensorError
from safetensors.numpy import load_file

from landscape.config.load import Config
from landscape.config.train_section import Endpoints
from landscape.core import trees
from landscape.core.task import Landscape
from landscape.stages.state import network_of
from landscape.store.files import Arrays, RunError


def read_endpoints(config: Config, landscape: Landscape) -> list[Arrays]:
    """The networks of `train.endpoints`, each with its file's state. Raises ConfigError naming the
    file and its arrays."""
    files = {path: _load(path, config) for path in config.train.files}
    asked = config.train.endpoints
    if isinstance(asked, Endpoints):
        _check_patterns(asked, files, config)
        files = {path: _renamed(path, arrays, asked, config) for path, arrays in files.items()}
    networks = []
    for path in config.train.files:
        try:
            networks.append(network_of(files[path], landscape, path))
        except RunError as error:
            other = files[path].keys() != landscape.shapes.keys()
            hint = "; `ignore` and `rename` of train.endpoints take other names" if other else ""
            raise config.problem(config.train.files_key, f"{error}{hint}") from None
    return networks


def _load(path: str, config: Config) -> Arrays:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise config.problem(config.train.files_key, f"{path}: unreadable: {error}") from None


def _check_patterns(asked: Endpoints, files: dict[str, Arrays], config: Config) -> None:
    """Raise ConfigError for a pattern that matches no array of any file."""
    every = dict.fromkeys(name for arrays in files.values() for name in arrays)
    for glob in filter(None, map(str.strip, asked.ignore.split(","))):
        if not trees.matching(every, glob):
            said = f"'{glob}' matches none of: {', '.join(every)}"
            raise config.problem("train.endpoints.ignore", said)
    rest = every.keys() - trees.matching(every, asked.ignore).keys()
    for pattern in asked.rename:
        if not any(re.search(pattern, name) for name in rest):
            said = f"'{pattern}' matches none of: {', '.join(n for n in every if n in rest)}"
            raise config.problem("train.endpoints.rename", said)


def _renamed(path: str, arrays: Arrays, asked: Endpoints, config: Config) -> Arrays:
    """A file's arrays under their new names. Raises ConfigError where two would share one, or two
    patterns match one array."""
    ignored = trees.matching(arrays, asked.ignore)
    found: dict[str, str] = {}
    for name in arrays.keys() - ignored.keys():
        matching = [pattern for pattern in asked.rename if re.search(pattern, name)]
        if len(matching) > 1:
            both = " and ".join(f"'{pattern}'" for pattern in matching)
            raise config.problem(
                "train.endpoints.rename", f"{path}: {both} match {name}; one pattern an array"
            )
        found[name] = re.sub(matching[0], asked.rename[matching[0]], name) if matching else name
    count = Counter(found.values())
    for new in sorted(found.values()):
        if count[new] > 1:
            old = ", ".join(sorted(name for name in found if found[name] == new))
            raise config.problem("train.endpoints.rename", f"{path}: {old} would all be {new}")
    return {new: arrays[name] for name, new in found.items()}
