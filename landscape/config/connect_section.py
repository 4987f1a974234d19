"""The section of the searches: settings of every search beside those of the method it names."""

from __future__ import annotations

from typing import Any

from landscape.config.naming import set_name
from landscape.config.sections import PATH_FILE, Connect, Searches, named_method
from landscape.config.validation import Problem, shown, unknown, validated
from landscape.methods.base import Method
from landscape.methods.registry import DEFAULT_METHOD, METHODS, load_method


def connect_of(given: Any) -> tuple[Connect | None, list[Problem]]:
    """The section of the searches: their common settings, and those of the method that it names.

    A setting of another method is left for where that method is chosen, by a sweep or by --method.
    """
    if not isinstance(given, dict):
        return None, validated(Searches, given, "connect")[1]
    name, rest = named_method({"method": DEFAULT_METHOD, **given})
    given = {"method": name, **rest}
    kind, problems = method_of(name, "connect.method")
    if kind is None:
        return None, problems
    if clash := Searches.model_fields.keys() & kind.model_fields.keys():
        said = f"its settings {', '.join(sorted(clash))} are names that every search has already"
        return None, [("connect.method", f"{name}: {said}")]
    allowed = [*Searches.model_fields, *kind.model_fields]
    others = given.keys() - set(allowed)
    if others:
        kinds = METHODS.at_hand(load_method).values()
        known = {key for other in kinds for key in other.model_fields}
        problems += [
            (f"connect.{key}", unknown(key, allowed)) for key in given if key in others - known
        ]
    own = {key: value for key, value in given.items() if key in kind.model_fields}
    finder, found = validated(kind, own, "connect")
    problems += found
    rest = {key: value for key, value in given.items() if key in Searches.model_fields}
    common, found = validated(Searches, rest, "connect")
    problems += found
    if common is None or finder is None:
        return None, problems
    connect = Connect(**dict(common), finder=finder)
    if connect.start_method is not None:
        start, found = method_of(connect.start_method, "connect.start")
        methods = METHODS.at_hand(load_method)
        makers = [name for name, kind in methods.items() if kind.makes_start]
        if start is None and ":" in connect.start_method:
            problems += found
        elif start is None or not start.makes_start:
            said = unknown(connect.start_method, [*makers, f"FILE{PATH_FILE}"], "start")
            problems.append(("connect.start", said))
    problems += _other_searches(connect)
    return (None if problems else connect), problems


def _other_searches(connect: Connect) -> list[Problem]:
    """What is wrong with `connect.also`."""
    problems = []
    for number, (name, given) in enumerate(map(named_method, connect.also)):
        key = f"connect.also[{number}]"
        kind, found = method_of(name, f"{key}.method" if name is not None else key)
        if kind is not None:
            _, found = validated(kind, given, key)
        problems += found
    if problems:
        return problems
    if connect.also and connect.pairs == "tree":
        said = "a tree chooses its pairs by what one search finds: [] with pairs: tree"
        return [("connect.also", said)]
    names = [set_name(one) for one in (connect, *connect.others)]
    return [
        (f"connect.also[{number}]", "this search is there already, with the same settings")
        for number, name in enumerate(names[1:])
        if name in names[: number + 1]
    ]


def method_of(name: Any, key: str) -> tuple[type[Method] | None, list[Problem]]:
    """The method that a key names, or what is wrong with it."""
    if not isinstance(name, str):
        return None, [(key, f"expected text, got {shown(name)}")]
    try:
        return load_method(name), []
    except KeyError:
        return None, [(key, unknown(name, METHODS.names(), "method"))]
    except ImportError as error:
        return None, [(key, str(error))]
