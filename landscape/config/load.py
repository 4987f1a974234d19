"""The config: YAML to typed settings, judged whole, with errors that name file, line and key."""

from __future__ import annotations

import copy
import hashlib
import inspect
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from landscape.config.connect_section import connect_of, method_of
from landscape.config.endpoint_files import content
from landscape.config.naming import UNNAMED, digest, plain
from landscape.config.sections import (
    Compute,
    Connect,
    Data,
    Levels,
    Measure,
    Plane,
    Sweep,
    combination_name,
    named_method,
    pair_list,
)
from landscape.config.task_section import TaskSpec, no_task, task_of
from landscape.config.train_section import Train
from landscape.config.validation import (
    ConfigError,
    Problem,
    shown,
    unknown,
    validated,
)
from landscape.config.yaml_source import Source, read_file, to_yaml
from landscape.core.settings import Seed
from landscape.methods.registry import DEFAULT_METHOD


@dataclass(frozen=True)
class Config:
    """All the settings of a run, complete. Made by `load_config` or `config_from`."""

    name: str
    task: TaskSpec
    train: Train
    levels: Levels
    connect: Connect
    measure: Measure
    plane: Plane
    seed: int
    compute: Compute
    data: Data
    _places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def task_key(self) -> str:
        """The key that says which task this is."""
        return "task.factory" if self.task.factory else "task.name"

    def problem(self, key: str, message: str) -> ConfigError:
        """The error to raise about a key (`levels.metric`), naming its file and line if known."""
        return _error(self._places, [(key, message)])

    def chosen_levels(self, levels: Sequence[float] | None) -> list[float]:
        """Those of the config's levels that are asked for, or all. Raises ConfigError."""
        known = list(self.levels.values)
        for level in levels or ():
            if level not in known:
                allowed = ", ".join(map(str, known))
                raise self.problem("levels.values", f"{level} is not a level (allowed: {allowed})")
        return [level for level in known if not levels or level in levels]


SECTIONS: dict[str, Any] = {
    "train": Train,
    "levels": Levels,
    "connect": Connect,
    "measure": Measure,
    "plane": Plane,
    "seed": Seed,
    "compute": Compute,
    "data": Data,
}
_ABSENT = {"seed": 0}  # any other section that is left out is an empty one


# -- loading ---------------------------------------------------------------------------------------


def load_config(path: str | Path, overrides: Sequence[str] = (), seed: int | None = None) -> Config:
    """Read a config; its name is the file's stem.

    Args:
        path: The YAML file.
        overrides: `key.path=value`, with the value in YAML, laid over the file.
        seed: Overrides `seed`.

    Returns:
        The config, complete.

    Raises:
        ConfigError: With every problem, in the order of the file.
    """
    source, data = _read(Path(path))
    return _resolve(source, data, Path(path).stem, overrides, seed)


def _read(path: Path) -> tuple[Source, Any]:
    source, data = read_file(path)
    if data is None:
        raise ConfigError(f"{path}: empty; a config has at least `task` and `levels`")
    return source, data


def config_from(
    mapping: Mapping[str, Any],
    name: str = "run",
    overrides: Sequence[str] = (),
    seed: int | None = None,
) -> Config:
    """Make a config from a mapping that is shaped like the YAML.

    Args:
        mapping: The sections.
        name: Of the config, and so of its run.
        overrides: `key.path=value`, with the value in YAML, laid over the mapping.
        seed: Overrides `seed`.

    Returns:
        The config, complete.

    Raises:
        ConfigError: With every problem.
    """
    if not name or Path(name).name != name:
        raise ConfigError(f"name: must be usable as a directory's name, got {shown(name)}")
    try:
        data = to_jsonable_python(mapping)
    except ValueError as error:
        raise ConfigError(f"not plain data: {error}") from error
    source = Source("")
    return _resolve(source, source.take(data, "", ""), name, overrides, seed)


@dataclass(frozen=True)
class SweepConfig:
    """The runs of a sweep, in the grid's order: values of the swept keys, and the config with them.

    Runs that differ in `connect` alone share a name, so a directory and its end points.
    """

    name: str
    sweep: Sweep
    runs: tuple[tuple[dict[str, Any], Config], ...]

    @property
    def values(self) -> dict[str, list[Any]]:
        """Each swept key's values, in order, without repetition."""
        found: dict[str, list[Any]] = {}
        for values, _ in self.runs:
            for key, value in values.items():
                if value not in found.setdefault(key, []):
                    found[key].append(value)
        return found


def load_sweep(
    path: str | Path, overrides: Sequence[str] = (), seed: int | None = None
) -> SweepConfig | None:
    """Read a config with a `sweep` section; None for one without. Otherwise as `load_config`."""
    path = Path(path)
    source, data = _read(path)
    _override(source, data, overrides, seed)
    given = data.pop("sweep", None)
    if given is None:
        return None
    sweep, problems = validated(Sweep, given, "sweep")
    if sweep is None:
        raise _error(source.places, problems)
    keys = [together.split(",") for together in sweep.over]
    keys = [[key.strip() for key in together] for together in keys]
    for override in overrides:
        key = override.partition("=")[0].strip()
        if any(key == swept or swept.startswith(f"{key}.") for swept in itertools.chain(*keys)):
            raise ConfigError(f"--set {override}: {key} is swept over (sweep.over)")
    runs, wrong = [], {}
    for combination in itertools.product(*map(enumerate, sweep.over.values())):
        own = Source("")
        own.places, own.problems = dict(source.places), list(source.problems)
        chosen, changed = {}, copy.deepcopy(data)
        for given, together, (number, value) in zip(sweep.over, keys, combination, strict=True):
            place = source.places.get(f"sweep.over.{given}[{number}]", "")
            for key, one in zip(together, value if len(together) > 1 else [value], strict=True):
                own.put(changed, key, one, f"{place}: sweep.over")
                chosen[key] = one
        apart = {key: value for key, value in chosen.items() if not key.startswith("connect.")}
        try:
            runs.append((chosen, _judged(own, changed, _labelled(apart) or path.stem)))
        except ConfigError as error:
            for problem in error.problems:
                wrong.setdefault(problem, []).append(combination_name(chosen))
    if wrong:
        tried = len(runs) + len({name for names in wrong.values() for name in names})
        raise ConfigError(*(_where(*found, tried) for found in wrong.items()))
    return SweepConfig(path.stem, sweep, tuple(runs))


def _where(problem: str, names: Sequence[str], tried: int) -> str:
    """A problem with the combination that has it, where not all of those tried have."""
    if len(names) == tried:
        return problem
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{problem} (in the combination {names[0]}{more})"


def _labelled(values: Mapping[str, Any]) -> str:
    """hidden-8-inputs-2, usable as a directory's name."""
    words = (f"{key.rpartition('.')[2]}-{json.dumps(value)}" for key, value in values.items())
    return re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(words)).strip("-")[:100]


def sweep_name(config: SweepConfig) -> str:
    """The name of the sweep's directory, from what its runs' training depends on."""
    hashes = sorted({run_hash(run) for _, run in config.runs})
    return f"{config.name}-{digest(hashes)[:8]}"


def revised(config: Config, overrides: Sequence[str]) -> Config:
    """The config with `key.path=value` overrides laid over it. Raises ConfigError."""
    source = Source("")
    source.places = dict(config._places)
    data = resolved(config)
    _override(source, data, overrides)
    asked = {override.partition("=")[0].strip() for override in overrides}
    _forget_other_searches(config, data, asked)
    _forget_other_method(config, data, asked)
    return _resolve(source, data, config.name, ())


def _forget_other_searches(config: Config, data: dict[str, Any], asked: set[str]) -> None:
    """Where another method or a tree is chosen, that alone is meant, without `connect.also`."""
    connect = data.get("connect")
    if not isinstance(connect, dict) or "connect.also" in asked:
        return
    if connect.get("method") != config.connect.method or connect.get("pairs") == "tree":
        connect.pop("also", None)


def _forget_other_method(config: Config, data: dict[str, Any], asked: set[str]) -> None:
    """Where another method is chosen, leave out the settings that only the one before has."""
    connect = data.get("connect")
    if not isinstance(connect, dict) or connect.get("method") == config.connect.method:
        return
    name, _ = named_method({"method": DEFAULT_METHOD, **connect})
    kind, _ = method_of(name, "connect.method")
    for key in type(config.connect.finder).model_fields:
        if f"connect.{key}" not in asked and (kind is None or key not in kind.model_fields):
            connect.pop(key, None)


def resolved(config: Config) -> dict[str, Any]:
    """The config as plain data, every key of it, shaped like the YAML."""
    chosen = "factory" if config.task.factory else "name"
    task = {chosen: getattr(config.task, chosen), **config.task.keys}
    if config.task.coordinates:
        task["coordinates"] = config.task.coordinates
    if config.task.state:
        task["state"] = config.task.state
    sections = {key: plain(getattr(config, key)) for key in SECTIONS}
    return {"task": task, **sections}


def dump_config(config: Config) -> str:
    """The resolved config as YAML that loads back to an equal config."""
    return to_yaml(resolved(config))


def dump_section(section: Connect | Measure) -> str:
    """A section's settings as YAML, every key of them."""
    return to_yaml(plain(section))


def _resolve(
    source: Source, data: Any, name: str, overrides: Sequence[str], seed: int | None = None
) -> Config:
    _override(source, data, overrides, seed)
    if data.get("sweep") is not None:
        message = "these are several runs, which `lscape run` makes; sweep: null leaves one"
        raise _error(source.places, [("sweep", message)])
    return _judged(source, {key: data[key] for key in data if key != "sweep"}, name)


def _override(source: Source, data: Any, overrides: Sequence[str], seed: int | None = None) -> None:
    if not isinstance(data, dict):
        raise _error(source.places, [("", f"expected keys with values, got {shown(data)}")])
    for override in overrides:
        source.override(data, override, f"--set {override}")
    if seed is not None:
        source.put(data, "seed", seed, f"--seed {seed}")


def _judged(source: Source, data: dict[str, Any], name: str) -> Config:
    problems: list[Problem] = []
    allowed = ["task", *SECTIONS, "sweep"]
    problems += [(key, unknown(key, allowed)) for key in data if key not in allowed]
    task, found = task_of(data["task"]) if "task" in data else (None, [("task", no_task())])
    problems += found
    sections: dict[str, Any] = {}
    for key, kind in SECTIONS.items():
        given = data.get(key, _ABSENT.get(key, {}))
        value, found = connect_of(given) if kind is Connect else validated(kind, given, key)
        problems += found
        if not found:
            sections[key] = value
    problems += _disagreements(task, **{key: sections.get(key) for key in SECTIONS})
    unread = {key for key, _ in source.problems}
    problems = source.problems + [problem for problem in problems if problem[0] not in unread]
    if task is None or problems:
        raise _error(source.places, problems)
    return Config(name=name, task=task, **sections, _places=source.places)


def _disagreements(
    task: TaskSpec | None,
    train: Train | None,
    levels: Levels | None,
    connect: Connect | None,
    **_: Any,
) -> list[Problem]:
    """What is wrong between sections, of those that are right in themselves."""
    problems = []
    if task and train and train.files and task.factory is None:
        message = "needs task.factory, the function that makes the task of these networks"
        problems.append(("train.endpoints", message))
    if levels and connect and 0 in levels.values and connect.target < 1:
        message = (
            f"level 0 cannot be approached from above with connect.target {connect.target}; "
            "set connect.target: 1.0 or use another level"
        )
        problems.append(("levels.values", message))
    if train and connect:
        try:
            pair_list(connect.pairs, train.models)
        except ValueError as error:
            problems.append(("connect.pairs", str(error)))
    return problems


def _error(places: Mapping[str, str], problems: Iterable[Problem]) -> ConfigError:
    """The problems in the order of the places where their keys were given."""
    order = {key: number for number, key in enumerate(places)}

    def given(key: str) -> str:
        while key and key not in places:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return key

    said = (
        ": ".join(filter(None, (places.get(given(key)), key, message)))
        for key, message in sorted(problems, key=lambda problem: order.get(given(problem[0]), 0))
    )
    return ConfigError(*dict.fromkeys(said))


# -- names -----------------------------------------------------------------------------------------


def run_hash(config: Config) -> str:
    """8 hex digits of what a run's training depends on: settings, seed, the factory's source, the
    endpoints' files. Raises ConfigError for an endpoint's file that cannot be read.
    """
    data = resolved(config)
    kept = {key: data[key] for key in ("task", "train", "levels", "seed")}
    # so that a new optional key does not rename the runs that do without it
    kept["train"] = {name: value for name, value in data["train"].items() if value is not None}
    kept |= {"precision": config.compute.precision, "source": _source_hash(config.task)}
    kept["files"] = []
    for key, path in config.train.file_keys():
        whole = hashlib.sha256()
        try:
            for part in content(path):
                whole.update(part)
        except OSError as error:
            message = f"{path}: cannot be read: {error.strerror}"
            raise config.problem(key, message) from error
        kept["files"].append(whole.hexdigest())
    return digest(kept)[:8]


def run_name(config: Config) -> str:
    """The name of the run's directory. Raises ConfigError as `run_hash`."""
    return f"{config.name}-{run_hash(config)}"


def changes(config: Config, own: Config, section: str) -> list[str]:
    """What a section has other than the config's own, as overrides; but for what names neither a
    set nor measures."""
    before, after = (plain(getattr(one, section)) for one in (config, own))
    return [
        f"{section}.{key}={json.dumps(value)}"
        for key, value in after.items()
        if (key not in before or value != before[key]) and key not in UNNAMED[section]
    ]


def _source_hash(task: TaskSpec) -> str | None:
    if task.factory is None:
        return None
    try:
        source = inspect.getsourcefile(inspect.unwrap(task.builder()))
        return source and hashlib.sha256(Path(source).read_bytes()).hexdigest()
    except (TypeError, OSError):  # compiled, or typed into a session
        return None
