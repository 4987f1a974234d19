"""The reference pages of the site, made from the program's own types when it is built.

A page has `<!-- reference: NAME -->` where NAME is commands, config or methods.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

REFERENCE = re.compile(r"^<!-- reference: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **given: Any) -> str:
    """MkDocs calls this for every page."""
    return REFERENCE.sub(lambda found: REFERENCES[found[1]](), markdown)


def commands() -> str:
    """Every command, its arguments and its options."""
    from lscape_cli.main import main

    parts = []
    with click.Context(main, info_name="lscape") as context:
        for name in main.list_commands(context):
            command = main.get_command(context, name)
            assert command is not None
            parts.append(_command(name, command, context))
    return "\n\n".join(parts)


def _command(name: str, command: click.Command, parent: click.Context) -> str:
    with click.Context(command, info_name=name, parent=parent) as context:
        usage = " ".join(["lscape", name, *command.collect_usage_pieces(context)])
        text = inspect.cleandoc(command.help or "").partition("\b")[0].strip()
        rows = [record for p in command.params if (record := p.get_help_record(context))]
    table = _table(["option", "meaning"], ([f"`{option}`", said] for option, said in rows))
    return f"### lscape {name}\n\n`{usage}`\n\n{text}\n\n{table}"


def config() -> str:
    """Every key of a config."""
    from landscape.config.load import SECTIONS as SECTIONS
    from landscape.config.sections import Connect, Searches, Sweep
    from landscape.tasks.registry import TASKS, load_builder

    parts = [_task(name, load_builder(name)) for name in TASKS.names()]
    parts = [
        '### task\n\n`name` of a task, or `factory: "module:function"`; the other keys are '
        "its arguments. `coordinates: all` lets arrays that look like state through.",
        *parts,
    ]
    for key, kind in SECTIONS.items():
        kind = Searches if kind is Connect else kind
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            parts.append(_section(key, kind))
        else:
            parts.append(
                f"### {key}\n\nA whole number; all randomness comes from it. Default: `0`."
            )
    return "\n\n".join([*parts, _section("sweep", Sweep)])


def methods() -> str:
    """Every method and its settings."""
    from landscape.methods.registry import METHODS, load_method

    return "\n\n".join(_section(name, load_method(name)) for name in METHODS.names())


def _task(name: str, build: Callable[..., Any]) -> str:
    parameters = inspect.signature(build, eval_str=True).parameters.values()
    keys = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    rows = ([f"`{p.name}`", _kind(p.annotation), _default(p.default)] for p in keys)
    text = inspect.cleandoc(build.__doc__ or "")
    return f"#### task: {{name: {name}}}\n\n{text}\n\n{_table(['key', 'type', 'default'], rows)}"


def _section(key: str, kind: type[BaseModel]) -> str:
    text = inspect.cleandoc(kind.__doc__ or "").replace("References:\n    ", "*References:* ")
    rows = [
        [f"`{name}`", _kind(field.annotation), _field_default(field), field.description or ""]
        for name, field in kind.model_fields.items()
    ]
    table = _table(["key", "type", "default", "meaning"], rows) if rows else ""
    nested = [
        _section(f"{key}.{name}", inner)
        for name, field in kind.model_fields.items()
        for inner in _models(field.annotation)
    ]
    return "\n\n".join(filter(None, [f"### {key}\n\n{text}", table, *nested]))


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models(part)


def _kind(kind: Any) -> str:
    """A type in the words of a config."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _kind(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_kind, get_args(kind))))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if origin in (tuple, list):
        inner = [part for part in get_args(kind) if part is not Ellipsis]
        return f"list of {' and '.join(dict.fromkeys(map(_kind, inner)))}"
    if origin is dict:
        return "keys with values"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "keys with values"
    words = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    return words.get(kind, "null" if kind is type(None) else getattr(kind, "__name__", str(kind)))


def _field_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "see below" if field.default_factory is not None else _default(field.default)


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, BaseModel):
        return "see the type"
    if value is None or isinstance(value, bool):
        return f"`{ {None: 'null', True: 'true', False: 'false'}[value] }`".replace(
            "` ", "`"
        ).replace(" `", "`")
    if isinstance(value, (tuple, list)):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _table(columns: list[str], rows: Any) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


REFERENCES = {"commands": commands, "config": config, "methods": methods}
