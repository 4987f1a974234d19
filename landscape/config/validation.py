"""Plain data judged against types by pydantic, with its findings in a config's words."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal, NotRequired, Required, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import SchemaValidator, to_jsonable_python
from typing_extensions import TypedDict, is_typeddict

Problem = tuple[str, str]  # key, what is wrong with it
# keys of a task that are no arguments of its builder
RESERVED = ("name", "factory", "coordinates", "state")


class ConfigError(ValueError):
    """What is wrong with a config: all of its problems, each with file, line and key."""

    @property
    def problems(self) -> tuple[str, ...]:
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.problems)


def validated(kind: Any, data: Any, key: str) -> tuple[Any, list[Problem]]:
    """Plain data as the type says, and what is wrong with it."""
    try:
        return _validator(kind).validate_python(data), []
    except ValidationError as error:
        said: dict[str, str] = {}
        for detail in error.errors(include_url=False):
            where = key + _path(detail["loc"], data)
            message = _message(detail, kind)
            if message and message not in said.setdefault(where, message):
                said[where] += f"; or {message}"
        return None, list(said.items())


STRICT = {"int", "float", "bool"}
OWN_WORDS = {"metadata", "default", "serialization", "expected"}  # of a schema; no schemas in them


@lru_cache(64)  # the type of a task's keys is made again each time: not all can be kept
def _validator(kind: Any) -> SchemaValidator:
    """What takes lists for tuples and keys with values for models, but neither "3" for 3 nor true
    for 1: pydantic's strict mode would refuse all four, its other mode none."""
    schema = _strict_numbers(TypeAdapter(kind).core_schema)
    # else a model inside would be judged by the validator that its class has already
    return SchemaValidator(schema, _use_prebuilt=False)


def _strict_numbers(schema: Any) -> Any:
    if isinstance(schema, list | tuple):
        return type(schema)(map(_strict_numbers, schema))
    if not isinstance(schema, dict):
        return schema
    strict = {"strict": True} if schema.get("type") in STRICT else {}
    return strict | {
        key: value if key in OWN_WORDS else _strict_numbers(value) for key, value in schema.items()
    }


def _path(loc: Sequence[int | str], data: Any) -> str:
    """The place of an error as `.key[index]`, without pydantic's names of a union's members."""
    path = ""
    for number, part in enumerate(loc):
        if isinstance(part, int):
            path += f"[{part}]"
            data = data[part] if isinstance(data, list) and part < len(data) else None
        elif isinstance(data, dict) and (part in data or number == len(loc) - 1):
            path += f".{part}"
            data = data.get(part)
    return path


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "none_required": "null",
}


def _message(detail: Any, kind: Any) -> str | None:
    """pydantic's finding in the config's words; None for one that another explains."""
    found, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    if found == "extra_forbidden":
        for part in detail["loc"][:-1]:
            kind = _fields(kind).get(part, kind)
        return unknown(str(detail["loc"][-1]), _fields(kind))
    if found == "default_factory_not_called":
        return None
    if found == "missing":
        return "missing, and it has no default"
    if found == "union_tag_not_found":
        return f"needs {context['discriminator'].strip(chr(39))}"
    if found == "union_tag_invalid":
        allowed = re.findall(r"'([^']*)'", context["expected_tags"])
        return unknown(context["tag"], allowed, context["discriminator"].strip("'"))
    if found == "value_error":
        return str(context["error"])
    if found == "literal_error":
        options = context["expected"].replace(" or ", ", ")
        start = "expected one of" if ", " in options else "expected"
        near = _did_you_mean(given, re.findall(r"'([^']*)'", options))
        return f"{start} {options}; got {shown(given)}{near}"
    if found in ("too_short", "too_long"):
        bound = context.get("min_length", context.get("max_length"))
        if found == "too_short" and len(given) >= bound:
            return None  # pydantic counts only the items that are right
        most = "least" if found == "too_short" else "most"
        return f"must have at {most} {bound} item{'s' * (bound != 1)}, got {len(given)}"
    if found in _EXPECTED:
        return f"expected {_EXPECTED[found]}, got {shown(given)}"
    rule = detail["msg"].replace("Input should be", "must be").replace("Value error, ", "")
    return f"{rule[0].lower()}{rule[1:]}, got {shown(given)}"


def _fields(kind: Any) -> dict[str, Any]:
    """The keys of a section, wherever in a type (optional, a list's item, …) it stands."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: info.annotation for name, info in kind.model_fields.items()}
    if is_typeddict(kind):
        return dict(kind.__annotations__)
    return {name: value for part in get_args(kind) for name, value in _fields(part).items()}


def unknown(key: str, allowed: Iterable[str], what: str = "key") -> str:
    names = list(allowed)
    said = f" '{key}'" if what != "key" else ""
    options = ", ".join(names) or "none"
    return f"unknown {what}{said}{_did_you_mean(key, names)} (allowed: {options})"


def _did_you_mean(given: Any, allowed: Iterable[str]) -> str:
    near = get_close_matches(given, list(allowed), 1) if isinstance(given, str) else []
    return f"; did you mean '{near[0]}'?" if near else ""


def shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def parameters_of(build: Callable[..., Any], given: type) -> tuple[type, dict[str, Any]]:
    """A type for the keyword arguments of a builder, and its defaults as plain data.

    A parameter of the type `given` is no key: the house provides it. A default that is not plain
    data, such as a function, is left to the builder.
    """
    fields: dict[str, Any] = {}
    defaults = {}
    extra: Literal["allow", "forbid"] = "forbid"
    for name, parameter in inspect.signature(build, eval_str=True).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = "allow"
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if parameter.annotation is given:
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY or name in RESERVED:
            raise TypeError(f"'{name}' is positional-only, or a key that means something else")
        annotation, default = parameter.annotation, parameter.default
        annotated = annotation is not parameter.empty
        if not annotated:
            annotation = tuple if isinstance(default, tuple) else Any
        if default is parameter.empty:
            fields[name] = Required[annotation]
            continue
        fields[name] = NotRequired[annotation | None if default is None else annotation]
        try:
            convert = to_jsonable_python if annotated else None
            defaults[name] = json.loads(json.dumps(default, default=convert, allow_nan=False))
        except (TypeError, ValueError):
            continue
    config = ConfigDict(extra=extra, arbitrary_types_allowed=True)
    kind = with_config(config)(TypedDict("Keys", fields))  # type: ignore[misc]
    TypeAdapter(kind)
    return kind, defaults
