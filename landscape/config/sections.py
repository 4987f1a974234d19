"""What a config may say, section by section."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ByteSize,
    Field,
    SerializeAsAny,
    TypeAdapter,
    ValidationInfo,
    field_validator,
)

from landscape.config.cluster_section import Cluster
from landscape.config.optax_section import BeadOptimizer, LearningRate
from landscape.config.train_section import WeightDecay
from landscape.config.validation import validated
from landscape.core.alignment import Align
from landscape.core.settings import ADAPTIVE, Count, Seed, Settings
from landscape.measures.base import Measure as OtherMeasure
from landscape.measures.registry import MEASURES, load_measure
from landscape.methods.base import Method
from landscape.methods.registry import DEFAULT_METHOD, load_method

PATH_FILE = ".safetensors"  # of a path to begin from


def _bytes(given: object) -> object:
    """What a text such as `2GiB` means, in bytes."""
    return int(TypeAdapter(ByteSize).validate_python(given)) if isinstance(given, str) else given


Bytes = Annotated[int, Field(ge=2**20), BeforeValidator(_bytes, json_schema_input_type=int | str)]


def _listed(given: object) -> object:
    """One text as a list of it."""
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, list) else given


class Data(Settings):
    """Where files of data sets are looked for."""

    dir: str | None = None
    """A folder, before $LSCAPE_DATA and the user's cache; kept as an absolute path."""

    @field_validator("dir")
    @classmethod
    def _absolute(cls, folder: str | None) -> str | None:
        return None if folder is None else str(Path(folder).absolute())


class Levels(Settings):
    """What the levels bound."""

    metric: str = "loss"
    """A metric of the task that falls as models get better."""
    split: str = "train"
    """On which data it is evaluated."""
    values: Annotated[tuple[float, ...], Field(min_length=1)]
    """The levels; kept from high to low."""

    @field_validator("values")
    @classmethod
    def _descending(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        for level in values:
            if values.count(level) > 1:
                raise ValueError(f"{level} is given more than once")
        return tuple(sorted(values, reverse=True))


class Searches(Settings):
    """How paths are searched and judged, by whatever method."""

    method: str = DEFAULT_METHOD
    """The path finder: its name, or `module:Class`. A list of them is a `sequence`: each begins
    from the path of the one before."""
    also: Annotated[
        tuple[str | dict[str, Any], ...],
        BeforeValidator(_listed, json_schema_input_type=str | tuple[str | dict[str, Any], ...]),
    ] = ()
    """More path finders, each by its name, or `method` and its settings. Each searches the same
    pairs and levels as a set of its own: a second opinion on lengths. Not with `pairs: tree`."""
    start: str | None = None
    """The path that a search begins from: a construction's name, or a safetensors file of
    beads; null: the straight line."""
    align: Align | None = None
    """Permute the units of the second end so that it is near the first: by its weights; by these
    with the signs and scales of its units, where the activation allows; by its activations; or so
    that the loss halfway is low. Search the pair so besides as it is; null: as it is alone."""
    pairs: str = "all"
    """`all`, `disjoint` (0-1, 2-3, …), `tree` (what can still connect components), or a list
    such as `0-1,0-2`."""
    tries: Count = 4
    """With `pairs: tree`: how many pairs may fail that would connect a model to the others; as
    many again for a group each time that it is twice as large."""
    target: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Beads descend to level − (1 − target)·|level|."""
    tolerance: Annotated[float, Field(ge=1)] = 1.0
    """A path may rise to level + (tolerance − 1)·|level|."""
    grid: Annotated[int, Field(ge=2)] | Literal[0] = ADAPTIVE
    """Points of a fixed grid on each segment, before maxima are refined; 0: as many as the cubics
    through them need (a grid of 50 for a metric that has neither gradient nor margins)."""
    max_steps_per_bead: Count = 20_000
    """A bead's budget."""
    budget: Count | None = None
    """Gradients that the search of a pair at a level may cost, a loss along its path counted as a
    third of one; what connects is drawn tight by what is left. Null: what the method's own settings
    let it."""
    tighten: bool = True
    """Draw a path that connects tight, at no more than its search has cost; the path of a method
    that does not search stays as it is."""
    chain: bool = True
    """Search a pair that was missed again, from its path at another level, if the method can;
    not with `pairs: tree`."""
    optimizer: BeadOptimizer | None = None
    """What beads descend by: `gauss-newton` or `polyak`, which descend the level's own metric, or
    what `train.optimizer` may be. Null: the first two where it is possible and cheap, else as in
    training."""
    learning_rate: LearningRate | None = None
    """Of the beads; null: training's."""
    weight_decay: WeightDecay | None = None
    """Of the beads; null: training's."""
    length_over: str = "*"
    """Comma-separated globs of the parameters' names that lengths and chords are over."""
    seed: Seed | None = None
    """Of the searches; null: the run's."""

    @property
    def start_method(self) -> str | None:
        """The method that makes the path that a search begins from, if it is no file."""
        return None if self.start is None or self.start.endswith(PATH_FILE) else self.start

    @field_validator("pairs")
    @classmethod
    def _readable(cls, pairs: str) -> str:
        _given_pairs(pairs)
        return pairs


class Connect(Searches):
    """The same with the settings of the method, `finder`, which stand beside them in a config."""

    finder: SerializeAsAny[Method] = Field(
        default_factory=lambda searches: load_method(searches["method"])()
    )

    def flat(self) -> dict[str, Any]:
        """All settings as plain data, the method's own among them, as they stand in a config."""
        finder = self.finder.model_dump(mode="json")
        rest = self.model_dump(mode="json", exclude={"finder"})
        return {"method": rest.pop("method"), **finder, **rest}

    @property
    def others(self) -> list[Connect]:
        """The searches of `also`: other methods, at these settings of every search."""
        found = []
        for name, given in map(named_method, self.also):
            finder = load_method(name)(**given)
            found.append(self.model_copy(update={"method": name, "finder": finder, "also": ()}))
        return found

    @property
    def searches(self) -> list[Connect]:
        """This search and those of `also`; each of them without `align` besides."""
        every = [self, *self.others]
        raw = [one.model_copy(update={"align": None}) for one in every if one.align is not None]
        return [*every, *raw]


def named_method(entry: str | Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The method's name that an entry of `connect.also` gives, and its settings; a list of names is
    a sequence."""
    given = {"method": entry} if isinstance(entry, str) else dict(entry)
    name = given.pop("method", None)
    return (
        ("sequence", {"methods": list(name), **given})
        if isinstance(name, list | tuple)
        else (name, given)
    )


Theory = Literal[
    "linear-vs-relu", "ridge-depth", "width", "smoothness", "swapped-teacher", "poor-minima"
]
# keys that an experiment's figure and sentences are over, and the measures that they are made of
NEEDED = {
    "linear-vs-relu": (("task.activation", "connect.method"), ("share", "excess", "curve_excess")),
    "ridge-depth": (("task.kappa", "task.hidden", "connect.method"), ("share",)),
    "width": (
        ("task.inputs", "task.hidden", "connect.method"),
        ("lowered_gap", "curve_excess", "epsilon - e(m)"),
    ),
    "smoothness": (
        ("task.target", "task.decay", "task.spread", "task.hidden"),
        ("epsilon - e(m)",),
    ),
    "swapped-teacher": (("task.hidden",), ("lowest_max", "gap", "lowered_gap")),
    "poor-minima": (("task.hidden", "task.activation"), ("poor", "minima")),
}


class Sweep(Settings):
    """A grid of runs, and what its report shows of them."""

    over: Annotated[dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]], Field(min_length=1)]
    """Key → its values; every combination is a run. Keys joined by commas vary together, each
    value a list of one for each."""
    measures: Annotated[tuple[str, ...], Field(min_length=1)] = ("share", "normalized_length")
    """What the report shows of the runs."""
    chart: Literal["lines", "map"] = "lines"
    """Lines, or a map over the two numeric keys."""
    rate: bool = False
    """Fit measure ∝ key^rate to every line."""
    theory: Theory | None = None
    """Which experiment on the paper's theorems this is; its figure and sentences stand first
    (docs/theory.md)."""

    @field_validator("over")
    @classmethod
    def _of_a_run(cls, over: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        named = [key.strip() for together in over for key in together.split(",")]
        for key in named:
            if key.partition(".")[0] == "sweep" or named.count(key) > 1:
                raise ValueError(f"'{key}' is no key of a run, or is given more than once")
        for key, values in over.items():
            count = key.count(",") + 1
            if count > 1 and not all(isinstance(v, list) and len(v) == count for v in values):
                raise ValueError(f"each value of '{key}' must be a list of {count}, one a key")
            if any(value in values[:number] for number, value in enumerate(values)):
                raise ValueError(f"'{key}' has a value more than once")
        return over

    @field_validator("theory")
    @classmethod
    def _with_what_it_needs(cls, theory: Theory | None, info: ValidationInfo) -> Theory | None:
        if theory and {"over", "measures"} <= {*info.data}:
            swept = {key.strip() for together in info.data["over"] for key in together.split(",")}
            given = swept, {*info.data["measures"]}
            for name, needed, had in zip(("over", "measures"), NEEDED[theory], given, strict=True):
                missing = ", ".join(one for one in needed if one not in had)
                if missing:
                    raise ValueError(f"{theory} needs sweep.{name} to have {missing}")
        return theory


class Measure(Settings):
    """What is measured of connected paths and of models, and how finely."""

    shorten: bool = True
    """Shorten each path inside its level set before it is measured."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 3e-3
    """How little its length may move when its beads are doubled."""
    max_beads: Annotated[int, Field(ge=5)] = 65
    """At which no more beads are added."""
    max_sweeps: Count = 400
    """The budget of steps of the shortening."""
    samples: Count = 1000
    """Of the split, for lengths in function space."""
    hessian: bool = True
    """Take second derivatives: along paths, at their highest point, and at every model."""
    points: Count = 3
    """Of a path, besides its highest one, at which they are taken."""
    steps: Annotated[int, Field(ge=2)] = 60
    """Of Lanczos, at most."""
    spectrum: Annotated[int, Field(ge=0)] = 1
    """Of how many models a level, and paths a set and level, the whole spectrum is kept."""
    probes: Count = 8
    """Random vectors for the spectrum and the trace."""
    over: Annotated[
        tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...])
    ] = ()
    """Subsets of the parameters, as globs: extremes and trace of their blocks of the Hessian
    are taken at every model, too."""
    top: Count = 1
    """How many of the largest eigenvalues are taken at every model."""
    barriers: bool = True
    """Lower the barriers of the disconnectivity graph. These are the run's, whatever else is
    measured."""
    also: Annotated[
        tuple[str | dict[str, Any], ...],
        BeforeValidator(_listed, json_schema_input_type=str | tuple[str | dict[str, Any], ...]),
    ] = ()
    """Other measures of paths or models: each by its name, `module:Class`, or `name` and its
    settings."""

    @field_validator("also")
    @classmethod
    def _known(cls, also: tuple[str | dict[str, Any], ...]) -> tuple[str | dict[str, Any], ...]:
        for entry in also:
            _measure_of(entry)
        return also

    @property
    def others(self) -> list[OtherMeasure]:
        """The measures of `also`, with their settings."""
        return [_measure_of(entry) for entry in self.also]


def _measure_of(entry: str | dict[str, Any]) -> OtherMeasure:
    """A measure by its name, or by `name` and its settings. Raises ValueError."""
    given = {"name": entry} if isinstance(entry, str) else dict(entry)
    name = given.pop("name", None)
    if not isinstance(name, str):
        raise ValueError("an entry is a name, or has a name beside the measure's settings")
    try:
        kind = load_measure(name)
    except KeyError:
        allowed = ", ".join(MEASURES.names())
        raise ValueError(f"unknown measure '{name}' (allowed: {allowed}, module:Class)") from None
    except ImportError as error:
        raise ValueError(str(error)) from None
    measure, problems = validated(kind, given, name)
    for where, said in problems:
        allowed = ", ".join(kind.model_fields) or "no settings"
        raise ValueError(f"{where}: {said} (allowed: {allowed})")
    return measure


class Plane(Settings):
    """How planes along random directions are drawn."""

    filters: dict[str, int | tuple[int, ...] | None] = Field(default_factory=dict)
    """Pattern of parameters' names → the axis, or axes, that numbers an array's filters; []
    where it is one, null where random directions hold it still. Goes before what the task
    says."""


class Compute(Settings):
    """How models share the devices."""

    precision: Literal["float32", "float64"] = "float32"
    """Of all parameters and losses."""
    matmul: Literal["exact", "fast"] = "exact"
    """How gradients that are descended multiply matrices; `fast`: in what the device is fast in,
    which may be less than their type. Levels and certificates are always exact."""
    strategy: Literal["auto", "map", "vmap"] = "auto"
    """`map`: one model at a time on each device; `vmap`: all of a call at once; `auto`: map on
    CPUs, vmap elsewhere."""
    devices: Count | None = None
    """How many to use, of each worker; null: all."""
    spread: Count | None = 1
    """Over how many devices each model's parameters are spread, where they do not fit one; null:
    over all. Models are side by side on as many others as there are."""
    memory: Bytes = 2**31
    """Bytes for the parameters and optimiser states, and the paths searched together; as 2GiB.
    Workers on this machine share it."""
    workers: Count = 1
    """How many processes share the models and pairs; 1: this one alone. With `cluster` of `ssh`,
    on each host."""
    cluster: Cluster | None = None
    """Where the workers run; null: on this machine, each with its share of the cores and GPUs."""
    scheduler: str | None = None
    """The address of a Dask scheduler whose workers share them, instead of workers of our
    own."""

    @property
    def shares_machine(self) -> bool:
        """Whether several workers run on this machine."""
        return self.workers > 1 and self.cluster is None and self.scheduler is None


def pair_list(pairs: str, models: int) -> list[tuple[int, int]]:
    """The pairs (a < b) that `all`, `disjoint` or a list such as `0-1,0-2` means, in that order;
    for `tree`, those that it chooses from, all.

    Disjoint pairs are 0-1, 2-3, …; an odd model is left over. Raises ValueError naming the item.
    """
    if pairs in ("all", "tree"):
        return list(itertools.combinations(range(models), 2))
    if pairs == "disjoint":
        return [(a, a + 1) for a in range(0, models - 1, 2)]
    given = _given_pairs(pairs)
    for a, b in given:
        if b >= models:
            raise ValueError(f"there is no pair {a}-{b}: the {models} models are 0 to {models - 1}")
    return given


def _given_pairs(pairs: str) -> list[tuple[int, int]]:
    if pairs in ("all", "disjoint", "tree"):
        return []
    given = []
    for item in pairs.split(","):
        ends = re.fullmatch(r"\s*([0-9]{1,9})-([0-9]{1,9})\s*", item)
        a, b = sorted(map(int, ends.groups())) if ends else (0, 0)
        if a == b:
            raise ValueError(
                f"'{item.strip()}' is not a pair of two models "
                "(allowed: all, disjoint, tree, or a list such as 0-1,0-2)"
            )
        given.append((a, b))
    return list(dict.fromkeys(given))


def combination_name(values: Mapping[str, Any]) -> str:
    """One combination of a sweep, for a reader: hidden [8], method dss."""
    return ", ".join(
        f"{key.rpartition('.')[2]} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
    )
