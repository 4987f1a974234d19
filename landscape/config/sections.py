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
    Discriminator,
    Field,
    SerializeAsAny,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from landscape.core.settings import Count, Rate, Seed, Settings
from landscape.measures.base import Measure as OtherMeasure
from landscape.measures.registry import MEASURES, load_measure
from landscape.methods.base import Method
from landscape.methods.registry import DEFAULT_METHOD, load_method

PATH_FILE = ".safetensors"  # of a path to begin from

Optimizer = Literal["adam", "sgd"]


def _bytes(given: object) -> object:
    """What a text such as `2GiB` means, in bytes."""
    return int(TypeAdapter(ByteSize).validate_python(given)) if isinstance(given, str) else given


Bytes = Annotated[int, Field(ge=2**20), BeforeValidator(_bytes, json_schema_input_type=int | str)]


class Permute(Settings):
    """A permutation of units, the old place of each, and the axis or axes that they are of each
    array."""

    units: Annotated[tuple[int, ...], Field(min_length=2)]
    axes: Annotated[dict[str, int | tuple[int, ...]], Field(min_length=1)]

    @field_validator("units")
    @classmethod
    def _permutation(cls, units: tuple[int, ...]) -> tuple[int, ...]:
        if sorted(units) != list(range(len(units))):
            last = len(units) - 1
            raise ValueError(f"must hold each of 0 to {last} once, got {list(units)}")
        return units


class RateDecay(Settings):
    """From step `after` on, the learning rate is multiplied by `factor` every so many steps."""

    after: Annotated[int, Field(ge=0)]
    every: Count
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5


class WeightDecay(Settings):
    """rate·θ is added to the gradient (½·rate·‖θ‖² to the loss) of parameters that match `over`."""

    rate: Annotated[float, Field(ge=0)]
    over: str = "*"


Files = Annotated[tuple[str, ...], Field(min_length=2)]


class Endpoints(Settings):
    """Networks trained elsewhere whose files have other arrays than the task.

    files: safetensors files, one a network; ignore: comma-separated globs of the arrays that are
    left out; rename: regular expressions, and what they are replaced by in the names of the others.
    """

    files: Files
    ignore: str = ""
    rename: dict[str, str] = Field(default_factory=dict)

    @field_validator("rename")
    @classmethod
    def _expressions(cls, rename: dict[str, str]) -> dict[str, str]:
        for pattern, replacement in rename.items():
            try:
                re.sub(pattern, replacement, "")
            except (re.error, IndexError) as error:
                said = f"'{pattern}: {replacement}' is no regular expression and its replacement"
                raise ValueError(f"{said}: {error}") from None
        return rename


def _form(endpoints: object) -> str:
    """Which of its forms `train.endpoints` has, so that errors are told of that one alone."""
    if isinstance(endpoints, dict | Endpoints):
        return "section"
    return "word" if isinstance(endpoints, str) else "list"


class Train(Settings):
    """How the models are trained. endpoints: the safetensors files that hold them instead; or
    `permuted`: each odd model is the one before it with its units permuted, as `permute` says.
    """

    endpoints: (
        Annotated[
            Annotated[Files, Tag("list")]
            | Annotated[Literal["permuted"], Tag("word")]
            | Annotated[Endpoints, Tag("section")],
            Discriminator(_form),
        ]
        | None
    ) = None
    models: int = Field(default_factory=lambda train: len(_files(train)) or 4, ge=2)
    optimizer: Optimizer = "adam"
    learning_rate: Rate = 1e-3
    rate_decay: RateDecay | None = None
    clip: Rate | None = None
    weight_decay: WeightDecay | None = None
    batch_size: Count | None = None
    max_steps: Count = 20_000
    check_every: Count = 10
    permute: Permute | None = Field(default=None, validate_default=True)

    @property
    def files(self) -> tuple[str, ...]:
        """The end points' files, if the models are not trained here."""
        return _files(vars(self))

    @property
    def files_key(self) -> str:
        """Where the config names them."""
        return "train.endpoints" + ".files" * isinstance(self.endpoints, Endpoints)

    @field_validator("models")
    @classmethod
    def _one_an_endpoint(cls, models: int, info: ValidationInfo) -> int:
        files = _files(info.data)
        if files and models != len(files):
            count = len(files)
            raise ValueError(f"must be left out or {count}, as the endpoints are; got {models}")
        if info.data.get("endpoints") == "permuted" and models % 2:
            raise ValueError(f"must be even, a model and its permuted twin; got {models}")
        return models

    @field_validator("permute")
    @classmethod
    def _if_permuted(cls, permute: Permute | None, info: ValidationInfo) -> Permute | None:
        if "endpoints" in info.data and (permute is None) is (info.data["endpoints"] == "permuted"):
            raise ValueError("goes with endpoints: permuted, which needs it")
        return permute


def _files(train: Mapping[str, Any]) -> tuple[str, ...]:
    endpoints = train.get("endpoints")
    if isinstance(endpoints, Endpoints):
        return endpoints.files
    return endpoints if isinstance(endpoints, tuple) else ()


class Data(Settings):
    """dir: where to look for the files of data sets, before $LSCAPE_DATA and the user's cache; kept
    as an absolute path, so that a run can be continued from another working directory."""

    dir: str | None = None

    @field_validator("dir")
    @classmethod
    def _absolute(cls, folder: str | None) -> str | None:
        return None if folder is None else str(Path(folder).absolute())


class Levels(Settings):
    """What is measured, on which split, and the levels of it, kept from high to low."""

    metric: str = "loss"
    split: str = "train"
    values: Annotated[tuple[float, ...], Field(min_length=1)]

    @field_validator("values")
    @classmethod
    def _descending(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        for level in values:
            if values.count(level) > 1:
                raise ValueError(f"{level} is given more than once")
        return tuple(sorted(values, reverse=True))


class Searches(Settings):
    """How paths are searched and judged, by whatever method.

    None: as in training. With optimizer, learning_rate and weight_decay all None, gauss-newton or
    polyak where the level's metric can be descended on few training data. start: the path that a
    search begins from, the straight line if left out: what a construction makes, or a file of beads
    (stages/start_path.py).
    tries: with pairs `tree`, how many may fail that would join a model to the others; as many again
    for a group each time that it is twice as large. A tree does not chain: it tries another pair.
    """

    method: str = DEFAULT_METHOD
    start: str | None = None
    pairs: str = "all"
    tries: Count = 4
    target: Annotated[float, Field(gt=0, le=1)] = 0.95
    tolerance: Annotated[float, Field(ge=1)] = 1.0
    grid: Annotated[int, Field(ge=2)] = 50
    max_steps_per_bead: Count = 20_000
    chain: bool = True
    optimizer: Optimizer | Literal["gauss-newton", "polyak"] | None = None
    learning_rate: Rate | None = None
    weight_decay: WeightDecay | None = None
    length_over: str = "*"
    seed: Seed | None = None

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
    """A grid of runs. over: key → its values, every combination of which is a run; keys that are
    joined by commas vary together, each value a list of one for each. What the report shows of the
    runs: measures, drawn as lines, or as a map over the two numeric keys; rate: fit measure ∝
    key^rate to every line; theory: which experiment on the paper's theorems this is, whose figure
    and sentences stand first (docs/theory.md).
    """

    over: Annotated[dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]], Field(min_length=1)]
    measures: Annotated[tuple[str, ...], Field(min_length=1)] = ("share", "normalized_length")
    chart: Literal["lines", "map"] = "lines"
    rate: bool = False
    theory: Theory | None = None

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


def _listed(given: object) -> object:
    """One text as a list of it."""
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, list) else given


class Measure(Settings):
    """What is measured of connected strings and of models, and how finely.

    shorten: lengths and curvatures of the string shortened inside its level set, until its length
    moves by less than `tolerance` when its beads are doubled, or `max_beads` or `max_sweeps` are
    spent; samples: of the split, for lengths in function space; hessian: second derivatives, at so
    many `points` of a string, at its highest point, and at every model; steps: of Lanczos;
    spectrum: of how many models a level, and strings a set and level, the first ones, the spectrum
    is kept, of a string at the same points; probes: random vectors for the spectrum and the trace;
    over: subsets of the parameters, globs on the arrays' names, of whose blocks of the Hessian the
    extremes and the trace are taken at every model, too; top: how many of the largest eigenvalues;
    also: other measures of paths or models, each by its name, or its `name` and its settings;
    barriers: lower those of the disconnectivity graph, along the models' own paths between their
    snapshots too. These are the run's, whatever else is measured.
    """

    shorten: bool = True
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 3e-3
    max_beads: Annotated[int, Field(ge=5)] = 65
    max_sweeps: Count = 400
    samples: Count = 1000
    hessian: bool = True
    points: Count = 3
    steps: Annotated[int, Field(ge=2)] = 60
    spectrum: Annotated[int, Field(ge=0)] = 1
    probes: Count = 8
    over: Annotated[
        tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...])
    ] = ()
    top: Count = 1
    barriers: bool = True
    also: Annotated[
        tuple[str | dict[str, Any], ...],
        BeforeValidator(_listed, json_schema_input_type=str | tuple[str | dict[str, Any], ...]),
    ] = ()

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
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        allowed = ", ".join(kind.model_fields) or "no settings"
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{name}: {where}: {first['msg']} (allowed: {allowed})") from None


class Plane(Settings):
    """filters: pattern of parameters' names → the axis, or axes, that numbers an array's filters,
    [] where it is one, null where random directions hold it still; before what the task says.
    """

    filters: dict[str, int | tuple[int, ...] | None] = Field(default_factory=dict)


class Compute(Settings):
    precision: Literal["float32", "float64"] = "float32"
    strategy: Literal["auto", "map", "vmap"] = "auto"
    devices: Count | None = None
    memory: Bytes = 2**31


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
