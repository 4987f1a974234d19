"""What a config may say of training, and of end points that come from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from landscape.config.endpoint_files import Network, networks_of
from landscape.config.optax_section import LearningRate, Optimizer
from landscape.core.settings import Count, Rate, Settings


class Permute(Settings):
    """A permutation of a layer's units."""

    units: Annotated[tuple[int, ...], Field(min_length=2)]
    """The old place of each unit."""
    axes: Annotated[dict[str, int | tuple[int, ...]], Field(min_length=1)]
    """Array → the axis, or axes, that these units are of it."""

    @field_validator("units")
    @classmethod
    def _permutation(cls, units: tuple[int, ...]) -> tuple[int, ...]:
        if sorted(units) != list(range(len(units))):
            last = len(units) - 1
            raise ValueError(f"must hold each of 0 to {last} once, got {list(units)}")
        return units


class WeightDecay(Settings):
    """Weight decay: rate·θ is added to the gradient, so ½·rate·‖θ‖² to the loss."""

    rate: Annotated[float, Field(ge=0)]
    """Its strength."""
    over: str = "*"
    """Comma-separated globs of the parameters' names that decay."""


Along = Annotated[tuple[str, ...], Field(min_length=1)]  # one network's check points, in order
Given = (
    Annotated[str, WithJsonSchema({"type": "string", "not": {"const": "permuted"}})]
    | Annotated[tuple[str | Along, ...], Field(min_length=1)]
    | dict[str, str | Along]
)
Files = Annotated[
    tuple[str | Along, ...],
    Field(min_length=2),
    BeforeValidator(networks_of, json_schema_input_type=Given),
]


class Endpoints(Settings):
    """Networks trained elsewhere whose files have other arrays than the task."""

    files: Files
    """Their check points, as in `train.endpoints`."""
    ignore: str = ""
    """Comma-separated globs of the arrays that are left out."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Regular expressions → what they are replaced by in the names of the others."""

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
    numbered = isinstance(endpoints, dict) and all(str(key).isdigit() for key in endpoints)
    if isinstance(endpoints, dict | Endpoints) and not (numbered and endpoints):
        return "section"
    return "word" if endpoints == "permuted" else "list"


def _listed(endpoints: object) -> object:
    return networks_of(endpoints) if _form(endpoints) == "list" else endpoints


class Train(Settings):
    """How the models are trained."""

    endpoints: Annotated[
        Annotated[
            Annotated[Files, Tag("list")]
            | Annotated[Literal["permuted"], Tag("word")]
            | Annotated[Endpoints, Tag("section")],
            Discriminator(_form),
        ]
        | None,
        BeforeValidator(_listed),
    ] = None
    """Networks trained elsewhere: a list of their check points, a folder or glob of these, or a
    section with `files`. A list in the list, or `{0: […], 1: […]}`, has the check points of one
    network along its training, each used at the levels that it is the first to meet. Or
    `permuted`: each odd model is the one before it with its units permuted."""
    models: int = Field(default_factory=lambda train: len(_files(train)) or 4, ge=2)
    """How many independent models; the number of endpoints' files where these are given, else 4."""
    optimizer: Optimizer = Field(default_factory=lambda: Optimizer(name="adam"))
    """What training descends by: an optimiser of optax by its name, or `name` and its arguments."""
    learning_rate: LearningRate = 1e-3
    """Its step size: a number, or a schedule of optax as `name` and its arguments."""
    clip: Rate | None = None
    """The largest norm of a gradient; null: any."""
    weight_decay: WeightDecay | None = None
    """Weight decay; null: none."""
    batch_size: Count | None = None
    """Samples a step; null: all."""
    sampling: Literal["epochs"] | None = None
    """How training draws its batches. `epochs`: each sample once, then again in another order;
    null: with replacement."""
    precision: Literal["bfloat16"] | None = None
    """What training computes the loss and its gradient in; null: `compute.precision`, in which the
    parameters and the levels always are."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of a moving average of the parameters, which is then what is judged and kept; null: the
    parameters themselves are."""
    max_steps: Count = 20_000
    """A model's budget."""
    check_every: Count = 10
    """Steps between two checks of the metric."""
    permute: Permute | None = Field(default=None, validate_default=True)
    """With `endpoints: permuted`: how."""

    @property
    def files(self) -> tuple[tuple[str, ...], ...]:
        """The check points of each network, if the models are not trained here."""
        return tuple((one,) if isinstance(one, str) else one for one in _files(vars(self)))

    @property
    def files_key(self) -> str:
        """Where the config names them."""
        return "train.endpoints" + ".files" * isinstance(self.endpoints, Endpoints)

    def file_keys(self) -> Iterator[tuple[str, str]]:
        """The key of each check point, and the check point."""
        for number, one in enumerate(_files(vars(self))):
            key = f"{self.files_key}[{number}]"
            if isinstance(one, str):
                yield key, one
            else:
                yield from ((f"{key}[{at}]", path) for at, path in enumerate(one))

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

    @field_validator("sampling")
    @classmethod
    def _of_batches(cls, sampling: str | None, info: ValidationInfo) -> str | None:
        if sampling and info.data.get("batch_size", 1) is None:
            raise ValueError("goes with train.batch_size")
        return sampling

    @field_validator("permute")
    @classmethod
    def _if_permuted(cls, permute: Permute | None, info: ValidationInfo) -> Permute | None:
        if "endpoints" in info.data and (permute is None) is (info.data["endpoints"] == "permuted"):
            raise ValueError("goes with endpoints: permuted, which needs it")
        return permute


def _files(train: Mapping[str, Any]) -> tuple[Network, ...]:
    endpoints = train.get("endpoints")
    if isinstance(endpoints, Endpoints):
        return endpoints.files
    return endpoints if isinstance(endpoints, tuple) else ()
