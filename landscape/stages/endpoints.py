"""Networks trained elsewhere: the arrays of their files, under the names that the task has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from landscape.config.load import Config
from landscape.config.train_section import Endpoints
from landscape.core import trees
from landscape.core.landscape import Landscape
from landscape.stages.build import log
from landscape.stages.formats import Unreadable, read_arrays
from landscape.stages.state import network_of
from landscape.store.files import Arrays, RunError

BESIDE = {
    "amp", "callbacks", "epoch", "global_step", "grad_scaler", "loops", "lr_scheduler",
    "lr_schedulers", "opt", "opt_state", "optim", "optimizer", "optimizer_state",
    "optimizer_state_dict", "optimizer_states", "optimizers", "rng", "rng_state", "scaler",
    "scheduler", "scheduler_state_dict", "step",
}  # fmt: skip
WRAPPERS = ("module.", "_orig_mod.", "params.", "model.", "state_dict.", "model_state_dict.")


class Fitted(NamedTuple):
    """A check point's parameters and state, by the task's names.

    prefixes: what was stripped from names; beside: names of arrays that a training keeps beside a
    network, as an optimiser's, which are left out.
    """

    network: Arrays
    prefixes: set[str]
    beside: set[str]


def check_endpoints(config: Config, landscape: Landscape) -> None:
    """Read every check point of `train.endpoints` once. Raises ConfigError naming the file and its
    arrays."""
    keys = list(config.train.file_keys())
    if isinstance(asked := config.train.endpoints, Endpoints):
        every = dict.fromkeys(name for key, path in keys for name in _load(path, key, config))
        _check_patterns(asked, list(every), config)
    stripped: dict[str, int] = Counter()
    for key, path in keys:
        fitted = _fitted(path, key, config, landscape)
        stripped.update(fitted.prefixes)
        if fitted.beside:
            tops = ", ".join(sorted(set(map(_top, fitted.beside))))
            log.info(f"{path}: what a training keeps beside the network is left out: {tops}")
    for prefix, files in stripped.items():
        log.info(f"'{prefix}' is stripped from names in {files} of the endpoints' files")


def read_endpoint(path: str, config: Config, landscape: Landscape) -> Arrays:
    """The parameters of one check point, and its file's state.

    Raises ConfigError as `check_endpoints`.
    """
    return _fitted(path, config.train.files_key, config, landscape).network


def _load(path: str, key: str, config: Config) -> Arrays:
    try:
        return read_arrays(path)
    except Unreadable as error:
        raise config.problem(key, str(error)) from None


def _fitted(path: str, key: str, config: Config, landscape: Landscape) -> Fitted:
    arrays, asked = _load(path, key, config), config.train.endpoints
    if isinstance(asked, Endpoints):
        arrays = _renamed(path, arrays, asked, config)
    known = _known(landscape)
    named, prefix_of = _stripped(arrays, known)
    beside = _beside(named, known)
    named = {name: array for name, array in named.items() if name not in beside}
    try:
        network = network_of(named, landscape, path)
    except RunError as error:
        raise config.problem(key, f"{error}{_hint(named, prefix_of, landscape)}") from None
    for name, array in network.items():
        if bad := int((~np.isfinite(array)).sum()):
            said = f"{path}: {name} has {bad} numbers that are not finite, of {array.size}"
            raise config.problem(key, said)
    return Fitted(network, set(prefix_of.values()) - {""}, beside)


def _known(landscape: Landscape) -> set[str]:
    """The names of all arrays that a file of the network may have."""
    state = landscape.state.shapes if landscape.state else {}
    return {*landscape.shapes, *state, *landscape.beside}


def _stripped(arrays: Arrays, wanted: Container[str]) -> tuple[Arrays, dict[str, str]]:
    """The arrays without what wraps their names, where that makes them the task's: `module.` of
    data parallelism, `params/` of flax, and the like; and what was taken away of each."""
    found: Arrays = {}
    prefix_of = {}
    for name, array in arrays.items():
        bare = _bare(name, wanted)
        if bare != name and (bare in arrays or bare in found):
            bare = name
        found[bare] = array
        prefix_of[bare] = name[: len(name) - len(bare)]
    return found, prefix_of


def _beside(names: Iterable[str], known: Iterable[str]) -> set[str]:
    """The arrays that a training keeps beside a network, by the first part of their names."""
    own = set(map(_top, known))
    return {name for name in names if (top := _top(name)) in BESIDE and top not in own}


def _top(name: str) -> str:
    return re.split(r"[./]", name)[0]


def _bare(name: str, wanted: Container[str]) -> str:
    """The name that the task has, or the same where taking wrappers off leads to none."""
    bare = name if name in wanted else name.replace("/", ".")
    while bare not in wanted:
        prefix = next((one for one in WRAPPERS if bare.startswith(one)), None)
        if prefix is None:
            return name
        bare = bare.removeprefix(prefix)
    return bare


def _hint(arrays: Arrays, prefix_of: Mapping[str, str], landscape: Landscape) -> str:
    """What would take the arrays, where their names are not the task's."""
    if arrays.keys() == landscape.shapes.keys():
        return ""
    shared = [name for name in arrays if name in landscape.shapes]
    if any(arrays[name].shape != landscape.shapes[name].shape for name in shared):
        return "; it is a network of other sizes than the task's"
    hint = "`ignore` and `rename` of train.endpoints take other names"
    if len(shared) < len(landscape.shapes):
        return f"; a network of another kind has no part in this; {hint} of the same"
    own = _known(landscape)
    needed = {_top(prefix_of[name] + name) for name in arrays if name in own}
    globs = {
        name if (top := _top(name)) in needed or top == name else name[: len(top) + 1] + "*": None
        for name in arrays
        if name not in own
    }
    return f'; {hint}: ignore: "{", ".join(globs)}" leaves these out'


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
