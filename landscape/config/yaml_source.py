"""YAML 1.2's core schema, with the place of every key: what a config is read from."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import yaml

from landscape.config.validation import ConfigError, Problem, shown

MAX_BYTES = 2**18
MAX_NODES = 10_000
MAX_DEPTH = 50
BITS_63 = 2**63
# what a terminal obeys, and what turns the direction of text: no name has any
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # pyright: ignore


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would not read as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _whole(text: str) -> int:
    number = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if abs(number) >= BITS_63:
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
# breaks of a line to this writer, which a reader would fold: escaped, in double quotes
_BREAKS = re.compile("[\x85\u2028\u2029]")
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        f"{_TAG}str", text, style='"' if _BREAKS.search(text) else None
    ),
)


def read_file(path: Path) -> tuple[Source, Any]:
    """The plain data of a YAML file, None of an empty one, with its places and problems.

    Raises ConfigError for what cannot be read at all.
    """
    source = Source(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{path}: longer than {MAX_BYTES:,} bytes, which no config is")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text: {error.reason}") from error
    return source, source.read(text, "", lambda line: f"{path}:{line}")


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

    def take(self, value: Any, key: str, place: str, depth: int = 0) -> Any:
        """Plain data that stands at `key` and was given as such, judged as if it had been read."""
        self._count(place, depth)
        if isinstance(value, dict):
            return {
                name: self._take_below(item, _below(key, name), place, depth)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [
                self._take_below(item, f"{key}[{number}]", place, depth)
                for number, item in enumerate(value)
            ]
        if isinstance(value, str):
            return self._text(value, key)
        if isinstance(value, int) and abs(value) >= BITS_63:
            # Python writes no number of more than some thousand digits in tens
            said = str(value) if value.bit_length() < 1000 else hex(value)
            return self._refused(key, "int", said)
        if isinstance(value, float) and not math.isfinite(value):
            return self._refused(key, "float", to_yaml(value).split()[0])
        return value

    def _take_below(self, value: Any, key: str, place: str, depth: int) -> Any:
        self.places[key] = place
        return self.take(value, key, place, depth + 1)

    def override(self, data: dict[str, Any], text: str, place: str) -> None:
        """Lay `key.path=value` over the data; the value is YAML."""
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not all(key.split(".")):
            raise ConfigError(f"{place}: expected key.path=value, as in train.models=8")
        self._lay(data, key, place, lambda: self.read(value, key, lambda line: place))

    def put(self, data: dict[str, Any], key: str, value: Any, place: str) -> None:
        """Lay plain data over the data, at `key.path`."""
        self._lay(data, key, place, lambda: self.take(value, key, place))

    def _lay(self, data: dict[str, Any], key: str, place: str, value: Callable[[], Any]) -> None:
        *parents, last = key.split(".")
        for depth, parent in enumerate(parents):
            if data.get(parent) is None:
                data[parent] = {}
            if not isinstance(data[parent], dict):
                above = ".".join(parents[: depth + 1])
                raise ConfigError(f"{place}: {above} is {shown(data[parent])} and has no keys")
            data = data[parent]
        below = (f"{key}.", f"{key}[")
        self.places = {k: v for k, v in self.places.items() if k != key and not k.startswith(below)}
        self.problems = [p for p in self.problems if p[0] != key and not p[0].startswith(below)]
        self.places[key] = place
        data[last] = value()

    def _count(self, place: str, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ConfigError(_malformed(place, f"more than {MAX_NODES} values"))
        if depth > MAX_DEPTH:
            raise ConfigError(_malformed(place, f"nested more than {MAX_DEPTH} deep"))

    def _plain(self, node: yaml.Node, key: str, place: Callable[[int], str], depth: int) -> Any:
        self._count(place(node.start_mark.line + 1), depth)
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
            # a whole number is a key as it is written, as of a list of seeds
            kinds = f"{_TAG}str", f"{_TAG}int"
            if not isinstance(name, yaml.ScalarNode) or name.tag not in kinds:
                shown = name.value if isinstance(name, yaml.ScalarNode) else "a list or mapping"
                self.problems.append((key, f"a key must be text, got {shown} ({here})"))
                continue
            below = _below(key, name.value)
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
            return self._text(text, key)
        if kind not in _CORE:
            self.problems.append((key, f"the tag '{node.tag}' is not supported"))
            return None
        *_, convert, _ = _CORE[kind]
        try:
            return convert(text)
        except (ValueError, KeyError):
            return self._refused(key, kind, text)

    def _text(self, text: str, key: str) -> str:
        if re.search("[\ud800-\udfff]", text):
            self.problems.append((key, "holds half of a surrogate pair"))
            return ""
        if found := CONTROLS.search(text):
            said = f"holds the control character U+{ord(found[0]):04X}"
            self.problems.append((key, said))
            return ""
        return text

    def _refused(self, key: str, kind: str, text: str) -> None:
        self.problems.append((key, f"expected {_CORE[kind][-1]}, got {text[:60]}"))


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _malformed(place: str, what: str) -> str:
    what = re.sub(r"'(\\x00|<stream end>)'", "the end", what)
    hint = "; text that begins with * or & needs quotes" if re.search("alias|anchor", what) else ""
    return ": ".join(filter(None, (place, f"malformed YAML: {what}{hint}")))
