"""The reference parts of the site, made from the program's own types while the site is built.

MkDocs loads this file as a hook. A page asks for a part by a line `<!-- reference: NAME -->`, with
a NAME of `PARTS`, and for a Python file by a line `<!-- file: PATH -->`.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

ASKED = re.compile(r"^<!-- reference: (\w+) -->$", re.MULTILINE)
END = "\n"  # YAML ends a lone value with it, and with dots
FILE = re.compile(r"^<!-- file: (\S+\.py) -->$", re.MULTILINE)
ROOT = Path(__file__).parent.parent
LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
WORDS = {int: "whole number", float: "number", bool: "`true` or `false`", str: "text", Any: "value"}
ROOMS = {
    "landscape.api.paths": "Paths",
    "landscape.api.shortening": "Paths",
    "landscape.api.measuring": "Measuring",
    "landscape.api.planes": "Measuring",
    "landscape.api.training": "Training models",
    "landscape.api.saving": "Training models",
    "landscape.api.graph": "Components",
    "landscape.modules": "Tasks of your networks",
    "landscape.core": "Tasks, levels and verdicts",
    "landscape.methods": "Methods",
    "landscape.search": "What a method works on",
    "landscape.measures": "Measures",
    "landscape": "Experiments and their runs",
}  # the first that a name's module is in


def on_page_markdown(markdown: str, **given: Any) -> str:
    """MkDocs calls this for every page."""
    markdown = ASKED.sub(lambda found: PARTS[found[1]](), markdown)
    return FILE.sub(lambda found: f"```python\n{(ROOT / found[1]).read_text()}```", markdown)


# -- commands --------------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its arguments and options, from click."""
    from lscape_cli.main import main

    with click.Context(main, info_name="lscape") as context:
        return "\n\n".join(_command(name, main.commands[name], context) for name in main.commands)


def _command(name: str, command: click.Command, parent: click.Context) -> str:
    with click.Context(command, info_name=name, parent=parent) as context:
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        records = [one.get_help_record(context) for one in command.params]
    text = [_paragraph(one) for one in inspect.cleandoc(command.help or "").split("\n\n")]
    rows = [[f"`{record[0]}`", record[1]] for record in records if record and record[1]]
    table = [_table(["option", "meaning"], rows)] if rows else []
    return "\n\n".join([f"### lscape {name}", f"```text\n{usage}\n```", *text, *table])


def _paragraph(text: str) -> str:
    """Of a command's help: prose, or what `\\b` keeps as it is, without the title above it."""
    if not text.startswith("\b"):
        return text
    lines = [line.strip() for line in text.splitlines() if line.startswith("  ")]
    return "```text\n" + "\n".join(lines) + "\n```"


# -- keys of a config ------------------------------------------------------------------------------


def config() -> str:
    """Every section of a config with its keys."""
    from landscape.config.load import SECTIONS
    from landscape.config.sections import Connect, Searches, Sweep

    sections = {key: Searches if kind is Connect else kind for key, kind in SECTIONS.items()}
    parts = [_section(key, kind) for key, kind in sections.items() if isinstance(kind, type)]
    return "\n\n".join([*parts, _section("sweep", Sweep)])  # task and seed are told on the page


def tasks() -> str:
    """Every built-in task with its keys."""
    from landscape.tasks.registry import TASKS, load_builder

    return "\n\n".join(_task(name, load_builder(name)) for name in TASKS.names())


def methods() -> str:
    """Every method with its settings."""
    from landscape.methods.registry import METHODS, load_method

    return "\n\n".join(_section(name, load_method(name)) for name in METHODS.names())


def measures() -> str:
    """Every measure that `measure.also` can name, with its settings."""
    from landscape.measures.registry import MEASURES, load_measure

    return "\n\n".join(_section(name, load_measure(name)) for name in MEASURES.names())


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    """The sections that a type has room for."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from models_in(part)


def sections_in(key: str, kind: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections that a section has room for, by their places; those of which one is chosen by
    its `kind` have it in their place."""
    for name, field in kind.model_fields.items():
        inner = [*models_in(field.annotation)]
        for one in inner:
            chosen = get_args(one.model_fields["kind"].annotation) if len(inner) > 1 else ()
            yield " ".join([f"{key}.{name}", *", ".join(chosen).split()]), one


def _section(key: str, kind: type[BaseModel]) -> str:
    rows = [
        [f"`{name}`", _kind(field.annotation, field.metadata), _default_of(field),
         field.description or ""]
        for name, field in kind.model_fields.items()
    ]  # fmt: skip
    nested = [_section(place, inner) for place, inner in sections_in(key, kind)]
    table = _table(["key", "type", "default", "meaning"], rows) if rows else ""
    return "\n\n".join(filter(None, [f"### {key}\n\n{_text(kind)}", table, *nested]))


def _text(kind: type[BaseModel]) -> str:
    """A docstring, its references as a line of their own."""
    text, _, cited = inspect.cleandoc(kind.__doc__ or "").partition("References:\n")
    return text.strip() + (f"\n\n*{inspect.cleandoc(cited)}*" if cited else "")


def _task(name: str, build: Callable[..., Any]) -> str:
    text, said = task_keys(build)
    parameters = inspect.signature(build, eval_str=True).parameters.values()
    rows = [
        [f"`{one.name}`", _kind(one.annotation), _default(one.default), said.get(one.name, "")]
        for one in parameters
        if one.kind is one.KEYWORD_ONLY
    ]
    return f"### {name}\n\n{text}\n\n{_table(['key', 'type', 'default', 'meaning'], rows)}"


def task_keys(build: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The docstring of a task's function without its sections, and what its `Args` say."""
    text, _, rest = inspect.cleandoc(build.__doc__ or "").partition("\nArgs:\n")
    lines = re.match(r"(?:    .*\n?|\n)*", rest)
    said = re.findall(r"^    (\w+): (.*(?:\n     .*)*)", lines[0] if lines else "", re.MULTILINE)
    return text.partition("\nRaises:")[0].strip(), dict(said)


def _kind(kind: Any, metadata: Iterable[Any] = ()) -> str:
    """A type in the words of a config, with its bounds."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _kind(inner[0], [*inner[1:], *metadata])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_kind, inner)))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is tuple and Ellipsis not in inner:
        return f"list of {len(inner)}: {', '.join(dict.fromkeys(map(_kind, inner)))}"
    if origin in (tuple, list):
        return f"list of {_kind(inner[0]).replace('number', 'numbers').replace('text', 'texts')}"
    if origin is dict or _is_section(kind):
        return "keys with values"
    bounds = " and ".join(_bounds(metadata))
    return " ".join([WORDS.get(kind, "`null`"), *([bounds] if bounds else [])])


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _bounds(metadata: Iterable[Any]) -> list[str]:
    flat = [part for one in metadata for part in getattr(one, "metadata", [one])]
    return [f"{sign} {getattr(one, name)}" for one in flat for name, sign in LIMITS.items()
            if getattr(one, name, None) is not None]  # fmt: skip


def _default_of(field: FieldInfo) -> str:
    if field.default_factory is None:
        return _default(inspect.Parameter.empty if field.is_required() else field.default)
    return (
        "from other keys"
        if field.default_factory_takes_validated_data
        else _default(field.get_default(call_default_factory=True))
    )


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    plain = value.model_dump(exclude_defaults=True) if isinstance(value, BaseModel) else value
    text = yaml.safe_dump(to_jsonable_python(plain), default_flow_style=True, width=1000)
    return f"`{text.partition(END)[0]}`"


# -- the public names ------------------------------------------------------------------------------


def api() -> str:
    """Every public name of the package for mkdocstrings: by room, functions before classes."""
    import landscape

    groups: dict[str, list[str]] = {heading: [] for heading in ROOMS.values()}
    for home, names in landscape._HOMES.items():
        room = next(room for room in ROOMS if f"{home}.".startswith(f"{room}."))
        groups[ROOMS[room]] += [f"{home}.{name}" for name in sorted(names, key=_is_class)]
    return "\n\n".join(
        f"## {heading}\n\n" + "\n\n".join(f"::: {name}" for name in names)
        for heading, names in groups.items()
    )


def _is_class(name: str) -> bool:
    return name[0].isupper()


def _table(columns: list[str], rows: Iterable[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(text: str) -> str:
    """A text as it stands in a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


PARTS = {
    "api": api, "commands": commands, "config": config, "measures": measures, "methods": methods,
    "tasks": tasks,
}  # fmt: skip
