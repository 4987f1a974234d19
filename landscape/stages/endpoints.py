"""Networks trained elsewhere: the arrays of their files, under the names that the task has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container

import numpy as np

from landscape.config.load import Config
from landscape.config.train_section import Endpoints
from landscape.core import trees
from landscape.core.landscape import Landscape
from landscape.stages.build import log
from landscape.stages.formats import Unreadable, read_arrays
from landscape.stages.state import network_of
from landscape.store.files import Arrays, RunError

WRAPPERS = ("module.", "_orig_mod.", "params.", "model.", "state_dict.", "model_state_dict.")


def check_endpoints(config: Config, landscape: Landscape) -> None:
    """Read every check point of `train.endpoints` once. Raises ConfigError naming the file and its
    arrays."""
    keys = list(config.train.file_keys())
    if isinstance(asked := config.train.endpoints, Endpoints):
        every = dict.fromkeys(name for key, path in keys for name in _load(path, key, config))
        _check_patterns(asked, list(every), config)
    stripped: dict[str, int] = Counter()
    for key, path in keys:
        stripped.update(_fitted(path, key, config, landscape)[1])
    for prefix, files in stripped.items():
        log.info(f"'{prefix}' is stripped from names in {files} of the endpoints' files")


def read_endpoint(path: str, config: Config, landscape: Landscape) -> Arrays:
    """The parameters of one check point, and its file's state.

    Raises ConfigError as `check_endpoints`.
    """
    return _fitted(path, config.train.files_key, config, landscape)[0]


def _load(path: str, key: str, config: Config) -> Arrays:
    try:
        return read_arrays(path)
    except Unreadable as error:
        raise config.problem(key, str(error)) from None


def _fitted(path: str, key: str, config: Config, landscape: Landscape) -> tuple[Arrays, set[str]]:
    """A check point's parameters and state, and the prefixes stripped from their names."""
    arrays, asked = _load(path, key, config), config.train.endpoints
    if isinstance(asked, Endpoints):
        arrays = _renamed(path, arrays, asked, config)
    state = landscape.state.shapes if landscape.state else {}
    known = {*landscape.shapes, *state, *landscape.beside}
    named, prefixes = _stripped(arrays, known)
    try:
        network = network_of(named, landscape, path)
    except RunError as error:
        raise config.problem(key, f"{error}{_hint(named, landscape)}") from None
    for name, array in network.items():
        if bad := int((~np.isfinite(array)).sum()):
            said = f"{path}: {name} has {bad} numbers that are not finite, of {array.size}"
            raise config.problem(key, said)
    return network, prefixes


def _stripped(arrays: Arrays, wanted: Container[str]) -> tuple[Arrays, set[str]]:
    """The arrays without what wraps their names, where that makes them the task's: `module.` of
    data parallelism, `params/` of flax, and the like; and what was taken away."""
    found: Arrays = {}
    prefixes = set()
    for name, array in arrays.items():
        bare = _bare(name, wanted)
        if bare != name and (bare in arrays or bare in found):
            bare = name
        found[bare] = array
        prefixes.add(name[: len(name) - len(bare)])
    return found, prefixes - {""}


def _bare(name: str, wanted: Container[str]) -> str:
    """The name that the task has, or the same where taking wrappers off leads to none."""
    bare = name if name in wanted else name.replace("/", ".")
    while bare not in wanted:
        prefix = next((one for one in WRAPPERS if bare.startswith(one)), None)
        if prefix is None:
            return name
        bare = bare.removeprefix(prefix)
    return bare


def _hint(arrays: Arrays, landscape: Landscape) -> str:
    """What would take the arrays, where their names are not the task's."""
    extra = [name for name in arrays if name not in landscape.shapes]
    if arrays.keys() == landscape.shapes.keys():
        return ""
    shared = [name for name in arrays if name in landscape.shapes]
    if any(arrays[name].shape != landscape.shapes[name].shape for name in shared):
        return "; it is a network of other sizes than the task's"
    hint = "`ignore` and `rename` of train.endpoints take other names"
    if len(shared) < len(landscape.shapes):
        return f"; a network of another kind has no part in this; {hint} of the same"
    tops = {name.partition(".")[0] + ".*" * ("." in name): None for name in extra}
    return f'; {hint}: ignore: "{", ".join(tops)}" leaves these out'


def _check_patterns(asked: Endpoints, every: list[str], config: Config) -> None:
    """Raise ConfigError for a pattern that matches no array of any file."""
    named = dict.fromkeys(every)
    for glob in filter(None, map(str.strip, asked.ignore.split(","))):
        if not trees.matching(named, glob):
            said = f"'{glob}' matches none of: {', '.join(every)}"
            raise config.problem("train.endpoints.ignore", said)
    rest = named.keys() - trees.matching(named, asked.ignore).keys()
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
