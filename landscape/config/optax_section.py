"""Optimisers and schedules of optax: by their names, with the arguments that they take there.

optax is imported when a name is looked up, not before: this file loads without JAX.
"""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_serializer,
    model_validator,
    with_config,
)
from pydantic_core import InitErrorDetails
from typing_extensions import TypedDict

from landscape.config.validation import Problem, unknown, validated
from landscape.core.settings import Rate

LEVEL_OPTIMIZERS = ("gauss-newton", "polyak")  # of beads: our own, which take no arguments
RATE = "learning_rate"  # how the parameter ends that is an optimiser's; a key of its own
KEY = "key"  # of random numbers: what takes one would give all models the same ones
Step = Annotated[str, Field(pattern=r"^\d+$")]
Type = Literal["bfloat16", "float16", "float32", "float64"]


class Call(BaseModel, ABC):
    """A function of optax, and the arguments that it is called with."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    kind: ClassVar[str]

    name: str
    """As optax spells it. Its arguments stand beside it."""

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    @classmethod
    @abstractmethod
    def takes(cls) -> dict[str, Any]:
        """The functions' names → the TypedDict of their arguments."""

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.arguments.items())])

    @model_validator(mode="before")
    @classmethod
    def _as_optax_has_it(cls, given: object) -> object:
        given = {"name": given} if isinstance(given, str) else given
        if not isinstance(given, dict) or not isinstance(name := given.get("name"), str):
            return given
        takes = cls.takes()
        if name not in takes:
            raise _error([(".name", unknown(name, takes, cls.kind))])
        rest = {key: value for key, value in given.items() if key != "name"}
        arguments, problems = validated(takes[name], rest, "")
        if problems:
            raise _error(problems)
        return {"name": name, **arguments}

    @model_serializer(mode="wrap")
    def _short(self, whole: Callable[[Call], Any]) -> Any:
        return whole(self) if self.arguments else self.name

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        takes, known = cls.takes(), []
        for name, arguments in takes.items():
            keys: dict[str, Any] = dict.fromkeys(["name", *arguments.__annotations__], True)
            then: dict[str, Any] = {"properties": keys, "additionalProperties": False}
            if needed := sorted(arguments.__required_keys__):
                then["required"] = needed
            known.append({"if": {"properties": {"name": {"const": name}}}, "then": then})
        names = {"type": "string", "enum": list(takes)}
        whole = {"type": "object", "properties": {"name": names}, "required": ["name"]}
        alone = [name for name, arguments in takes.items() if not arguments.__required_keys__]
        forms: list[dict[str, Any]] = [{"type": "string", "enum": alone}] if alone else []
        return {"anyOf": [*forms, {**whole, "allOf": known}]}


class Schedule(Call):
    """A schedule of optax: a number that changes with the steps, of which the first is 0."""

    kind = "schedule"

    @classmethod
    def takes(cls) -> dict[str, Any]:
        return {name: _arguments(name, function) for name, function in schedules().items()}


class Optimizer(Call):
    """An optimiser of optax: its name, or `name` and its arguments."""

    kind = "optimizer"

    @classmethod
    def takes(cls) -> dict[str, Any]:
        return {name: _arguments(name, function) for name, function in optimizers().items()}


class BeadOptimizer(Optimizer):
    """An optimiser of optax, or one of those that descend the level's own metric."""

    @classmethod
    def takes(cls) -> dict[str, Any]:
        return {**dict.fromkeys(LEVEL_OPTIMIZERS, _keys("none", {})), **super().takes()}


def _form(given: object) -> str:
    return "schedule" if isinstance(given, dict | Schedule) else "number"


def _number_or_schedule(number: Any) -> Any:
    """One of them, so that an error is told of the one that was meant."""
    schedule = Annotated[Schedule, Tag("schedule")]
    return Annotated[Union[Annotated[number, Tag("number")], schedule], Discriminator(_form)]  # noqa: UP007


LearningRate = Annotated[
    Annotated[Rate, Tag("number")] | Annotated[Schedule, Tag("schedule")], Discriminator(_form)
]


@cache
def optimizers() -> dict[str, Callable[..., Any]]:
    """optax's optimisers by name: what takes a learning rate and is not a part of another one."""
    import optax

    def optimizes(function: Callable[..., Any]) -> bool:
        given = inspect.signature(function).parameters
        return KEY not in given and any(key.endswith(RATE) for key in given)

    return {
        name: function
        for name, function in sorted(vars(optax).items())
        if inspect.isfunction(function)
        and not name.startswith(("_", "scale_by_"))
        and optimizes(function)
    }


@cache
def schedules() -> dict[str, Callable[..., Any]]:
    """optax's schedules by name."""
    import optax

    return {
        name: function
        for name, function in sorted(vars(optax.schedules).items())
        if inspect.isfunction(function)
        and inspect.signature(function).return_annotation == optax.Schedule
    }


def rate_of(optimizer: str) -> inspect.Parameter:
    """The parameter of an optimiser that is its learning rate."""
    given = inspect.signature(optimizers()[optimizer]).parameters
    return next(one for key, one in given.items() if key.endswith(RATE))


def takes_schedule(optimizer: str) -> bool:
    """Whether an optimiser's learning rate may be a schedule."""
    parts = get_args(rate_of(optimizer).annotation)
    return any(get_origin(part) is Callable for part in parts)


@cache
def _arguments(name: str, function: Callable[..., Any]) -> Any:
    fields: dict[str, Any] = {}
    for key, parameter in inspect.signature(function).parameters.items():
        kinds = [] if key.endswith(RATE) else _kinds(key, parameter.annotation)
        if kinds:
            kind = Union[tuple(kinds)]  # noqa: UP007
            required = parameter.default is parameter.empty
            fields[key] = Required[kind] if required else NotRequired[kind]
    return _keys(name, fields)


def _keys(name: str, fields: dict[str, Any]) -> Any:
    return with_config(ConfigDict(extra="forbid"))(TypedDict(name, fields))  # type: ignore[misc]


def _kinds(key: str, annotation: Any) -> list[Any]:
    """What a config may hold for a parameter; a mask is globs of the parameters' names."""
    if key.endswith("mask"):
        return [str]
    if "dtype" in key:
        return [Type]
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    kinds: list[Any] = [part for part in parts if part in (str, NoneType)]
    if float in parts:
        scheduled = any(get_origin(part) is Callable for part in parts)
        kinds.append(_number_or_schedule(float) if scheduled else float)
    elif int in parts or bool in parts:
        kinds += [part for part in parts if part in (int, bool)]
    for part in parts:
        if get_origin(part) is dict:
            kinds.append(dict[Step, float])
        elif get_origin(part) in (Sequence, Iterable):
            (item,) = get_args(part)
            kinds.append(tuple[_item(item), ...])
    return kinds


def _item(item: Any) -> Any:
    """An item of a list of arguments."""
    if get_origin(item) is Callable:
        return Schedule
    return dict[str, int | float] if get_origin(item) is dict else item


def _error(problems: list[Problem]) -> ValidationError:
    """The problems, each at its place below the call."""
    details = [
        InitErrorDetails(
            type="value_error",
            loc=tuple(int(number) if number else key for key, number in PLACE.findall(where)),
            input=None,
            ctx={"error": ValueError(said)},
        )
        for where, said in problems
    ]
    return ValidationError.from_exception_data("Call", details)


PLACE = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
