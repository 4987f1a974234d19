"""YAML 1.2's core schema, with the place of every key: what a config is read from."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, ClassVar

import yaml

from landscape.config.validation import ConfigError, Problem, shown

MAX_NODES = 10_000
MAX_DEPTH = 50


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # pyright: ignore


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would not read as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _whole(text: str) -> int:
    number = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if abs(number) >= 2**63:
        raise ValueError
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


_CORE: dict[str, tuple[str, str, Callable[[str], Any], str]] = {
    "null": (r"~|null|Null|NULL|", "~nN", lambda text: None, "null"),
    "bool": (
        r"true|True|TRUE|false|False|FALSE",
        "tTfF",
        lambda text: {"true": True, "false": False}[text.lower()],
        "true or false",
    ),
    "int": (
        r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
        "-+0123456789",
        _whole,
        "a whole number of at most 63 bits",
    ),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)"
        r"|\.(nan|NaN|NAN)",
        "-+.0123456789",
        _finite,
        "a finite number",
    ),
}
_TAG = "tag:yaml.org,2002:"

for _name, (_pattern, _first, _, _) in _CORE.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            _TAG + _name,
            re.compile(rf"(?:{_pattern})$"),
            [*_first, *([""] if _name == "null" else [])],
        )
_Dumper.add_representer(
    list, lambda dumper, items: dumper.represent_sequence(f"{_TAG}seq", items, flow_style=True)
)


def to_yaml(data: Any) -> str:
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class Source:
    """Where each key was given, in that order, and what is wrong already in the YAML."""

    def __init__(self, place: str) -> None:
        self.places = {"": place}
        self.problems: list[Problem] = []
        self._nodes = 0

    def read(self, text: str, key: str, place: Callable[[int], str]) -> Any:
        """The plain data of a YAML text that stands at `key`; `place` names a line of it.

        Raises ConfigError for what cannot be read at all.
        """
        try:
            node = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            said = ", ".join(filter(None, (error.context, error.problem)))
            raise ConfigError(_malformed(place(line), said)) from error
        except yaml.reader.ReaderError as error:
            line = text[: int(error.position)].count("\n") + 1
            said = f"the character U+{int(error.character):04X} is not allowed"
            raise ConfigError(_malformed(place(line), said)) from error
        except RecursionError as error:
            raise ConfigError(_malformed(place(1), "nested too deeply")) from error
        return None if node is None else self._plain(node, key, place, 0)

    def override(self, data: dict[str, Any], text: str, place: str) -> None:
        """Lay `key.path=value` over the data."""
        key, equals, value = text.partition("=")
        *parents, last = key.strip().split(".")
        if not equals or not all((*parents, last)):
            raise ConfigError(f"{place}: expected key.path=value, as in train.models=8")
        for depth, parent in enumerate(parents):
            if data.get(parent) is None:
                data[parent] = {}
            if not isinstance(data[parent], dict):
                above = ".".join(parents[: depth + 1])
                raise ConfigError(f"{place}: {above} is {shown(data[parent])} and has no keys")
            data = data[parent]
        key = ".".join((*parents, last))
        below = (f"{key}.", f"{key}[")
        self.places = {k: v for k, v in self.places.items() if k != key and not k.startswith(below)}
        self.problems = [p for p in self.problems if p[0] != key and not p[0].startswith(below)]
        self.places[key] = place
        data[last] = self.read(value, key, lambda line: place)

    def _plain(self, node: yaml.Node, key: str, place: Callable[[int], str], depth: int) -> Any:
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ConfigError(_malformed(place(line), f"more than {MAX_NODES} values"))
        if depth > MAX_DEPTH:
            raise ConfigError(_malformed(place(line), f"nested more than {MAX_DEPTH} deep"))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, key, place, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            items = []
            for number, item in enumerate(node.value):
                below = f"{key}[{number}]"
                self.places[below] = place(item.start_mark.line + 1)
                items.append(self._plain(item, below, place, depth + 1))
            return items
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, key)
        self.problems.append((key, f"the tag '{node.tag}' is not supported"))
        return None

    def _mapping(
        self, node: yaml.MappingNode, key: str, place: Callable[[int], str], depth: int
    ) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for name, value in node.value:
            here = place(name.start_mark.line + 1)
            if not isinstance(name, yaml.ScalarNode) or name.tag != f"{_TAG}str":
                shown = name.value if isinstance(name, yaml.ScalarNode) else "a list or mapping"
                self.problems.append((key, f"a key must be text, got {shown} ({here})"))
                continue
            below = f"{key}.{name.value}" if key else name.value
            if name.value in mapping:
                before = self.places.pop(below)
                first = f" at {before}" if before else ""
                self.problems.append((below, f"duplicate key, given already{first}"))
            self.places[below] = here
            mapping[name.value] = self._plain(value, below, place, depth + 1)
        return mapping

    def _scalar(self, node: yaml.ScalarNode, key: str) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if kind == "str":
            if re.search("[\ud800-\udfff]", text):
                self.problems.append((key, "holds half of a surrogate pair"))
                return ""
            return text
        if kind not in _CORE:
            self.problems.append((key, f"the tag '{node.tag}' is not supported"))
            return None
        *_, convert, expected = _CORE[kind]
        try:
            return convert(text)
        except (ValueError, KeyError):
            self.problems.append((key, f"expected {expected}, got {text[:60]}"))
            return None


def _malformed(place: str, what: str) -> str:
    what = re.sub(r"'(\\x00|<stream end>)'", "the end", what)
    hint = "; text that begins with * or & needs quotes" if re.search("alias|anchor", what) else ""
    return ": ".join(filter(None, (place, f"malformed YAML: {what}{hint}")))
