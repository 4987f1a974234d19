"""The JSON schema of a config, for editors: made from the types that judge a config when it runs.

It refuses nothing that a run would take, but not all that a run refuses: what validators say of
several keys together (`_disagreements` in load.py, say) has no words in a schema.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from landscape.config.load import SECTIONS
from landscape.config.sections import Connect, Searches, Sweep
from landscape.config.validation import parameters_of
from landscape.core.settings import Settings
from landscape.data import Store
from landscape.measures.registry import MEASURES, load_measure
from landscape.methods.registry import DEFAULT_METHOD, METHODS, load_method
from landscape.tasks.registry import TASKS, load_builder

Schema = dict[str, Any]  # JSON

DIALECT = "http://json-schema.org/draft-07/schema#"  # the newest that editors have in common
FROM_A_MODULE = {"pattern": r"^\w+(\.\w+)*:\w+$"}


def config_schema() -> Schema:
    """The schema of a config: its sections, every registered task, method and measure, and sweeps.

    It imports the tasks, and so JAX. The settings of a plug-in that is not trusted, or does not
    load, are free.
    """
    definitions: Schema = {}
    sections = {
        name: _connect(definitions) if kind is Connect else _schema_of(kind, name, definitions)
        for name, kind in SECTIONS.items()
    }
    also = _several("name", MEASURES.names(), MEASURES.at_hand(load_measure), definitions)
    sections["measure"]["properties"]["also"] |= also
    required = {name: part.pop("required", []) for name, part in sections.items()}
    task, task_required = _task(definitions)
    complete = {name: {"required": keys} for name, keys in required.items() if keys}
    return {
        "$schema": DIALECT,
        "title": "A config of lscape",
        "type": "object",
        "properties": {
            "task": task,
            **sections,
            "sweep": {"anyOf": [_schema_of(Sweep, "sweep", definitions), {"type": "null"}]},
        },
        "additionalProperties": False,
        # a sweep may bring what is missing
        "if": {"properties": {"sweep": {"type": "null"}}},
        "then": {
            "required": ["task", *complete],
            "properties": {"task": task_required, **complete},
        },
        "$defs": definitions,
    }


def _task(definitions: Schema) -> tuple[Schema, Schema]:
    """The task's section, and what must be in it."""
    head = {
        "name": {"enum": [*TASKS.names(), None], "description": "a task by its name"},
        "factory": {
            "type": ["string", "null"],
            **FROM_A_MODULE,
            "description": "module:function, which makes the task; its arguments are keys here",
        },
        "coordinates": {
            "enum": ["all", None],
            "description": "all: arrays that look like state are searched, too",
        },
        "state": {
            "enum": ["recompute", "stored", "interpolate", None],
            "description": "where running statistics come from at a point of a path",
        },
    }
    known, required = [], []
    for name, build in TASKS.at_hand(load_builder).items():
        try:
            kind, defaults = parameters_of(build, Store)
        except Exception:  # what evaluating a broken package's annotations raises, say
            continue  # its task can be named, and its keys are free
        keys = _schema_of(kind, f"task.{name}", definitions)
        for key, value in defaults.items():
            keys["properties"][key]["default"] = value
        chosen = {"properties": {"name": {"const": name}}, "required": ["name"]}
        needed = keys.pop("required", [])
        keys["properties"] = {**dict.fromkeys(head, True), **keys["properties"]}
        keys["description"] = inspect.getdoc(build) or name
        known.append({"if": chosen, "then": keys})
        if needed:
            required.append({"if": chosen, "then": {"required": needed}})
    either = [
        {"properties": {key: {"type": "string"}}, "required": [key]} for key in ("name", "factory")
    ]
    section = {"type": "object", "properties": head, "allOf": known}
    return section, {"oneOf": either, "allOf": required}


def _connect(definitions: Schema) -> Schema:
    """The common settings of searches, and the chosen method's beside them.

    Settings of other methods may stand there, for where one of these is chosen.
    """
    common = _schema_of(Searches, "connect", definitions)
    method = common["properties"]["method"]
    one = {"type": method.pop("type"), "anyOf": [{"enum": METHODS.names()}, FROM_A_MODULE]}
    several = {"type": "array", "items": {"type": ["string", "object"]}, "minItems": 2}
    method |= {"anyOf": [one, several]}
    methods = METHODS.at_hand(load_method)
    common["properties"]["also"] |= _several("method", METHODS.names(), methods, definitions)
    every = {key: True for kind in methods.values() for key in kind.model_fields}
    known = []
    for name, kind in methods.items():
        keys = _schema_of(kind, f"connect.{name}", definitions)
        keys["properties"] = {
            **dict.fromkeys(common["properties"], True), **every, **keys["properties"]
        }  # fmt: skip
        chosen: Schema = {"properties": {"method": {"const": name}}}
        if name != DEFAULT_METHOD:
            chosen["required"] = ["method"]
        known.append({"if": chosen, "then": keys})
    del common["additionalProperties"]
    return {**common, "allOf": known}


def _several(
    key: str, names: Sequence[str], known: Mapping[str, type[Settings]], definitions: Schema
) -> Schema:
    """Some of what has these names: each a name, or a name under this key and its settings."""
    name: Schema = {"type": "string", "anyOf": [{"enum": names}, FROM_A_MODULE]}
    chosen = []
    for one, kind in known.items():
        keys = _schema_of(kind, f"also.{one}", definitions)
        keys["properties"] = {key: True, **keys.get("properties", {})}
        chosen.append({"if": {"properties": {key: {"const": one}}}, "then": keys})
    section = {"type": "object", "properties": {key: name}, "required": [key], "allOf": chosen}
    entry = {"anyOf": [name, section]}
    return {"anyOf": [name, {"type": "array", "items": entry}]}


def _schema_of(kind: Any, place: str, definitions: Schema) -> Schema:
    """The schema of a type; what it refers to is added to the definitions, under its place."""
    found = TypeAdapter(kind).json_schema(
        schema_generator=_Keys, ref_template=f"#/$defs/{place}.{{model}}"
    )
    for name, definition in found.pop("$defs", {}).items():
        definitions[f"{place}.{name}"] = definition
    found.pop("title", None)
    return found


class _Keys(GenerateJsonSchema):
    """What a config may hold of types that JSON has no words for: nothing that can be said here."""

    def handle_invalid_for_json_schema(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, schema: core_schema.CoreSchema, error_info: str
    ) -> JsonSchemaValue:
        return {}

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        """As this dialect writes it: the items of a tuple of fixed length stand in `items`."""
        found = super().tuple_schema(schema)
        if "prefixItems" in found:
            found["items"] = found.pop("prefixItems")
        return found

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # a title would only repeat the key
